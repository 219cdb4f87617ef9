import hashlib
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.crypto.masks import PairwiseMasks, uniform_numbers
from federation.errors import MaskReuseError, SettingError

T = 68719403009


def pair_key(one: str, other: str) -> bytes:
    return hashlib.sha256("|".join(sorted((one, other))).encode()).digest()


def partners(count: int) -> list[PairwiseMasks]:
    names = [f"partner-{i}" for i in range(count)]
    return [
        PairwiseMasks(own=own, keys={p: pair_key(own, p) for p in names if p != own})
        for own in names
    ]


@settings(max_examples=40)
@given(
    count=st.integers(1, 8),
    length=st.integers(0, 50),
    step=st.integers(0, 2**64 - 1),
    modulus=st.integers(2, 2**62),
)
def test_masks_of_all_partners_cancel(count: int, length: int, step: int, modulus: int) -> None:
    masks = [partner.mask(step, length, modulus) for partner in partners(count)]

    for mask in masks:
        assert mask.shape == (length,)
        assert ((mask >= 0) & (mask < modulus)).all()
    for slot in zip(*(mask.tolist() for mask in masks), strict=True):
        assert sum(slot) % modulus == 0


def test_a_sum_with_one_partner_missing_stays_masked() -> None:
    masks = [partner.mask(0, 2000, T) for partner in partners(3)]

    rest = (masks[0] + masks[1]) % T

    assert np.unique(rest).size > 1990
    assert (rest == (T - masks[2]) % T).all()


def test_numbers_are_the_published_key_stream() -> None:
    # RFC 8439, A.1, test vector 1 (zero key, nonce and counter) begins 76 b8 e0 ad a0 f1 3d 90.
    first = int.from_bytes(bytes.fromhex("76b8e0ada0f13d90"), "little")

    assert uniform_numbers(bytes(32), 0, count=1, modulus=T).tolist() == [first % 2**36]


def test_golden_numbers() -> None:
    numbers = uniform_numbers(bytes(range(32)), 2**40 + 7, count=4, modulus=T)

    assert numbers.tolist() == [38925017098, 27304592629, 51296466003, 29627227040]


@pytest.mark.parametrize("modulus", [3, 5, 17])
def test_every_residue_is_equally_likely(modulus: int) -> None:
    numbers = uniform_numbers(bytes(range(32)), 7, count=60_000, modulus=modulus)

    counts = np.bincount(numbers, minlength=modulus)

    expected = 60_000 / modulus
    assert counts.size == modulus
    assert np.abs(counts - expected).max() < 5 * np.sqrt(expected)  # five deviations


def test_numbers_stay_uniform_when_half_the_words_are_dropped() -> None:
    modulus = 2**33 + 1
    numbers = uniform_numbers(bytes(range(32)), 7, count=60_000, modulus=modulus)

    counts = np.bincount(numbers * 8 // modulus, minlength=8)

    assert numbers.max() < modulus
    assert np.abs(counts - 7500).max() < 5 * np.sqrt(7500)


def test_numbers_do_not_depend_on_how_many_are_drawn() -> None:
    many = uniform_numbers(bytes(32), 1, count=500, modulus=2**40 + 1)
    few = uniform_numbers(bytes(32), 1, count=90, modulus=2**40 + 1)

    assert few.tolist() == many[:90].tolist()


def test_steps_and_keys_give_unrelated_numbers() -> None:
    streams = [
        uniform_numbers(bytes([k] * 32), step, count=64, modulus=T).tolist()
        for k in (1, 2)
        for step in (0, 1, 2**32, 2**63)
    ]

    assert all(not set(a) & set(b) for a, b in pairwise(streams))


def test_the_same_step_is_never_masked_twice() -> None:
    partner = partners(2)[0]
    partner.mask(5, 4, T)
    partner.mask(3, 4, T)

    with pytest.raises(MaskReuseError, match="step 5"):
        partner.mask(5, 8, T)


def test_a_lone_partner_has_nothing_to_hide_behind() -> None:
    assert partners(1)[0].mask(0, 3, T).tolist() == [0, 0, 0]


def test_keys_are_never_printed() -> None:
    masks = PairwiseMasks(own="a", keys={"b": b"K" * 32})

    assert "KKKK" not in repr(masks)


@pytest.mark.parametrize(
    ("keys", "message"),
    [({"b": b"short"}, "shared with b is not 32"), ({"a": bytes(32)}, "with itself")],
)
def test_unusable_keys_are_refused(keys: dict[str, bytes], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        PairwiseMasks(own="a", keys=keys)


@pytest.mark.parametrize(
    ("step", "modulus"), [(-1, T), (2**64, T), (0, 1), (0, 0), (0, 2**62 + 1)]
)
def test_a_step_or_modulus_out_of_range_is_refused(step: int, modulus: int) -> None:
    with pytest.raises(SettingError, match="out of range"):
        partners(2)[0].mask(step, 4, modulus)
