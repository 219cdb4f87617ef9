"""What a peer's bytes must look like before native code may read them."""

import struct
from collections.abc import Callable, Iterable
from functools import cache

import numpy as np
import pytest
import tenseal

from federation.crypto import he
from federation.crypto.bfv import bfv_parameters
from federation.crypto.ciphertext_shape import (
    check_public_context,
    check_vector,
    read_fields,
    vector_shape,
)
from federation.crypto.packing import Packing
from federation.errors import ForeignKeyError, MalformedError, PeerError, TooLargeError

BFV = bfv_parameters(Packing.choose(parties=2, bits=16))
CKKS = he.CkksParameters(degree=4096, modulus_bits=(40, 60), scale_bits=32)
SCHEMES = pytest.mark.parametrize("parameters", [BFV, CKKS], ids=["bfv", "ckks"])
Parameters = he.Parameters


@cache
def key_of(parameters: Parameters) -> he.KeyContext:
    return he.KeyContext.generate(parameters)


@cache
def public_of(parameters: Parameters) -> bytes:
    return key_of(parameters).public_bytes()


@cache
def vector_of(parameters: Parameters) -> bytes:
    context = he.PublicContext.load(public_of(parameters), parameters=parameters)
    if isinstance(parameters, he.BfvParameters):
        return context.encrypt(np.arange(parameters.slots))
    return context.encrypt(np.linspace(-1, 1, parameters.slots))


def varint(value: int) -> bytes:
    encoded = b""
    while value > 127:
        encoded += bytes([value & 127 | 128])
        value >>= 7
    return encoded + bytes([value])


def part(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def vector(sizes: Iterable[int], ciphertexts: Iterable[bytes], scale: float | None) -> bytes:
    """A vector message as TenSEAL writes it, with whatever is asked for."""
    message = part(1, b"".join(map(varint, sizes)))
    message += b"".join(part(2, ciphertext) for ciphertext in ciphertexts)
    return message if scale is None else message + b"\x19" + struct.pack("<d", scale)


def taken_apart(parameters: Parameters) -> tuple[int, bytes, float | None]:
    ciphertext = dict(read_fields(vector_of(parameters)))[2]
    assert isinstance(ciphertext, bytes)
    scale = parameters.scale if isinstance(parameters, he.CkksParameters) else None
    return parameters.slots, ciphertext, scale


def seal_object(frame: bytes) -> bytes:
    return bytes.fromhex("5ea1100403020000") + (len(frame) + 16).to_bytes(8, "little") + frame


@SCHEMES
def test_an_honest_vector_passes(parameters: Parameters) -> None:
    slots, ciphertext, scale = taken_apart(parameters)

    check_vector(vector_of(parameters), vector_shape(parameters))
    assert vector([slots], [ciphertext], scale) == vector_of(parameters)


@SCHEMES
def test_an_honest_public_context_passes(parameters: Parameters) -> None:
    check_public_context(public_of(parameters), parameters)


@SCHEMES
@pytest.mark.parametrize(
    "change",
    [
        lambda n, c, s: vector([n + 1], [c], s),
        lambda n, c, s: vector([n - 1], [c], s),
        lambda n, c, s: vector([100_000], [c], s),
        lambda n, c, s: vector([2**32 - 1], [c], s),
        lambda n, c, s: vector([0], [c], s),
        lambda n, c, s: vector([], [c], s),
        lambda n, c, s: vector([n // 2, n // 2], [c], s),
        lambda n, c, s: vector([n], [c, b""], s),
        lambda n, c, s: vector([n], [c, b"\0"], s),
        lambda n, c, s: part(1, varint(n)) + vector([n], [c], s),
        lambda n, c, s: vector([n], [c], s) + part(4, b""),
        lambda n, c, s: b"\x08" + varint(n) + vector([n], [c], s)[4:],  # not as a list
        lambda n, c, s: vector([n], [c], 0.5 if s is None else None),
    ],
)
def test_a_vector_that_claims_something_else_is_refused(
    parameters: Parameters, change: Callable[[int, bytes, float | None], bytes]
) -> None:
    with pytest.raises(MalformedError):
        check_vector(change(*taken_apart(parameters)), vector_shape(parameters))


@pytest.mark.parametrize("scale", [0.0, float("nan"), float("inf"), 2.0**31, -(2.0**32)])
def test_a_vector_of_another_scale_is_refused(scale: float) -> None:
    slots, ciphertext, _ = taken_apart(CKKS)

    with pytest.raises(MalformedError, match="scale"):
        check_vector(vector([slots], [ciphertext], scale), vector_shape(CKKS))


@SCHEMES
def test_a_vector_of_no_or_two_ciphertexts_is_refused_by_its_length(
    parameters: Parameters,
) -> None:
    slots, ciphertext, scale = taken_apart(parameters)

    with pytest.raises(MalformedError, match="at least"):
        check_vector(vector([slots], [], scale), vector_shape(parameters))
    with pytest.raises(TooLargeError, match="at most"):
        check_vector(vector([slots], [ciphertext] * 2, scale), vector_shape(parameters))


@SCHEMES
def test_every_flipped_bit_of_the_structure_is_refused(parameters: Parameters) -> None:
    honest = vector_of(parameters)
    start = honest.index(bytes.fromhex("5ea11004"))
    structure = start + 16 + 4 + 1 + 2 + 3  # through SEAL's and Zstandard's headers
    positions = [*range(structure)]
    if isinstance(parameters, he.CkksParameters):
        positions += range(len(honest) - 9, len(honest))  # the scale

    for position in positions:
        for bit in range(8):
            flipped = bytearray(honest)
            flipped[position] ^= 1 << bit
            with pytest.raises(MalformedError):
                check_vector(bytes(flipped), vector_shape(parameters))


@SCHEMES
def test_every_truncation_and_every_extension_is_refused(parameters: Parameters) -> None:
    honest = vector_of(parameters)
    lengths = np.random.default_rng(0).choice(len(honest), 300, replace=False)

    for length in (*range(40), *lengths, len(honest) - 1):
        with pytest.raises(MalformedError):
            check_vector(honest[:length], vector_shape(parameters))
    for extension in (b"\0", b"\x08", part(1, b""), bytes(500)):
        with pytest.raises(MalformedError):
            check_vector(honest + extension, vector_shape(parameters))


@SCHEMES
def test_flips_inside_the_polynomials_end_in_garbage_or_a_typed_error(
    parameters: Parameters,
) -> None:
    context = he.PublicContext.load(public_of(parameters), parameters=parameters)
    honest, rng = vector_of(parameters), np.random.default_rng(1)

    for _ in range(60):
        flipped = bytearray(honest)
        flipped[rng.integers(40, len(honest))] ^= 1 << int(rng.integers(8))
        try:
            check_vector(bytes(flipped), vector_shape(parameters))
            total = context.add([honest, bytes(flipped)])
        except PeerError:
            continue
        check_vector(total, vector_shape(parameters))


MAGIC = bytes.fromhex("28b52ffd")
PADDING = bytes(50_000)  # so that it is not the length alone that is refused
SIZED = MAGIC + b"\x60\x61\xff"  # one segment of 65377 + 256 bytes


def block(kind: int, size: int, *, last: bool) -> bytes:
    """The header of a Zstandard block: kind 0 plain, 1 repeated, 2 compressed, 3 reserved."""
    return (size << 3 | kind << 1 | last).to_bytes(3, "little")


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (PADDING, "single-segment"),
        (MAGIC + b"\x00" + PADDING, "single-segment"),  # no claim of its size
        (MAGIC + b"\x64" + PADDING, "single-segment"),  # with a checksum
        (MAGIC + b"\x61" + PADDING, "single-segment"),  # with a dictionary
        (MAGIC + b"\x60" + PADDING, "to 256 bytes"),
        (MAGIC + b"\xe0" + (1 << 40).to_bytes(8, "little") + PADDING, "to 1099511627776 bytes"),
        (SIZED + PADDING, "cut short"),  # a block that is not the last
        (SIZED + block(0, 50_000, last=True) + PADDING, "cut short"),  # unfolds to too little
        (SIZED + block(1, 65_633, last=True) + PADDING, "cut short"),  # goes on after its end
        (SIZED + block(2, 49_999, last=True) + PADDING, "cut short"),
        (SIZED + block(2, 50_001, last=True) + PADDING, "cut short"),
        (SIZED + block(3, 50_000, last=True) + PADDING, "cut short"),
        (SIZED + block(1, 200_000, last=True) + PADDING, "cut short"),
    ],
)
def test_a_frame_that_would_not_unfold_as_expected_is_refused(frame: bytes, message: str) -> None:
    body = vector([BFV.slots], [seal_object(frame)], None)

    with pytest.raises(MalformedError, match=message):
        check_vector(body, vector_shape(BFV))


def test_a_frame_that_unfolds_to_gigabytes_is_refused() -> None:
    bomb = SIZED + block(1, 1 << 17, last=False) * 12_000 + PADDING[:12_000]
    body = vector([BFV.slots], [seal_object(bomb)], None)
    assert vector_shape(BFV).least < len(body) < vector_shape(BFV).most

    with pytest.raises(MalformedError, match="too many blocks"):
        check_vector(body, vector_shape(BFV))


def test_a_context_with_a_secret_key_is_refused() -> None:
    context = native_context(BFV)
    for options in (
        {"save_secret_key": True},
        {"save_secret_key": True, "save_public_key": False},
    ):
        stolen = context.serialize(save_galois_keys=False, save_relin_keys=False, **options)

        with pytest.raises(MalformedError, match="secret key"):
            check_public_context(stolen, BFV)


def test_a_context_with_further_keys_is_refused() -> None:
    context = native_context(BFV)
    with pytest.raises(PeerError):
        check_public_context(context.serialize(save_galois_keys=False), BFV)
    assert context.has_secret_key()


def test_a_context_without_a_public_key_is_refused() -> None:
    with pytest.raises(MalformedError, match="one public key"):
        check_public_context(he.parameter_bytes(BFV), BFV)


@pytest.mark.parametrize(
    "other",
    [
        bfv_parameters(Packing.choose(parties=4, bits=16)),
        he.BfvParameters(degree=4096, modulus_bits=(54, 55), plain_modulus=BFV.plain_modulus),
        CKKS,
    ],
    ids=["plain modulus", "modulus", "scheme"],
)
def test_a_context_of_other_parameters_is_refused(other: Parameters) -> None:
    with pytest.raises(ForeignKeyError, match="other parameters"):
        check_public_context(public_of(other), BFV)


def test_a_context_of_another_degree_is_refused() -> None:
    other = he.BfvParameters(degree=8192, modulus_bits=(54, 54, 54), plain_modulus=1032193)

    with pytest.raises(TooLargeError):
        check_public_context(public_of(other), BFV)


def test_a_context_of_another_scale_is_refused() -> None:
    other = he.CkksParameters(degree=4096, modulus_bits=(40, 60), scale_bits=30)

    with pytest.raises(MalformedError, match="usual flags"):
        check_public_context(public_of(other), CKKS)


@SCHEMES
def test_every_flipped_bit_of_a_contexts_structure_is_refused(parameters: Parameters) -> None:
    honest = public_of(parameters)
    key = honest.rindex(bytes.fromhex("5ea1100403020000"))
    positions = [*range(key + 16 + 4 + 1 + 4), *range(len(honest) - 11, len(honest))]

    for position in positions:
        for bit in range(8):
            flipped = bytearray(honest)
            flipped[position] ^= 1 << bit
            with pytest.raises(PeerError):
                check_public_context(bytes(flipped), parameters)


def test_a_number_in_the_place_of_bytes_is_refused() -> None:
    parameters = dict(read_fields(public_of(BFV)))[1]
    assert isinstance(parameters, bytes)

    with pytest.raises(MalformedError, match="a number stands"):
        check_public_context(part(1, parameters) + b"\x10\x05", BFV)


def test_a_context_with_an_empty_public_part_is_refused() -> None:
    parameters = dict(read_fields(public_of(BFV)))[1]
    assert isinstance(parameters, bytes)

    with pytest.raises(MalformedError, match="one public key"):
        check_public_context(part(1, parameters) + part(2, b""), BFV)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (b"", []),
        (b"\x08\x96\x01", [(1, 150)]),
        (b"\x12\x07testing", [(2, b"testing")]),
        (b"\x19" + bytes(8), [(3, bytes(8))]),
        (b"\x08" + b"\xff" * 9 + b"\x01", [(1, 2**64 - 1)]),
    ],
)
def test_fields_are_read_as_the_format_says(
    message: bytes, expected: list[tuple[int, int | bytes]]
) -> None:
    assert read_fields(message) == expected


@pytest.mark.parametrize(
    "message",
    [
        b"\x08",
        b"\x08\x80",
        b"\x08" + b"\xff" * 10 + b"\x01",
        b"\x12\x05four",
        b"\x12" + b"\xff" * 9 + b"\x01",
        b"\x19" + bytes(7),
        b"\x0b",
        b"\x0d" + bytes(4),
        b"\x08\x01" * 9,
    ],
)
def test_what_is_no_message_is_refused(message: bytes) -> None:
    with pytest.raises(MalformedError):
        read_fields(message)


def native_context(parameters: he.BfvParameters) -> tenseal.Context:
    return tenseal.context(
        tenseal.SCHEME_TYPE.BFV,
        poly_modulus_degree=parameters.degree,
        plain_modulus=parameters.plain_modulus,
        coeff_mod_bit_sizes=list(parameters.modulus_bits),
        n_threads=1,
    )
