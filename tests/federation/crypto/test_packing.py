import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.crypto.fixed_point import ALLOWED_BITS
from federation.crypto.packing import MOST_PARTIES, Packing, batching_prime
from federation.errors import GuardBitsError, MalformedError, SettingError

# parties, bits: width, fields, modulus. A peer with another table could not join a run.
GOLDEN = {
    (1, 8): (8, 5, 1099511480321),
    (2, 8): (9, 4, 68719403009),
    (4, 8): (10, 4, 1099511480321),
    (8, 8): (11, 3, 8589852673),
    (1, 12): (12, 3, 68719403009),
    (2, 12): (13, 3, 549755731969),
    (4, 12): (14, 3, 4398046486529),
    (8, 12): (15, 2, 1073692673),
    (1, 16): (16, 2, 8589852673),
    (2, 16): (17, 2, 17179754497),
    (3, 16): (18, 2, 68719403009),
    (4, 16): (18, 2, 68719403009),
    (5, 16): (19, 2, 274877816833),
    (8, 16): (19, 2, 274877816833),
}


@pytest.mark.parametrize(("case", "expected"), GOLDEN.items())
def test_the_packing_of_each_setting_is_fixed(
    case: tuple[int, int], expected: tuple[int, int, int]
) -> None:
    packing = Packing.choose(parties=case[0], bits=case[1])

    assert (packing.width, packing.fields, packing.modulus) == expected


@pytest.mark.parametrize("bits", ALLOWED_BITS)
@pytest.mark.parametrize("parties", range(1, 9))
def test_the_largest_sum_fits_below_the_modulus(parties: int, bits: int) -> None:
    packing = Packing.choose(parties=parties, bits=bits, degree=16)
    top = np.full(3 * packing.fields * 16, 2**bits - 2, np.int64)

    total = parties * packing.pack(top)

    assert total.max() < packing.modulus
    assert (packing.unpack(total, count=top.size) == parties * (2**bits - 2)).all()


@settings(max_examples=60)
@given(data=st.data(), parties=st.integers(1, 8), bits=st.sampled_from(ALLOWED_BITS))
def test_sums_of_packed_levels_are_sums_of_levels(
    data: st.DataObject, parties: int, bits: int
) -> None:
    packing = Packing.choose(parties=parties, bits=bits, degree=8)
    count = data.draw(st.integers(1, 100))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    levels = rng.integers(0, 2**bits - 1, size=(parties, count))

    slots = sum(packing.pack(row) for row in levels)

    assert isinstance(slots, np.ndarray)
    assert slots.shape == (packing.ciphertexts(count), 8)
    assert (packing.unpack(slots, count=count) == levels.sum(0)).all()


def test_golden_slots() -> None:
    packing = Packing.choose(parties=2, bits=8, degree=4)  # four fields of nine bits

    slots = packing.pack(np.array([[1, 2, 3], [4, 5, 6]]))

    assert slots.tolist() == [[1 | 5 << 9, 2 | 6 << 9, 3, 4]]
    assert packing.unpack(slots, count=6).tolist() == [1, 2, 3, 4, 5, 6]


def test_the_modulus_is_a_prime_that_allows_batching() -> None:
    for (parties, bits), _ in GOLDEN.items():
        modulus = Packing.choose(parties=parties, bits=bits).modulus

        assert modulus % 8192 == 1
        assert all(modulus % divisor for divisor in range(3, 100_000, 2))
        assert pow(3, modulus - 1, modulus) == 1


def test_a_prime_is_the_largest_of_its_kind() -> None:
    assert batching_prime(0, degree=8, bits=8) == 241
    assert batching_prime(241, degree=8, bits=8) == 449  # none of 8 bits is above 241
    assert batching_prime(0, degree=1, bits=4) == 61  # nor of 4 or 5 bits above 37


def test_a_strong_pseudoprime_to_base_two_is_passed_over() -> None:
    # 2047 = 23 * 89 passes base 2; the largest odd number of 11 bits that is prime is 2039.
    assert batching_prime(0, degree=1, bits=11) == 2039


@pytest.mark.parametrize(("parties", "bits"), [(9, 16), (64, 16), (MOST_PARTIES + 1, 8)])
def test_more_partners_than_the_guard_bits_hold_are_refused(parties: int, bits: int) -> None:
    with pytest.raises(GuardBitsError, match=rf"{parties} partners.*fewer bits"):
        Packing.choose(parties=parties, bits=bits)


def test_fewer_bits_make_room_for_more_partners() -> None:
    assert Packing.choose(parties=64, bits=12).width == 18


def test_no_partner_is_refused() -> None:
    with pytest.raises(SettingError, match="parties is 0"):
        Packing.choose(parties=0, bits=16)


@pytest.mark.parametrize("level", [-1, 255])
def test_a_level_outside_the_grid_is_refused(level: int) -> None:
    packing = Packing.choose(parties=2, bits=8, degree=4)

    with pytest.raises(SettingError, match="8-bit grid"):
        packing.pack(np.array([0, level]))


def test_a_sum_whose_padding_is_not_zero_is_refused() -> None:
    packing = Packing.choose(parties=2, bits=8, degree=4)
    slots = packing.pack(np.arange(6))
    slots[0, 3] |= 1 << 27

    with pytest.raises(MalformedError, match="mask did not cancel"):
        packing.unpack(slots, count=6)


def test_no_levels_pack_to_no_ciphertext() -> None:
    assert Packing.choose(parties=2, bits=8).pack(np.zeros((0, 3), np.int64)).shape == (0, 4096)
