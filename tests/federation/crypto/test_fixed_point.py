import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from federation.crypto.fixed_point import ALLOWED_BITS, FixedPoint, Rounding
from federation.errors import MalformedError, SettingError

BITS = st.sampled_from(ALLOWED_BITS)
MATRICES = arrays(
    np.float32,
    st.tuples(st.integers(1, 6), st.integers(1, 6)),
    elements=st.floats(-4, 4, width=32),
)


@given(values=MATRICES, bits=BITS)
def test_levels_follow_the_slow_formula(values: np.ndarray, bits: int) -> None:
    half = 2 ** (bits - 1) - 1
    levels = FixedPoint(clip=1.5, bits=bits).encode(values).levels

    for value, level in zip(values.flat, levels.flat, strict=True):
        clipped = min(max(float(value), -1.5), 1.5)
        assert level == round(clipped / (1.5 / half)) + half  # round: ties to even


@given(values=MATRICES, bits=BITS, parties=st.integers(1, 8))
def test_a_decoded_sum_is_within_half_a_step_a_party(
    values: np.ndarray, bits: int, parties: int
) -> None:
    grid = FixedPoint(clip=4.0, bits=bits)
    total = grid.encode(values).levels * parties

    error = np.abs(grid.decode(total, parties=parties) - values * np.float32(parties))

    assert error.max() <= parties * grid.step / 2 + 1e-5


@pytest.mark.parametrize("bits", ALLOWED_BITS)
def test_zero_contributes_exactly_nothing(bits: int) -> None:
    grid = FixedPoint(clip=0.7, bits=bits)
    levels = grid.encode(np.zeros((2, 3), np.float32)).levels

    assert (grid.decode(5 * levels, parties=5) == 0).all()


def test_golden_levels_and_values() -> None:
    grid = FixedPoint(clip=1.0, bits=8)
    values = np.array([[-2.0, -1.0, -0.5, 0.0, 0.25, 1.0, 1.5]], np.float32)

    encoding = grid.encode(values)

    assert encoding.levels.tolist() == [[0, 0, 63, 127, 159, 254, 254]]
    assert grid.decode(np.array([0, 127, 254]), parties=1).tolist() == [-1.0, 0.0, 1.0]


def test_values_beyond_the_clip_are_counted() -> None:
    values = np.array([[-1.01, -1.0, 0.0], [1.0, 1.5, 3e38]], np.float32)

    encoding = FixedPoint(clip=1.0).encode(values)

    assert encoding.clipped == 3
    assert encoding.levels.min() == 0
    assert encoding.levels.max() == FixedPoint(clip=1.0).top == 65534


@pytest.mark.parametrize("bits", ALLOWED_BITS)
def test_stochastic_rounding_is_unbiased_and_near(bits: int) -> None:
    grid = FixedPoint(clip=1.0, bits=bits, rounding=Rounding.STOCHASTIC)
    values = np.full((200, 200), 0.123, np.float32)

    decoded = grid.decode(grid.encode(values, rng=np.random.default_rng(0)).levels, parties=1)

    assert np.abs(decoded - values).max() <= grid.step
    # The mean of 40,000 errors below one step deviates by at most step / 400: five deviations.
    assert abs(float(decoded.mean(dtype=np.float64)) - 0.123) < grid.step * 5 / 400


def test_stochastic_rounding_keeps_the_ends_of_the_grid() -> None:
    grid = FixedPoint(clip=1.0, bits=8, rounding=Rounding.STOCHASTIC)
    values = np.array([[-1.0, 0.0, 1.0]] * 500, np.float32)

    levels = grid.encode(values, rng=np.random.default_rng(1)).levels

    assert np.unique(levels, axis=0).tolist() == [[0, 127, 254]]


def test_stochastic_rounding_repeats_with_its_generator() -> None:
    grid = FixedPoint(clip=1.0, rounding=Rounding.STOCHASTIC)
    values = np.random.default_rng(2).normal(size=(8, 8)).astype(np.float32)

    first, second = (grid.encode(values, rng=np.random.default_rng(3)).levels for _ in range(2))

    assert (first == second).all()


def test_stochastic_rounding_without_a_generator_is_refused() -> None:
    grid = FixedPoint(clip=1.0, rounding=Rounding.STOCHASTIC)

    with pytest.raises(SettingError, match="generator"):
        grid.encode(np.zeros((1, 1), np.float32))


@pytest.mark.parametrize(
    ("value", "name"), [(np.nan, "NaN"), (np.inf, "infinite"), (-np.inf, "infinite")]
)
def test_a_value_that_is_not_finite_is_refused_by_place_and_kind(value: float, name: str) -> None:
    values = np.zeros((3, 4), np.float32)
    values[1, 2] = value

    with pytest.raises(SettingError, match=rf"\(1, 2\) is {name}"):
        FixedPoint(clip=1.0).encode(values)


@pytest.mark.parametrize("total", [-1, 3 * 65534 + 1])
def test_a_sum_no_partners_could_reach_is_refused(total: int) -> None:
    with pytest.raises(MalformedError, match="3 partners"):
        FixedPoint(clip=1.0).decode(np.array([0, total]), parties=3)


def test_an_empty_sum_decodes_to_nothing() -> None:
    assert FixedPoint(clip=1.0).decode(np.zeros((0, 4), np.int64), parties=2).shape == (0, 4)


@pytest.mark.parametrize("clip", [0.0, -1.0, np.nan, np.inf, 1e-9])
def test_an_unusable_clip_is_refused(clip: float) -> None:
    with pytest.raises(SettingError, match="clip"):
        FixedPoint(clip=clip)


@pytest.mark.parametrize("bits", [0, 7, 15, 24])
def test_an_unknown_width_is_refused(bits: int) -> None:
    with pytest.raises(SettingError, match="bits"):
        FixedPoint(clip=1.0, bits=bits)
