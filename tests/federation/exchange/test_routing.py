import pytest

from federation.errors import MalformedError, TooLargeError, UnknownPeerError
from federation.exchange.routing import route
from federation.protocol.frames import EVERYONE, Frame, FrameKind
from federation.protocol.limits import Limits

NAMES = ("coordinator", "item", "social", "video")
LIMITS = Limits(max_frame_bytes=1000)


def sealed(sender: str, recipient: str, body: bytes = b"") -> bytes:
    return Frame(FrameKind.SEALED, sender, recipient, 0, body).encode()


def test_a_sealed_frame_goes_to_its_recipient_alone() -> None:
    assert route("item", sealed("item", "social"), NAMES, LIMITS) == ("social",)


def test_a_greeting_goes_to_everyone_else() -> None:
    greeting = Frame(FrameKind.GREETING, "item", EVERYONE, 0, b"").encode()

    assert route("item", greeting, NAMES, LIMITS) == ("coordinator", "social", "video")


def test_a_party_that_claims_anothers_name_is_refused() -> None:
    with pytest.raises(UnknownPeerError, match="video handed in a frame that claims to be item's"):
        route("video", sealed("item", "social"), NAMES, LIMITS)


@pytest.mark.parametrize("recipient", ["item", "mallory"])
def test_a_frame_to_oneself_or_to_a_stranger_is_refused(recipient: str) -> None:
    with pytest.raises(UnknownPeerError, match=f"to {recipient}, which is no peer"):
        route("item", sealed("item", recipient), NAMES, LIMITS)


def test_a_sealed_frame_cannot_be_copied_to_everyone() -> None:
    with pytest.raises(MalformedError):
        route("item", sealed("item", EVERYONE), NAMES, LIMITS)


def test_bytes_that_are_no_frame_are_refused() -> None:
    with pytest.raises(MalformedError):
        route("item", b"hello", NAMES, LIMITS)


def test_a_frame_beyond_the_limit_is_refused() -> None:
    with pytest.raises(TooLargeError):
        route("item", sealed("item", "social", bytes(1000)), NAMES, LIMITS)
