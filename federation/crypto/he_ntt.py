"""BFV as polynomials for batch gradients: typed wrappers over `tenseal.sealapi`.

    Ring         the parameters, the encoding of integers, and streams of bytes
    SecretRing   item party: holds the secret key, encrypts, decrypts
    PublicRing   partner: multiplies by plaintexts and adds, in transformed (NTT) form

The parameters are fixed here, so a peer's bytes never choose them. Bytes come in through
`Ring.load` only, which compares SEAL's own header and length first and the loaded object's
level, size and form after. An object of these classes serves one thread at a time.
"""

import os
import struct
import sys
import tempfile
import weakref
from collections.abc import Sequence
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
from tenseal import sealapi

from federation.errors import MalformedError, TooLargeError

Cipher: TypeAlias = sealapi.Ciphertext
Plain: TypeAlias = sealapi.Plaintext
Integers: TypeAlias = npt.NDArray[np.int64]

SLOTS: Final = 8192
PLAIN_BITS: Final = 40
PLAIN_MODULUS: Final = int(sealapi.PlainModulus.Batching(SLOTS, PLAIN_BITS).value())
# Three primes carry data: the flood takes 2**96 and the plain modulus 2**40 of their 2**162.
# The fourth serves key generation. 216 bits in all: 128-bit security (HomomorphicEncryption.org
# standard, table 1, allows 218 at degree 8192).
COEFF_BITS: Final = (54, 54, 54, 54)
DATA_PRIMES: Final = len(COEFF_BITS) - 1

_SEAL_HEADER: Final = struct.Struct("<8sQ")  # magic, sizes, version, compression; total length
_SEAL_BODY: Final = struct.Struct("<4QQd")  # of a plaintext: level, coefficients, scale
_NO_COMPRESSION: Final = b"\0\0\0"
_STREAM_SLACK: Final = 4096  # bytes a stream may exceed its bare words: headers, zstd frames
_WORD: Final = 8
_NATIVE_ERRORS: Final = (ValueError, RuntimeError, IndexError, OverflowError, TypeError)


class Scratch:
    """A private file that carries bytes into and out of SEAL, which saves to paths only.

    On Linux it is an anonymous memory file: nothing reaches a disk, no name can be opened by
    another user or outlive the process. It is as fast as a file under /dev/shm (0.02 ms for a
    plaintext), and unlike TenSEAL's vectors it reads and writes every SEAL object. Elsewhere
    it is an unnamed-to-others temporary file, removed with its owner.
    """

    def __init__(self, *, anonymous: bool = sys.platform == "linux") -> None:
        if anonymous:
            self._file = os.memfd_create("fedrecall", os.MFD_CLOEXEC)
            self.path = f"/proc/self/fd/{self._file}"
            weakref.finalize(self, os.close, self._file)
        else:
            self._file, self.path = tempfile.mkstemp(prefix="fedrecall-")
            weakref.finalize(self, _remove, self._file, self.path)

    def write(self, content: bytes) -> None:
        """Make `content` all there is in the file."""
        os.pwrite(self._file, content, 0)
        os.ftruncate(self._file, len(content))

    def read(self) -> bytes:
        """All there is in the file."""
        return os.pread(self._file, os.fstat(self._file).st_size, 0)


def _remove(file: int, path: str) -> None:
    os.close(file)
    os.unlink(path)  # noqa: PTH108 - pathlib may be gone when the interpreter ends


class Ring:
    """BFV with fixed parameters, and the encoding of (SLOTS,) integers modulo PLAIN_MODULUS."""

    def __init__(self) -> None:
        parameters = sealapi.EncryptionParameters(sealapi.SCHEME_TYPE.BFV)
        parameters.set_poly_modulus_degree(SLOTS)
        parameters.set_coeff_modulus(sealapi.CoeffModulus.Create(SLOTS, list(COEFF_BITS)))
        parameters.set_plain_modulus(sealapi.PlainModulus.Batching(SLOTS, PLAIN_BITS))
        self.context = sealapi.SEALContext(parameters, True, sealapi.SEC_LEVEL_TYPE.TC128)
        self.first_level = self.context.first_parms_id()
        self.last_level = self.context.last_parms_id()
        self._encoder = sealapi.BatchEncoder(self.context)
        self._scratch = Scratch()
        self._head = self.dump(sealapi.Plaintext())[:8]

    def encode(self, values: Integers) -> Plain:
        """Encode (SLOTS,) integers from -PLAIN_MODULUS // 2 to PLAIN_MODULUS // 2."""
        plain = sealapi.Plaintext()
        self._encoder.encode(values.tolist(), plain)
        return plain

    def decode(self, plain: Plain) -> Integers:
        """The (SLOTS,) integers of a plaintext, in the range of `encode`."""
        return np.array(self._encoder.decode_int64(plain), dtype=np.int64)

    def plain_of_coefficients(self, coefficients: Integers) -> Plain:
        """A plaintext with these (SLOTS,) coefficients, each in [0, PLAIN_MODULUS).

        Written as a SEAL stream without compression: a tenth of the time of encoding a list.
        """
        words = coefficients.astype("<u8").tobytes()
        head = self._head[:5] + _NO_COMPRESSION
        inner = _SEAL_HEADER.pack(head, _SEAL_HEADER.size + _WORD + len(words))
        body = _SEAL_BODY.pack(0, 0, 0, 0, SLOTS, 1.0) + inner + struct.pack("<Q", SLOTS) + words
        self._scratch.write(_SEAL_HEADER.pack(head, _SEAL_HEADER.size + len(body)) + body)
        plain = sealapi.Plaintext()
        plain.load(self.context, self._scratch.path)
        return plain

    def dump(self, native: Any) -> bytes:  # noqa: ANN401 - any SEAL object with `save`
        """The bytes of a SEAL object, compressed by SEAL."""
        native.save(self._scratch.path)
        return self._scratch.read()

    def load(self, native: Any, stream: bytes, *, words: int) -> None:  # noqa: ANN401
        """Fill a SEAL object from a peer's bytes.

        Args:
            native: an empty SEAL object with `load`.
            stream: what `dump` gave on the other side.
            words: most 64-bit words the object may hold.

        Raises:
            TooLargeError: the stream is longer than such an object can be.
            MalformedError: the stream is not such an object under these parameters.
        """
        if len(stream) > words * _WORD + _STREAM_SLACK:
            raise TooLargeError(f"{len(stream)} bytes for an object of {words * _WORD} bytes")
        if len(stream) < _SEAL_HEADER.size:
            raise MalformedError("a stream shorter than SEAL's header")
        head, length = _SEAL_HEADER.unpack_from(stream)
        if head != self._head:
            raise MalformedError("a stream of another kind or version of SEAL")
        if length != len(stream):
            raise MalformedError(f"SEAL's header says {length} bytes, there are {len(stream)}")
        self._scratch.write(stream)
        try:
            native.load(self.context, self._scratch.path)
        except _NATIVE_ERRORS as error:
            raise MalformedError("SEAL cannot read the stream under these parameters") from error

    def load_cipher(self, stream: bytes, *, level: Sequence[int], primes: int) -> Cipher:
        """A ciphertext of two polynomials at that level, in coefficient form.

        Raises:
            TooLargeError: see `load`.
            MalformedError: it is no such ciphertext.
        """
        cipher = sealapi.Ciphertext()
        self.load(cipher, stream, words=2 * primes * SLOTS)
        shape = (cipher.parms_id(), cipher.size(), cipher.is_ntt_form())
        if shape != (level, 2, False) or cipher.is_transparent():
            raise MalformedError("a ciphertext of another level, size or form")
        return cipher


class SecretRing:
    """The item party's side: a fresh key pair, whose secret half never leaves this object."""

    def __init__(self) -> None:
        self.ring = Ring()
        generator = sealapi.KeyGenerator(self.ring.context)
        secret, public = generator.secret_key(), sealapi.PublicKey()
        generator.create_public_key(public)
        self.public = self.ring.dump(public)
        self._encryptor = sealapi.Encryptor(self.ring.context, secret)
        self._decryptor = sealapi.Decryptor(self.ring.context, secret)

    def encrypt(self, values: Integers) -> bytes:
        """Encrypt (SLOTS,) integers; the second polynomial travels as its 64-byte seed."""
        return self.ring.dump(self._encryptor.encrypt_symmetric(self.ring.encode(values)))

    def decrypt(self, stream: bytes) -> Integers:
        """Decrypt what `PublicRing.finish` gave to (SLOTS,) integers modulo PLAIN_MODULUS.

        Raises:
            TooLargeError: see `Ring.load`.
            MalformedError: it is no such ciphertext.
        """
        plain = sealapi.Plaintext()
        self._decryptor.decrypt(self._load_product(stream), plain)
        return self.ring.decode(plain)

    def noise_budget(self, stream: bytes) -> int:
        """Bits by which the noise of a product may still grow before it decrypts wrongly."""
        return int(self._decryptor.invariant_noise_budget(self._load_product(stream)))

    def _load_product(self, stream: bytes) -> Cipher:
        return self.ring.load_cipher(stream, level=self.ring.last_level, primes=1)


class PublicRing:
    """The partner's side: it computes on ciphertexts and can decrypt nothing."""

    def __init__(self, public: bytes) -> None:
        self.ring = Ring()
        key = sealapi.PublicKey()
        self.ring.load(key, public, words=2 * len(COEFF_BITS) * SLOTS)
        self._encryptor = sealapi.Encryptor(self.ring.context, key)
        self._evaluator = sealapi.Evaluator(self.ring.context)
        self._product = sealapi.Ciphertext()  # kept: allocating one costs as much as adding it
        self._factor = sealapi.Plaintext()

    def open(self, stream: bytes) -> Cipher:
        """Load what `SecretRing.encrypt` gave, and transform it.

        Raises:
            TooLargeError: see `Ring.load`.
            MalformedError: it is no such ciphertext.
        """
        level = self.ring.first_level
        cipher = self.ring.load_cipher(stream, level=level, primes=DATA_PRIMES)
        self._evaluator.transform_to_ntt_inplace(cipher)
        return cipher

    def factor(self, values: Integers) -> bytes:
        """Encode and transform (SLOTS,) integers for `add_product`, not all of them zero.

        Returned as bytes because a transformed plaintext takes 192 KiB, but only 3 KiB once
        compressed when each value fills one residue class of slots; loading takes half the time
        of the multiplication.
        """
        plain = self.ring.encode(values)
        self._evaluator.transform_to_ntt_inplace(plain, self.ring.first_level)
        return self.ring.dump(plain)

    def add_product(self, total: Cipher, cipher: Cipher, *, factor: bytes) -> None:
        """Add `cipher` times a factor to `total`; both in transformed form."""
        self.ring.load(self._factor, factor, words=DATA_PRIMES * SLOTS)
        self._evaluator.multiply_plain(cipher, self._factor, self._product)
        self._evaluator.add_inplace(total, self._product)

    def flood(self, factors: Sequence[Integers]) -> Cipher:
        """A fresh encryption of zero times random plaintexts, in transformed form.

        Args:
            factors: coefficients of each plaintext, (SLOTS,), uniform in [0, PLAIN_MODULUS).
        """
        cipher = sealapi.Ciphertext()
        self._encryptor.encrypt_zero(cipher)
        self._evaluator.transform_to_ntt_inplace(cipher)
        for coefficients in factors:
            plain = self.ring.plain_of_coefficients(coefficients)
            self._evaluator.transform_to_ntt_inplace(plain, self.ring.first_level)
            self._evaluator.multiply_plain_inplace(cipher, plain)
        return cipher

    def finish(self, total: Cipher, *, mask: Plain) -> bytes:
        """Leave the transformed form, drop to one prime, add the mask and give the bytes.

        Dropping primes happens after the flood and needs no secret, so it tells nothing more. It
        rounds both polynomials: with a ternary secret that adds at most (1 + SLOTS) / 2 = 2**12
        of noise, and 2**54 / 2**41 = 2**13 is where decryption would begin to fail.
        """
        self._evaluator.transform_from_ntt_inplace(total)
        self._evaluator.mod_switch_to_inplace(total, self.ring.last_level)
        self._evaluator.add_plain_inplace(total, mask)
        return self.ring.dump(total)
