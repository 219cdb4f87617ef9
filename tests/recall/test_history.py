import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recall import HistoryWeights, ShapeError


@given(st.lists(st.integers(0, 9), max_size=20), st.floats(0.5, 50.0), st.floats(0.0, 1.0))
@settings(deadline=None, max_examples=60)
def test_weights_equal_the_sum_over_plays(
    plays: list[int], half_life: float, repeats: float
) -> None:
    songs, weights = HistoryWeights(half_life=half_life, repeats=repeats).of(
        np.array(plays, dtype=np.int64)
    )
    total = dict.fromkeys(sorted(set(plays)), 0.0)
    for place, song in enumerate(plays):
        total[song] += 0.5 ** ((len(plays) - 1 - place) / half_life)
    powers = np.array([value**repeats for value in total.values()])
    assert songs.tolist() == list(total)
    np.testing.assert_allclose(weights, powers / powers.sum() if plays else [])


def test_without_a_half_life_age_does_not_count() -> None:
    _, weights = HistoryWeights(repeats=1.0).of(np.array([4, 4, 4, 2]))
    assert weights.tolist() == [0.25, 0.75]


@pytest.mark.parametrize("change", [{"half_life": 0.0}, {"repeats": -1.0}, {"repeats": 2.0}])
def test_weights_out_of_range_are_refused(change: dict[str, float]) -> None:
    with pytest.raises(ShapeError, match="half_life"):
        HistoryWeights(**change)
