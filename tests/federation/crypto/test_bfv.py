import numpy as np
import pytest
import tenseal.sealapi as seal
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.crypto.bfv import BfvCipher, bfv_parameters
from federation.crypto.cipher import CipherConfig, Scheme
from federation.crypto.fixed_point import ALLOWED_BITS, Rounding
from federation.crypto.packing import Packing
from federation.errors import GuardBitsError, MalformedError, MaskReuseError, SettingError
from tests.federation.crypto.summing import STEPS, make_parties, masks_of, some_values


@settings(max_examples=12, deadline=None)
@given(
    parties=st.integers(2, 8),
    bits=st.sampled_from(ALLOWED_BITS),
    shape=st.tuples(st.integers(1, 300), st.integers(1, 70)),
    seed=st.integers(0, 2**32),
)
def test_a_sum_equals_clear_fixed_point_bit_for_bit(
    parties: int, bits: int, shape: tuple[int, int], seed: int
) -> None:
    values = some_values(parties, shape, seed=seed)
    grid = CipherConfig(parties=parties, clip=2.0, bits=bits).fixed_point

    total = make_parties(Scheme.BFV, parties=parties, bits=bits).total(values)

    levels = np.sum([grid.encode(own).levels for own in values], axis=0)
    assert total.tobytes() == grid.decode(levels, parties=parties).tobytes()


@pytest.mark.parametrize("parties", [2, 4, 8])
def test_the_largest_and_smallest_sums_are_exact(parties: int) -> None:
    shape = (130, 64)  # more than one ciphertext
    for end in (-2.0, 2.0):
        values = [np.full(shape, end, np.float32)] * parties

        assert (make_parties(Scheme.BFV, parties=parties).total(values) == parties * end).all()


def test_a_slot_nobody_knows_sums_to_zero() -> None:
    values = [np.zeros((7, 9), np.float32)] * 3

    assert (make_parties(Scheme.BFV, parties=3).total(values) == 0).all()


def test_a_sum_of_stochastically_rounded_values_is_exact() -> None:
    config = CipherConfig(parties=1, clip=1.0, bits=8, rounding=Rounding.STOCHASTIC)
    cipher = BfvCipher(config=config)
    pair = cipher.key_pair()
    values = some_values(1, (20, 10), seed=5)[0]

    encryptor = cipher.encryptor(pair.public, None, rng=np.random.default_rng(7))
    total = cipher.decryptor(pair).decrypt(encryptor.encrypt(values, step=0), shape=(20, 10))

    levels = config.fixed_point.encode(values, rng=np.random.default_rng(7)).levels
    assert (total == config.fixed_point.decode(levels, parties=1)).all()


def test_a_masked_contribution_looks_uniform_to_the_key_holder() -> None:
    parties = make_parties(Scheme.BFV)
    secret = parties.key_pair.secret
    assert secret is not None
    zeros = np.zeros((128, 64), np.float32)

    payload = parties.contributions([zeros, zeros])[0][0]
    slots = secret.decrypt_integers(payload[16:])

    modulus = Packing.choose(parties=2, bits=16).modulus
    counts = np.bincount(slots % modulus * 8 // modulus, minlength=8)
    assert np.abs(counts - 512).max() < 5 * np.sqrt(512)


def test_one_contribution_without_the_others_is_refused() -> None:
    parties = make_parties(Scheme.BFV)
    payloads = parties.contributions(some_values(2, (128, 60), seed=1))[0]

    with pytest.raises(MalformedError, match="did not cancel"):
        parties.decryptor.decrypt(payloads, shape=(128, 60))


def test_masks_of_different_steps_do_not_cancel() -> None:
    parties = make_parties(Scheme.BFV)
    values = some_values(2, (10, 10), seed=2)
    first, second = (parties.contributions(values) for _ in range(2))

    total = parties.adder.add([first[0], second[1]], shape=(10, 10))

    with pytest.raises(MalformedError, match="did not cancel"):
        parties.decryptor.decrypt(total, shape=(10, 10))


def test_the_same_step_is_never_encrypted_twice() -> None:
    encryptor = make_parties(Scheme.BFV).encryptors[0]
    step = next(STEPS)
    encryptor.encrypt(np.zeros((2, 2), np.float32), step=step)

    with pytest.raises(MaskReuseError, match=str(step)):
        encryptor.encrypt(np.ones((2, 2), np.float32), step=step)


def test_clipped_values_are_counted() -> None:
    cipher = BfvCipher(config=CipherConfig(parties=1, clip=1.0))
    encryptor = cipher.encryptor(
        make_parties(Scheme.BFV, parties=1, clip=1.0).key_pair.public, None
    )

    encryptor.encrypt(np.array([[0.0, 1.5]], np.float32), step=0)
    encryptor.encrypt(np.array([[-3.0, -1.5]], np.float32), step=1)

    assert encryptor.clipped == 3


@pytest.mark.parametrize("sharing", [2, 4])
def test_masks_shared_with_the_wrong_number_of_partners_are_refused(sharing: int) -> None:
    parties = make_parties(Scheme.BFV, parties=3)

    with pytest.raises(SettingError, match="2 others"):
        parties.cipher.encryptor(parties.key_pair.public, masks_of(0, sharing))


def test_more_partners_than_the_guard_bits_hold_are_refused() -> None:
    with pytest.raises(GuardBitsError, match="9 partners"):
        BfvCipher(config=CipherConfig(parties=9, clip=1.0))


def test_a_batch_costs_at_most_seven_point_six_bytes_a_value() -> None:
    payloads = make_parties(Scheme.BFV).contributions(some_values(2, (1024, 64), seed=3))[0]

    assert sum(map(len, payloads)) / (1024 * 64) <= 7.6


@pytest.mark.parametrize("bits", ALLOWED_BITS)
@pytest.mark.parametrize("parties", [1, 2, 4, 8])
def test_a_sum_leaves_noise_budget(parties: int, bits: int) -> None:
    assert noise_budget(parties, bits) >= 2


def test_the_largest_allowed_sum_leaves_noise_budget() -> None:
    assert noise_budget(64, 12) >= 1


def noise_budget(parties: int, bits: int) -> int:
    """Bits left in the sum of `parties` ciphertexts, by SEAL's own measure."""
    parameters = bfv_parameters(Packing.choose(parties=parties, bits=bits))
    settings_ = seal.EncryptionParameters(seal.SCHEME_TYPE.BFV)
    settings_.set_poly_modulus_degree(parameters.degree)
    settings_.set_coeff_modulus(
        seal.CoeffModulus.Create(parameters.degree, list(parameters.modulus_bits))
    )
    settings_.set_plain_modulus(parameters.plain_modulus)
    context = seal.SEALContext(settings_, True, seal.SEC_LEVEL_TYPE.TC128)
    keys = seal.KeyGenerator(context)
    public = seal.PublicKey()
    keys.create_public_key(public)
    encryptor, evaluator = seal.Encryptor(context, public), seal.Evaluator(context)
    rng = np.random.default_rng(parties)
    half = parameters.plain_modulus // 2
    total = seal.Ciphertext()
    encryptor.encrypt_zero(total)
    for _ in range(parties):
        plain, item = seal.Plaintext(), seal.Ciphertext()
        numbers = rng.integers(-half, half, size=parameters.degree).tolist()
        seal.BatchEncoder(context).encode(numbers, plain)
        encryptor.encrypt(plain, item)
        evaluator.add_inplace(total, item)
    budget: int = seal.Decryptor(context, keys.secret_key()).invariant_noise_budget(total)
    return budget
