from federation.protocol.codec import decode_message
from federation.protocol.frames import decode_frame
from federation.protocol.limits import Limits
from tests.federation.protocol.examples import FRAMES, MESSAGES
from tests.federation.protocol.wire_format import GOLDEN, wire_format


def test_the_wire_format_is_the_recorded_one() -> None:
    assert wire_format() == GOLDEN.read_text(encoding="ascii"), (
        "the wire format has changed, so older parties cannot take part any more; if that is "
        "meant, run python -m tests.federation.protocol.wire_format"
    )


def test_recorded_bytes_are_read_as_what_they_were() -> None:
    recorded = dict(line.split(": ") for line in GOLDEN.read_text(encoding="ascii").splitlines())

    for number, message in MESSAGES.items():
        data = bytes.fromhex(recorded[f"message {number} {type(message).__name__}"])
        assert decode_message(data, Limits()) == message
    for name, frame in FRAMES.items():
        assert decode_frame(bytes.fromhex(recorded[name]), Limits()) == frame


def test_a_sealed_frame_is_laid_out_as_its_module_says() -> None:
    data = FRAMES["sealed frame"].encode()

    assert data[:2] == b"FR"
    assert data[2] == 1  # version
    assert data[3] == 2  # kind
    assert (data[4], data[5]) == (len("item"), len("social"))
    assert data[6:14] == bytes(range(1, 9))  # counter, big endian
    assert data[14:24] == b"itemsocial"
    assert data[24:] == FRAMES["sealed frame"].body
