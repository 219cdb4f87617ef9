"""The shape of TenSEAL's bytes, checked before native code reads them.

TenSEAL believes what a message claims: a `sizes` entry that does not fit its ciphertext reads
foreign memory or ends the process, and a compressed block may unfold to gigabytes. What is
accepted here has exactly one form:

    BFVVector / CKKSVector   sizes = [length], ciphertexts = [one], CKKS: scale
    Context                  parameters = the expected ones, public key, no secret, no other key
    a SEAL object            16-byte header, one Zstandard frame of the exact unfolded size

The polynomials inside are not checked (any bits are a possible ciphertext); frames are
authenticated elsewhere.

Source: tenseal/proto/*.proto of TenSEAL 0.3.18; seal/serialization.h of SEAL 4.3 (SEALHeader);
RFC 8878, section 3.1.1 (Zstandard frames).
"""

import struct
from dataclasses import dataclass
from typing import Final

from federation.crypto import he
from federation.errors import ForeignKeyError, MalformedError, TooLargeError

Field = tuple[int, int | bytes]  # number and content

_SEAL_HEADER: Final = bytes.fromhex("5ea1 10 04 03 02 0000")  # magic, size, 4.3, Zstandard, zeros
_SEAL_HEADER_BYTES: Final = 16  # the eight above and the object's length
_SEAL_OVERHEAD: Final = 97  # what SEAL writes around the words of a ciphertext or public key
_ZSTD_MAGIC: Final = bytes.fromhex("28b52ffd")
_ZSTD_SIZE_BYTES: Final = {0: 1, 1: 2, 2: 4, 3: 8}  # of a single-segment frame, by its flag
_ZSTD_BLOCK: Final = 1 << 17  # bytes one block may unfold to
_REPEATED, _COMPRESSED, _RESERVED = 1, 2, 3  # kinds of Zstandard blocks; 0 is plain bytes
_WORD_BYTES: Final = 8
_POLYNOMIALS: Final = 2  # in a fresh ciphertext and in a public key
_MOST_FIELDS: Final = 8
_SLACK: Final = 1024  # bytes that headers, tags and block headers may take
_VARINT_BYTES: Final = 10
_SECRET_FIELD: Final = 3  # TenSEALContextProto.private_context


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorShape:
    """What one serialised vector must look like; made by `vector_shape`."""

    length: int  # numbers encrypted
    unfolded: int  # bytes of the ciphertext before compression
    least: int  # bytes a ciphertext cannot be shorter than: its polynomials are random
    scale: float | None  # CKKS only

    @property
    def most(self) -> int:
        """Bytes a serialised vector cannot be longer than."""
        return self.unfolded + _SLACK


def vector_shape(parameters: he.Parameters) -> VectorShape:
    """The shape of a full ciphertext under these parameters."""
    data_bits = parameters.modulus_bits[:-1]
    scale = parameters.scale if isinstance(parameters, he.CkksParameters) else None
    return VectorShape(
        length=parameters.slots,
        unfolded=_unfolded(parameters.degree, len(data_bits)),
        least=_POLYNOMIALS * parameters.degree * (sum(data_bits) - len(data_bits)) // 8,
        scale=scale,
    )


def check_vector(body: bytes, shape: VectorShape) -> None:
    """Refuse bytes that are not exactly one full vector of that shape.

    Raises:
        TooLargeError: more bytes than any such vector has.
        MalformedError: anything else.
    """
    _check_length(len(body), least=shape.least, most=shape.most, what="ciphertext")
    expected = [1, 2] if shape.scale is None else [1, 2, 3]
    fields = read_fields(body)
    if [number for number, _ in fields] != expected:
        raise MalformedError("a vector must hold one size list, one ciphertext and its scale")
    sizes, ciphertext, *scale = (content for _, content in fields)
    if sizes != _varint(shape.length):
        raise MalformedError(f"a ciphertext must claim {shape.length} numbers and no others")
    if scale != ([] if shape.scale is None else [struct.pack("<d", shape.scale)]):
        raise MalformedError("a ciphertext has another scale than the settings")
    _check_seal(ciphertext, unfolded=shape.unfolded)


def check_public_context(public: bytes, parameters: he.Parameters) -> None:
    """Refuse bytes that are not these parameters with one public key and nothing more.

    Raises:
        TooLargeError: more bytes than a public context has.
        ForeignKeyError: the context has other parameters.
        MalformedError: anything else; a secret key above all.
    """
    unfolded = _unfolded(parameters.degree, len(parameters.modulus_bits))
    # Twice, so that a context with a secret key is named as what it is.
    _check_length(len(public), least=0, most=2 * unfolded, what="public context")
    fields = read_fields(public)
    if _SECRET_FIELD in (number for number, _ in fields):
        raise MalformedError("a public context must not hold a secret key")
    if [number for number, _ in fields] != [1, 2]:
        raise MalformedError("a public context must hold parameters and a public key only")
    own = dict(read_fields(he.parameter_bytes(parameters)))
    if fields[0][1] != own[1]:
        raise ForeignKeyError("a public context has other parameters than the settings")
    _check_public_key(_as_bytes(fields[1][1]), _as_bytes(own[2]), unfolded=unfolded)


def _check_public_key(part: bytes, own: bytes, *, unfolded: int) -> None:
    first, *others = read_fields(part) or [(0, b"")]
    if first[0] != 1 or others != read_fields(own):
        raise MalformedError("a public context must hold one public key and the usual flags only")
    _check_seal(first[1], unfolded=unfolded)


def read_fields(message: bytes) -> list[Field]:
    """Read a protobuf message's fields in order, with the few wire types TenSEAL uses.

    Returns:
        Number and content of each field; a varint as int, all else as bytes.

    Raises:
        MalformedError: the bytes are not such a message.

    Source: protobuf.dev/programming-guides/encoding.
    """
    fields: list[Field] = []
    position = 0
    while position < len(message):
        if len(fields) == _MOST_FIELDS:
            raise MalformedError("a message has more fields than TenSEAL writes")
        tag, position = _read_varint(message, position)
        content, position = _read_content(message, position, wire_type=tag & 7)
        fields.append((tag >> 3, content))
    return fields


def _read_varint(message: bytes, position: int) -> tuple[int, int]:
    value = 0
    for index in range(_VARINT_BYTES):
        if position + index >= len(message):
            break
        byte = message[position + index]
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value, position + index + 1
    raise MalformedError("a message ends inside a number, or the number is too long")


def _read_content(message: bytes, position: int, *, wire_type: int) -> tuple[int | bytes, int]:
    if wire_type == 0:
        return _read_varint(message, position)
    if wire_type == 1:
        length = 8
    elif wire_type == 2:
        length, position = _read_varint(message, position)
    else:
        raise MalformedError(f"a message uses wire type {wire_type}, which TenSEAL does not")
    end = position + length
    if end > len(message):
        raise MalformedError("a message ends inside a field")
    return message[position:end], end


def _varint(value: int) -> bytes:
    """The shortest protobuf encoding of a number from 0."""
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def _unfolded(degree: int, primes: int) -> int:
    return _SEAL_OVERHEAD + _POLYNOMIALS * degree * primes * _WORD_BYTES


def _check_length(length: int, *, least: int, most: int, what: str) -> None:
    if length > most:
        raise TooLargeError(f"a {what} of {length} bytes; at most {most} are possible")
    if length < least:
        raise MalformedError(f"a {what} of {length} bytes; at least {least} are needed")


def _check_seal(content: int | bytes, *, unfolded: int) -> None:
    """Refuse anything but one SEAL object whose Zstandard frame unfolds to that many bytes."""
    data = _as_bytes(content)
    if data[:8] != _SEAL_HEADER or data[8:16] != len(data).to_bytes(8, "little"):
        raise MalformedError("an object does not begin with the header of SEAL 4.3")
    _check_frame(data[_SEAL_HEADER_BYTES:], unfolded=unfolded)


def _check_frame(frame: bytes, *, unfolded: int) -> None:
    if len(frame) < 5 or frame[:4] != _ZSTD_MAGIC or frame[4] & 0x3F != 0x20:
        raise MalformedError("compressed bytes are not a plain single-segment frame")
    size_bytes = _ZSTD_SIZE_BYTES[frame[4] >> 6]
    claimed = int.from_bytes(frame[5 : 5 + size_bytes], "little")
    claimed += 256 if size_bytes == 2 else 0
    if claimed != unfolded:
        raise MalformedError(f"compressed bytes unfold to {claimed} bytes, not to {unfolded}")
    _check_blocks(frame, 5 + size_bytes, unfolded=unfolded)


def _check_blocks(frame: bytes, position: int, *, unfolded: int) -> None:
    """Walk the blocks of a frame: no more than needed, the last one ending the frame."""
    reach = 0  # bytes the blocks so far can unfold to at most
    for _ in range(-(-unfolded // _ZSTD_BLOCK)):
        header = int.from_bytes(frame[position : position + 3], "little")
        kind, size = (header >> 1) & 3, header >> 3
        if kind == _RESERVED or size > _ZSTD_BLOCK:
            break
        position += 3 + (1 if kind == _REPEATED else size)
        reach += _ZSTD_BLOCK if kind == _COMPRESSED else size
        if header & 1:
            if position == len(frame) and reach >= unfolded:
                return
            break
    raise MalformedError("compressed bytes are cut short, continued or in too many blocks")


def _as_bytes(content: int | bytes) -> bytes:
    if isinstance(content, int):
        raise MalformedError("a number stands where bytes are needed")
    return content
