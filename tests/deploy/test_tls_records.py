"""A stream counts as sealed only if every byte of it belongs to a TLS record."""

import ssl

import pytest

from deploy.rehearsal.tls_records import walk_records


def record(kind: int, size: int, version: bytes = b"\x03\x03") -> bytes:
    return bytes([kind]) + version + size.to_bytes(2, "big") + bytes(size)


def test_records_are_told_by_what_they_carry() -> None:
    stream = record(22, 100, b"\x03\x01") + record(20, 1) + record(23, 5000) + record(21, 19)
    assert walk_records(stream).sealed == 5005
    assert walk_records(stream).handshake == 105 + 6 + 24
    assert walk_records(stream).clear == 0


def test_a_real_hello_is_a_handshake() -> None:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname="hub")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    hello = outgoing.read()
    assert walk_records(hello).handshake == len(hello)
    assert b"hub" in hello, "the name that is dialled is in clear"


def test_a_stream_that_ends_inside_a_record_is_still_sealed() -> None:
    whole = record(22, 10) + record(23, 1000)
    for end in range(len(whole)):
        assert walk_records(whole[:end]).clear == 0, end


@pytest.mark.parametrize(
    "clear",
    [
        b"GET / HTTP/1.1\r\n",
        b"PRI * HTTP/2.0\r\n",
        record(24, 10),
        record(23, 10, b"\x02\x00"),
        b"\x17\x03\x03\xff\xff" + bytes(70_000),
    ],
)
def test_anything_else_is_in_clear_from_there_on(clear: bytes) -> None:
    sealed = record(22, 10) + record(23, 1000)
    assert walk_records(sealed + clear).clear == len(clear)
    assert walk_records(clear + sealed).clear == len(clear + sealed)
