import math

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from recall import ConfigError, NeighbourConfig, Neighbours, ShapeError

PLAYS = hnp.arrays(
    np.int64,
    st.tuples(st.integers(1, 6), st.integers(1, 7)),
    elements=st.sampled_from([0, 0, 1, 4]),
).filter(np.any)


def slow_likeness(plays: np.ndarray, i: int, j: int, config: NeighbourConfig) -> float:
    """The formula of `Neighbours.from_plays`, a pair at a time."""
    users = range(len(plays))
    weights = [max(1, np.count_nonzero(plays[u])) ** -config.damping for u in users]
    mean = sum(weights) / len(weights)
    together = sum(weights[u] / mean for u in users if plays[u, i] and plays[u, j])
    listeners = [np.count_nonzero(plays[:, song]) for song in (i, j)]
    return 0.0 if i == j else together / (math.sqrt(math.prod(listeners)) + config.shrinkage)


@given(PLAYS, st.sampled_from([0.0, 2.5]), st.sampled_from([0.0, 0.5, 1.0]), st.integers(1, 20))
@settings(deadline=None, max_examples=60)
def test_likenesses_equal_the_slow_formula_whatever_the_block(
    plays: np.ndarray, shrinkage: float, damping: float, block: int
) -> None:
    # A pair without a listener in common has likeness 0 / (0 + shrinkage): never divide by 0.
    config = NeighbourConfig(shrinkage=shrinkage, damping=damping, block=block)
    found = Neighbours.from_plays(plays, config).table.toarray()
    items = range(plays.shape[1])
    heard = plays.any(axis=0)
    slow = [
        [slow_likeness(plays, i, j, config) if heard[i] and heard[j] else 0.0 for j in items]
        for i in items
    ]
    np.testing.assert_allclose(found, slow, rtol=1e-5)


@given(PLAYS, st.integers(1, 4))
@settings(deadline=None, max_examples=60)
def test_a_song_keeps_its_nearest_neighbours_and_the_lower_number_of_equals(
    plays: np.ndarray, count: int
) -> None:
    everything = Neighbours.from_plays(plays).table.toarray()
    kept = Neighbours.from_plays(plays, NeighbourConfig(count=count)).table.toarray()
    for row, few in zip(everything, kept, strict=True):
        best = np.argsort(-row, kind="stable")[:count]
        expected = np.zeros_like(row)
        expected[best] = row[best]
        assert few.tolist() == expected.tolist()


def test_shrinkage_trusts_one_shared_listener_less_than_many() -> None:
    # Songs 0 and 1 share their only listener; 2 and 3 share five of six each.
    plays = np.zeros((8, 4))
    plays[0, :2] = 1
    plays[1:6, 2:] = 1
    plays[6, 2] = plays[7, 3] = 1
    bare = Neighbours.from_plays(plays, NeighbourConfig(shrinkage=0)).table
    shrunk = Neighbours.from_plays(plays, NeighbourConfig(shrinkage=5)).table
    assert bare[0, 1] > bare[2, 3]
    assert shrunk[0, 1] < shrunk[2, 3]


def test_plays_of_people_who_play_everything_say_little_when_damped() -> None:
    plays = np.array([[1, 1, 1, 1, 1, 1], [1, 1, 0, 0, 0, 0], [0, 0, 0, 0, 0, 1]])
    even = Neighbours.from_plays(plays, NeighbourConfig(damping=0)).table
    damped = Neighbours.from_plays(plays, NeighbourConfig(damping=1)).table
    assert damped[0, 1] / damped[2, 3] > even[0, 1] / even[2, 3]


def test_how_often_a_song_was_played_changes_nothing() -> None:
    plays = np.array([[1, 9, 0], [2, 1, 1]])
    table = Neighbours.from_plays(sp.csr_array(plays)).table
    assert table.toarray().tolist() == Neighbours.from_plays(plays > 0).table.toarray().tolist()


@pytest.mark.parametrize(
    "wrong",
    [{"count": 0}, {"block": 0}, {"shrinkage": -1.0}, {"shrinkage": np.inf}, {"damping": 1.5}],
)
def test_settings_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="neighbours"):
        NeighbourConfig(**wrong)  # type: ignore[arg-type]


def test_nothing_to_learn_from_is_refused() -> None:
    with pytest.raises(ShapeError, match="nobody"):
        Neighbours.from_plays(np.zeros((2, 2)))
