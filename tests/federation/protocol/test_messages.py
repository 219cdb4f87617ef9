from dataclasses import FrozenInstanceError, fields, is_dataclass

import pytest

from federation.protocol import messages
from federation.protocol.codec import KINDS
from federation.protocol.messages import AtLeast, Message
from federation.protocol.profile import Profile
from tests.federation.protocol.examples import FRAMES, MESSAGES, PAYLOAD

# What may be printed of a message: counts, names, random identifiers, digests. All else is hidden.
PRINTED = {
    "Greeting": {"job", "agreement"},
    "Holdings": {"alignment", "epochs"},
    "ResumeFrom": {"epoch", "finished"},
    "Slots": {"alignment", "total"},
    "Activations": {"step", "rows"},
    "SummedActivations": {"step", "rows", "cohort"},
    "Collected": {"step"},
    "ClearGradients": {"step"},
    "SealedGradients": {"step"},
    "MaskedProducts": {"step"},
    "ProductSums": {"step"},
    "EpochEnd": {"epoch", "best"},
    "TrainingEnd": {"epoch", "best"},
    "Stopped": {"reason"},
    "ProgressReport": {"stage", "done", "total", "recall"},
}
EACH = pytest.mark.parametrize("message", MESSAGES.values(), ids=lambda m: type(m).__name__)


def test_there_is_an_example_of_every_message() -> None:
    assert [type(message) for message in MESSAGES.values()] == list(KINDS)
    named = [kind for kind in vars(messages).values() if isinstance(kind, type)]
    assert set(KINDS) == {kind for kind in named if issubclass(kind, Message)} - {Message}


@EACH
def test_a_printed_message_never_shows_its_payload(message: Message) -> None:
    text = repr(message) + str(message)

    assert "PAYLOAD" not in text
    assert PAYLOAD.hex() not in text


@EACH
def test_only_counts_names_and_random_identifiers_are_printed(message: Message) -> None:
    assert is_dataclass(message)
    printed = {field.name for field in fields(message) if field.repr}

    assert printed == PRINTED.get(type(message).__name__, set())


@EACH
def test_a_message_cannot_be_changed_or_given_more_fields(message: Message) -> None:
    names = [field.name for field in fields(message)]
    with pytest.raises((FrozenInstanceError, TypeError, AttributeError)):
        setattr(message, names[0] if names else "extra", 1)

    assert not hasattr(message, "__dict__")


def test_a_printed_frame_shows_its_header_only() -> None:
    text = repr(FRAMES["sealed frame"])

    assert "PAYLOAD" not in text
    assert "item" in text


def test_bounds_of_integers_compare_by_value() -> None:
    assert AtLeast(1) == AtLeast(1) != AtLeast(0)


@pytest.mark.parametrize(
    ("profile", "protected", "trains"),
    [
        (Profile.STRICT, True, True),
        (Profile.FROZEN, True, False),
        (Profile.PLAIN, False, True),
    ],
)
def test_a_profile_says_what_it_protects_and_trains(
    profile: Profile, protected: bool, trains: bool
) -> None:
    assert profile.protected is protected
    assert profile.trains_partners is trains
