from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation import errors
from federation.errors import (
    FederationError,
    MalformedError,
    PeerLostError,
    ReplayedError,
    SessionOverError,
    SettingError,
    UnknownPeerError,
    VersionError,
)
from federation.exchange.claims import (
    ARRIVED_KEY,
    INSTANCE_KEY,
    MAX_PARTIES,
    NAMES_KEY,
    PARTY_KEY,
    REFUSAL_KEY,
    REFUSALS,
    SESSION_KEY,
    TOKEN_KEY,
    VERSION_KEY,
    Claim,
    Metadata,
    Welcome,
    decode_refusal,
    encode_refusal,
    is_refusal,
)

CLAIM = Claim(
    party="social", session=bytes(16), token=b"secret!!" * 4, instance=b"i" * 16, arrived=7
)
WELCOME = Welcome(arrived=3, names=("coordinator", "item", "social"), max_frame_bytes=1000)


def changed(pairs: Metadata, key: str, value: str | bytes | None) -> Metadata:
    rest = [(name, old) for name, old in pairs if name != key]
    return rest if value is None else [*rest, (key, value)]


def test_a_claim_is_read_as_it_was_made() -> None:
    assert Claim.from_metadata(CLAIM.to_metadata(), "social") == CLAIM


def test_a_welcome_is_read_as_it_was_made() -> None:
    assert Welcome.from_metadata(WELCOME.to_metadata()) == WELCOME


def test_what_grpc_adds_to_a_call_is_left_alone() -> None:
    pairs = [*CLAIM.to_metadata(), ("user-agent", "grpc-python/1.85.1")]
    assert Claim.from_metadata(pairs, "social") == CLAIM


def test_a_printed_claim_never_shows_its_token() -> None:
    assert "secret" not in repr(CLAIM)


@pytest.mark.parametrize("version", ["2", "0", "1.0", "", b"1", None, "\x1b[2J" * 100])
def test_another_version_is_refused_before_anything_else_is_read(
    version: str | bytes | None,
) -> None:
    pairs = changed([(VERSION_KEY, "1")], VERSION_KEY, version)

    with pytest.raises(VersionError, match=r"social speaks version .* same version") as refusal:
        Claim.from_metadata(pairs, "social")
    assert "\x1b" not in str(refusal.value)
    assert len(str(refusal.value)) < 200


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *((key, None) for key, _ in CLAIM.to_metadata() if key != VERSION_KEY),
        *((key, bytes(31)) for key in (SESSION_KEY, TOKEN_KEY, INSTANCE_KEY, PARTY_KEY)),
        (PARTY_KEY, ""),
        (PARTY_KEY, "Social"),
        (PARTY_KEY, "social\n"),
        (PARTY_KEY, "s" * 33),
        (SESSION_KEY, "0" * 16),
        (ARRIVED_KEY, ""),
        (ARRIVED_KEY, "-1"),
        (ARRIVED_KEY, "1e5"),
        (ARRIVED_KEY, "9" * 5000),
        (ARRIVED_KEY, b"7"),
    ],
)
def test_a_claim_with_a_part_that_cannot_be_is_refused(
    key: str, value: str | bytes | None
) -> None:
    with pytest.raises(MalformedError):
        Claim.from_metadata(changed(CLAIM.to_metadata(), key, value), "social")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *((key, None) for key, _ in WELCOME.to_metadata()),
        (NAMES_KEY, b"item"),
        (NAMES_KEY, ""),
        (NAMES_KEY, "item,,social"),
        (NAMES_KEY, "item,So cial"),
        (NAMES_KEY, "item" + ",item" * MAX_PARTIES),
        (ARRIVED_KEY, "x"),
    ],
)
def test_a_welcome_with_a_part_that_cannot_be_is_refused(
    key: str, value: str | bytes | None
) -> None:
    with pytest.raises(MalformedError):
        Welcome.from_metadata(changed(WELCOME.to_metadata(), key, value))


keys = st.sampled_from([key for key, _ in [*CLAIM.to_metadata(), *WELCOME.to_metadata()]])


@given(st.lists(st.tuples(keys, st.text() | st.binary())))
def test_any_metadata_are_read_or_refused(pairs: Metadata) -> None:
    for read in (
        lambda: Claim.from_metadata(pairs, "social"),
        lambda: Welcome.from_metadata(pairs),
    ):
        try:
            read()
        except (MalformedError, VersionError):
            continue


@pytest.mark.parametrize("kind", REFUSALS.values())
def test_a_refusal_is_raised_again_at_the_refused_party(kind: type[FederationError]) -> None:
    pairs = encode_refusal(kind("because"))

    assert is_refusal(pairs)
    again = decode_refusal(pairs, "because")
    assert type(again) is kind
    assert str(again) == "because"


def test_a_refusal_of_another_kind_is_told_as_a_lost_peer() -> None:
    assert type(decode_refusal(encode_refusal(SettingError("x")), "x")) is PeerLostError


def test_a_refusal_is_told_as_the_nearest_kind_there_is() -> None:
    class OverLongAgoError(SessionOverError):
        pass

    assert type(decode_refusal(encode_refusal(OverLongAgoError("x")), "x")) is SessionOverError


@pytest.mark.parametrize("kind", ["ReplayedError", "SystemExit", "", b"UnknownPeerError"])
def test_a_hub_cannot_make_a_party_raise_anything_else(kind: str | bytes) -> None:
    assert ReplayedError.__name__ not in REFUSALS
    with pytest.raises(MalformedError):
        decode_refusal([(REFUSAL_KEY, kind)], "x")


def test_a_hubs_sentence_is_made_short_and_printable() -> None:
    error = decode_refusal(encode_refusal(UnknownPeerError("")), "a\nline\x1b[31m" + "x" * 5000)

    assert str(error).startswith("a line [31mxxx")
    assert len(str(error)) == 400


def test_a_call_that_ended_without_a_refusal_is_none() -> None:
    assert not is_refusal([("grpc-status", "14")])


def test_every_refusal_is_an_error_of_the_package_that_takes_one_sentence() -> None:
    for name, kind in REFUSALS.items():
        assert getattr(errors, name) is kind
        assert str(kind("one sentence")) == "one sentence"


def test_only_secrets_are_kept_from_a_claims_repr() -> None:
    assert {part.name for part in fields(Claim) if not part.repr} == {"token"}
