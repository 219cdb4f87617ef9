import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.crypto.gradient_wire import Kind, fingerprint, fingerprint_of, unwrap, wrap
from federation.errors import ForeignKeyError, MalformedError

OWN = b"a" * 16


@given(kind=st.sampled_from(Kind), parts=st.lists(st.binary(max_size=20), max_size=5))
def test_what_was_wrapped_comes_out(kind: Kind, parts: list[bytes]) -> None:
    envelope = wrap(kind, parts, under=OWN)

    assert unwrap(envelope, kind, count=len(parts), under=OWN) == tuple(parts)
    assert unwrap(envelope, kind, count=len(parts), under=None) == tuple(parts)
    assert fingerprint_of(envelope) == OWN


@given(cut=st.integers(0, 43), part=st.just(b"0123456789"))
def test_a_truncated_envelope_is_refused(cut: int, part: bytes) -> None:
    envelope = wrap(Kind.PRODUCT, [part, b"more"], under=OWN)

    with pytest.raises(MalformedError):
        unwrap(envelope[:cut], Kind.PRODUCT, count=2, under=OWN)


def test_an_envelope_with_bytes_to_spare_is_refused() -> None:
    envelope = wrap(Kind.PRODUCT, [b"part"], under=OWN)

    with pytest.raises(MalformedError, match="do not add up"):
        unwrap(envelope + b"x", Kind.PRODUCT, count=1, under=OWN)


def test_an_envelope_whose_lengths_lie_is_refused() -> None:
    envelope = bytearray(wrap(Kind.PRODUCT, [b"part"], under=OWN))
    envelope[22] += 1

    with pytest.raises(MalformedError, match="do not add up"):
        unwrap(bytes(envelope), Kind.PRODUCT, count=1, under=OWN)


def test_a_product_is_not_taken_for_a_sealed_group() -> None:
    envelope = wrap(Kind.PRODUCT, [b"part"], under=OWN)

    with pytest.raises(MalformedError, match="not a sealed_group of 1 parts"):
        unwrap(envelope, Kind.SEALED_GROUP, count=1, under=OWN)


def test_another_number_of_parts_is_refused() -> None:
    envelope = wrap(Kind.SEALED_GROUP, [b"one", b"two"], under=OWN)

    with pytest.raises(MalformedError, match="of 1 parts"):
        unwrap(envelope, Kind.SEALED_GROUP, count=1, under=OWN)


def test_bytes_of_another_format_are_refused() -> None:
    envelope = b"XXXX" + wrap(Kind.PRODUCT, [b"part"], under=OWN)[4:]

    with pytest.raises(MalformedError):
        unwrap(envelope, Kind.PRODUCT, count=1, under=OWN)


def test_an_envelope_under_another_key_is_refused() -> None:
    envelope = wrap(Kind.PRODUCT, [b"part"], under=b"b" * 16)

    with pytest.raises(ForeignKeyError, match="another key"):
        unwrap(envelope, Kind.PRODUCT, count=1, under=OWN)


def test_a_fingerprint_depends_on_the_key_and_on_where_the_settings_end() -> None:
    base = fingerprint(b"key", settings=b"settings")

    assert len(base) == 16
    assert base == fingerprint(b"key", settings=b"settings")
    assert base != fingerprint(b"kex", settings=b"settings")
    assert base != fingerprint(b"skey", settings=b"setting")
