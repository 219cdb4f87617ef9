"""Words for everything that may leave, spelled out again, and none for what may not."""

from itertools import product

import pytest

from federation.crypto.cipher import Scheme
from federation.protocol.codec import KINDS
from federation.protocol.conversation import TRANSITIONS
from federation.protocol.messages import Message
from federation.protocol.profile import Profile
from parties.errors import UnlistedReleaseError
from parties.protection import Protection
from tests.docs.pages import ROOT
from tests.parties.harness import tiny

# Spelled out again on purpose: what each profile has no use for.
BACKWARD = {"GradientKey", "SealedGradients", "MaskedProducts", "ProductSums", "ClearGradients"}
UNUSED = {
    Profile.STRICT: {"ClearGradients"},
    Profile.FROZEN: BACKWARD | {"EpochEnd", "TrainingEnd"},
    Profile.PLAIN: BACKWARD - {"ClearGradients"},
}
BESIDE_THE_TABLES = {  # what no conversation of item party and partner has
    "Greeting",
    "KeyConfirmation",
    "Activations",
    "SummedActivations",
    "Collected",
    "ProgressReport",
    "Stopped",
}


def protection(profile: Profile, *, partners: int = 2, **changes: object) -> Protection:
    return Protection.of(tiny(profile, **changes), partners=partners)


@pytest.mark.parametrize(("profile", "kind"), [*product(Profile, KINDS)])
def test_every_message_of_a_profile_has_words_and_no_other_has(
    profile: Profile, kind: type[Message]
) -> None:
    name = kind.__name__
    if name in UNUSED[profile]:
        with pytest.raises(UnlistedReleaseError, match=f"{name} may not leave"):
            protection(profile).phrase(name)
    else:
        words = protection(profile).phrase(name)
        assert words
        assert words.isprintable()


@pytest.mark.parametrize("profile", Profile)
def test_what_has_words_is_what_the_protocol_allows(profile: Profile) -> None:
    allowed = {kind.__name__ for _, kind in TRANSITIONS[profile]} | BESIDE_THE_TABLES

    assert allowed == {kind.__name__ for kind in KINDS} - UNUSED[profile]


def test_an_unheard_of_message_may_not_leave() -> None:
    with pytest.raises(UnlistedReleaseError, match="Diary may not leave under profile strict"):
        protection(Profile.STRICT).phrase("Diary")


@pytest.mark.parametrize(
    ("profile", "partners", "scheme", "words"),
    [
        (Profile.STRICT, 2, "bfv", "BFV ciphertext under the item party's key, masked"),
        (Profile.STRICT, 1, "bfv", "BFV ciphertext under the item party's key, NOT masked"),
        (Profile.FROZEN, 3, "ckks", "CKKS ciphertext under the item party's key, NOT masked"),
        (Profile.PLAIN, 2, "bfv", "CLEAR to its recipient: embeddings"),
    ],
)
def test_words_for_embeddings_say_what_really_protects_them(
    profile: Profile, partners: int, scheme: str, words: str
) -> None:
    made = protection(profile, partners=partners, exchange__scheme=scheme)

    assert made.phrase("Activations") == words
    assert ("CLEAR" in made.phrase("SummedActivations")) is (profile is Profile.PLAIN)
    assert made.scheme is (Scheme.CLEAR if profile is Profile.PLAIN else Scheme(scheme))


def test_only_plain_says_clear_of_what_holds_data() -> None:
    for profile, kind in product(Profile, KINDS):
        if kind.__name__ not in UNUSED[profile]:
            words = protection(profile).phrase(kind.__name__)
            assert "CLEAR" not in words or profile is Profile.PLAIN


def test_the_manual_has_the_words_of_every_profile() -> None:
    page = " ".join((ROOT / "docs/ledger.md").read_text(encoding="utf-8").split())
    for profile, kind in product(Profile, KINDS):
        if kind.__name__ not in UNUSED[profile]:
            words = protection(profile).phrase(kind.__name__).split(": ")[0]
            assert words.replace("CLEAR", "**CLEAR**") in page
