import gc
import struct
from pathlib import Path

import numpy as np
import pytest
from tenseal import sealapi

from federation.crypto.he_ntt import (
    DATA_PRIMES,
    PLAIN_MODULUS,
    SLOTS,
    Cipher,
    Integers,
    PublicRing,
    Ring,
    Scratch,
    SecretRing,
)
from federation.errors import MalformedError, TooLargeError

HALF = PLAIN_MODULUS // 2


@pytest.fixture(scope="module")
def secret() -> SecretRing:
    return SecretRing()


@pytest.fixture(scope="module")
def public(secret: SecretRing) -> PublicRing:
    return PublicRing(secret.public)


def uniform(seed: int) -> Integers:
    return np.random.default_rng(seed).integers(0, PLAIN_MODULUS, SLOTS)


def load_sealed(ring: Ring, stream: bytes) -> Cipher:
    return ring.load_cipher(stream, level=ring.first_level, primes=DATA_PRIMES)


def relabel(stream: bytes, length: int) -> bytes:
    """The first `length` bytes of a stream, with a header that says so."""
    return stream[:8] + struct.pack("<Q", length) + stream[16:length]


@pytest.mark.parametrize("anonymous", [True, False])
def test_a_scratch_file_holds_what_was_written_last(anonymous: bool) -> None:
    scratch = Scratch(anonymous=anonymous)

    scratch.write(b"a long first content")
    scratch.write(b"second")

    assert scratch.read() == b"second"
    assert Path(scratch.path).read_bytes() == b"second"


def test_a_named_scratch_file_is_private_and_goes_with_its_owner() -> None:
    scratch = Scratch(anonymous=False)
    path = Path(scratch.path)
    assert path.stat().st_mode & 0o077 == 0

    del scratch
    gc.collect()

    assert not path.exists()


def test_the_modulus_allows_batching() -> None:
    assert PLAIN_MODULUS % (2 * SLOTS) == 1
    assert PLAIN_MODULUS.bit_length() == 40


def test_encoded_integers_come_back() -> None:
    ring = Ring()
    values = uniform(0) - HALF
    values[:2] = (-HALF, HALF)

    assert (ring.decode(ring.encode(values)) == values).all()


def test_a_plaintext_of_coefficients_is_the_polynomial_they_spell() -> None:
    ring = Ring()
    constant = np.zeros(SLOTS, dtype=np.int64)
    constant[0] = 12345
    one, other = uniform(1), uniform(2)

    assert (ring.decode(ring.plain_of_coefficients(constant)) == 12345).all()
    of_sum, *of_each = (
        ring.decode(ring.plain_of_coefficients(c % PLAIN_MODULUS))
        for c in (one + other, one, other)
    )
    assert not ((of_sum - sum(of_each)) % PLAIN_MODULUS).any()
    assert len(np.unique(of_sum)) > SLOTS - 5


def test_a_product_decrypts_to_value_times_factor_plus_mask(
    secret: SecretRing, public: PublicRing
) -> None:
    rng = np.random.default_rng(3)
    values, factor = rng.integers(-(2**15), 2**15, SLOTS), rng.integers(-(2**11), 2**11, SLOTS)
    mask = uniform(4) - HALF
    total = public.flood([uniform(5), uniform(6)])

    public.add_product(total, public.open(secret.encrypt(values)), factor=public.factor(factor))
    stream = public.finish(total, mask=public.ring.encode(mask))

    assert not ((secret.decrypt(stream) - values * factor - mask) % PLAIN_MODULUS).any()


def test_a_sealed_stream_takes_half_the_bytes_of_two_polynomials(secret: SecretRing) -> None:
    assert len(secret.encrypt(uniform(0) - HALF)) < 0.5 * 2 * DATA_PRIMES * SLOTS * 8


def test_two_encryptions_of_the_same_values_differ(secret: SecretRing) -> None:
    values = np.zeros(SLOTS, dtype=np.int64)

    assert secret.encrypt(values)[100:200] != secret.encrypt(values)[100:200]


def test_a_truncated_stream_is_refused(secret: SecretRing) -> None:
    ring, stream = Ring(), secret.encrypt(uniform(0) - HALF)

    for length in (0, 15, 16, 1000, len(stream) - 1):
        with pytest.raises(MalformedError):
            load_sealed(ring, stream[:length])
    for length in (16, 60, 1000, len(stream) - 1):
        with pytest.raises(MalformedError, match="SEAL cannot read"):
            load_sealed(ring, relabel(stream, length))


def test_a_stream_longer_than_any_ciphertext_is_refused_unread(secret: SecretRing) -> None:
    with pytest.raises(TooLargeError):
        load_sealed(Ring(), bytes(2 * DATA_PRIMES * SLOTS * 8 + 4097))


def test_a_stream_with_bytes_to_spare_is_refused(secret: SecretRing) -> None:
    with pytest.raises(MalformedError, match="header says"):
        load_sealed(Ring(), secret.encrypt(uniform(0) - HALF) + b"x")


@pytest.mark.parametrize("place", range(8))
def test_a_stream_with_a_changed_header_never_reaches_seal(secret: SecretRing, place: int) -> None:
    stream = bytearray(secret.encrypt(uniform(0) - HALF))
    stream[place] ^= 1

    with pytest.raises(MalformedError, match="kind or version"):
        load_sealed(Ring(), bytes(stream))


def test_garbage_behind_a_good_header_is_refused(secret: SecretRing) -> None:
    ring, stream = Ring(), secret.encrypt(uniform(0) - HALF)
    rng = np.random.default_rng(0)

    for length in (40, 5000, len(stream)):
        garbage = relabel(stream[:16] + rng.bytes(length - 16), length)
        with pytest.raises(MalformedError, match="SEAL cannot read"):
            load_sealed(ring, garbage)


def test_a_ciphertext_of_another_level_is_refused(secret: SecretRing, public: PublicRing) -> None:
    mask = public.ring.encode(np.zeros(SLOTS, dtype=np.int64))
    product = public.finish(public.flood([]), mask=mask)

    with pytest.raises(MalformedError, match="level"):
        load_sealed(public.ring, product)
    with pytest.raises(TooLargeError):
        secret.decrypt(secret.encrypt(uniform(0) - HALF))


def test_a_ciphertext_in_transformed_form_is_refused(public: PublicRing) -> None:
    with pytest.raises(MalformedError, match="form"):
        load_sealed(public.ring, public.ring.dump(public.flood([])))


def test_a_ciphertext_that_hides_nothing_is_refused() -> None:
    ring = Ring()
    bare = sealapi.Ciphertext(ring.context)
    bare.resize(ring.context, ring.first_level, 2)

    with pytest.raises(MalformedError):
        load_sealed(ring, ring.dump(bare))


def test_a_secret_key_is_not_taken_for_a_public_one() -> None:
    ring = Ring()
    stream = ring.dump(sealapi.KeyGenerator(ring.context).secret_key())

    with pytest.raises(MalformedError):
        PublicRing(stream)
