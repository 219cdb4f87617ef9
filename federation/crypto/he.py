"""The one door to TenSEAL: contexts, encrypted vectors and the bytes they cross in.

    KeyContext      holds the secret key: gives out public bytes, decrypts sums
    PublicContext   holds a public key only: encrypts vectors, adds ciphertexts

What TenSEAL does not do, and its callers here must: it takes bytes of another key for
good ones, believes the lengths a message claims, and can put the secret key into a
serialised context. So bytes from a peer are checked by `ciphertext_shape` before they
come here, and the only bytes a context gives out are those of its public key.

TenSEAL never releases the interpreter lock; every context here uses one thread.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final, NoReturn, Self

import numpy as np
import numpy.typing as npt
import tenseal

from federation.errors import MalformedError

_THREADS: Final = 1
_FRESH_SIZE: Final = 2  # polynomials in a ciphertext nobody multiplied
_NATIVE_ERRORS: Final = (ValueError, RuntimeError, IndexError, OverflowError, TypeError)


@dataclass(frozen=True, slots=True, kw_only=True)
class BfvParameters:
    """What fixes a BFV scheme: exact sums of integers modulo `plain_modulus`."""

    degree: int
    modulus_bits: tuple[int, ...]  # the last prime serves key generation and carries no data
    plain_modulus: int

    @property
    def slots(self) -> int:
        """Integers in one ciphertext."""
        return self.degree


@dataclass(frozen=True, slots=True, kw_only=True)
class CkksParameters:
    """What fixes a CKKS scheme: approximate sums of reals."""

    degree: int
    modulus_bits: tuple[int, ...]  # the last prime serves key generation and carries no data
    scale_bits: int

    @property
    def slots(self) -> int:
        """Reals in one ciphertext."""
        return self.degree // 2

    @property
    def scale(self) -> float:
        """What a real is multiplied by before it is rounded."""
        return float(2**self.scale_bits)


Parameters = BfvParameters | CkksParameters


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyContext:
    """A key pair with its parameters; nothing here serialises the secret half."""

    parameters: Parameters
    _context: Any = field(repr=False)

    @classmethod
    def generate(cls, parameters: Parameters) -> Self:
        """Draw a key pair from the operating system's randomness."""
        return cls(parameters=parameters, _context=_new_context(parameters))

    def public_bytes(self) -> bytes:
        """Serialise the parameters and the public key, and nothing else."""
        return _serialise(self._context, with_public_key=True)

    def decrypt_integers(self, ciphertext: bytes) -> npt.NDArray[np.int64]:
        """Decrypt one checked BFV ciphertext to its (length,) integers.

        They stand for their residues modulo the plain modulus and may be negative.

        Raises:
            MalformedError: TenSEAL refused the bytes.
        """
        vector = _load_vector(self.parameters, self._context, ciphertext)
        return np.array(vector.decrypt(), dtype=np.int64)

    def decrypt_reals(self, ciphertext: bytes) -> npt.NDArray[np.float64]:
        """Decrypt one checked CKKS ciphertext to its (length,) approximate reals.

        Raises:
            MalformedError: TenSEAL refused the bytes.
        """
        vector = _load_vector(self.parameters, self._context, ciphertext)
        return np.array(vector.decrypt(), dtype=np.float64)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret key is never copied, pickled or sent to another process")


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicContext:
    """A public key with its parameters: encrypts and adds, can decrypt nothing."""

    parameters: Parameters
    _context: Any = field(repr=False)

    @classmethod
    def load(cls, public: bytes, *, parameters: Parameters) -> Self:
        """Read bytes that `ciphertext_shape.check_public_context` has passed.

        Raises:
            MalformedError: TenSEAL refused the bytes.
        """
        try:
            context = tenseal.context_from(public, n_threads=_THREADS)
        except _NATIVE_ERRORS as error:
            raise MalformedError("the public context is not one TenSEAL can read") from error
        return cls(parameters=parameters, _context=context)

    def encrypt(self, numbers: npt.NDArray[np.int64] | npt.NDArray[np.float64]) -> bytes:
        """Encrypt (length,) numbers, at most `parameters.slots`, as one ciphertext."""
        # The wrapped class: tenseal.bfv_vector copies the list three times more.
        vector = _vector(self.parameters, self._context, numbers.tolist())
        return bytes(vector.serialize())

    def add(self, ciphertexts: Sequence[bytes]) -> bytes:
        """Add checked ciphertexts of this key, slot by slot.

        Raises:
            MalformedError: TenSEAL refused the bytes.
        """
        first, *others = (
            _load_vector(self.parameters, self._context, item) for item in ciphertexts
        )
        try:
            for other in others:
                first.add_(other)
        except _NATIVE_ERRORS as error:
            raise MalformedError("the ciphertexts cannot be added") from error
        return bytes(first.serialize())


@cache
def parameter_bytes(parameters: Parameters) -> bytes:
    """A serialised context of these parameters without any key: what peers must agree on."""
    return _serialise(_new_context(parameters), with_public_key=False)


def _new_context(parameters: Parameters) -> Any:  # noqa: ANN401 - TenSEAL has no stubs
    bits = list(parameters.modulus_bits)
    if isinstance(parameters, BfvParameters):
        return tenseal.context(
            tenseal.SCHEME_TYPE.BFV,
            poly_modulus_degree=parameters.degree,
            plain_modulus=parameters.plain_modulus,
            coeff_mod_bit_sizes=bits,
            n_threads=_THREADS,
        )
    context = tenseal.context(
        tenseal.SCHEME_TYPE.CKKS,
        poly_modulus_degree=parameters.degree,
        coeff_mod_bit_sizes=bits,
        n_threads=_THREADS,
    )
    context.global_scale = parameters.scale
    return context


def _serialise(context: Any, *, with_public_key: bool) -> bytes:  # noqa: ANN401
    return bytes(
        context.serialize(
            save_public_key=with_public_key,
            save_secret_key=False,
            save_galois_keys=False,
            save_relin_keys=False,
        )
    )


def _vector(parameters: Parameters, context: Any, content: Any) -> Any:  # noqa: ANN401
    if isinstance(parameters, BfvParameters):
        return tenseal._ts_cpp.BFVVector(context.data, content)
    if isinstance(content, bytes):
        return tenseal._ts_cpp.CKKSVector(context.data, content)
    return tenseal._ts_cpp.CKKSVector(context.data, content, parameters.scale)


def _load_vector(parameters: Parameters, context: Any, content: bytes) -> Any:  # noqa: ANN401
    try:
        vector = _vector(parameters, context, content)
        sizes = [part.size() for part in vector.ciphertext()]
    except _NATIVE_ERRORS as error:
        raise MalformedError("the ciphertext is not one TenSEAL can read") from error
    if sizes != [_FRESH_SIZE]:
        raise MalformedError("the ciphertext does not consist of exactly two polynomials")
    return vector
