import numpy as np
import pytest
import scipy.sparse as sp

from recall import NOTHING, ConfigError, FactorConfig, FactorModel, Query
from tests.recall.made_tastes import two_tastes


def slow_scores(plays: np.ndarray, history: list[int], config: FactorConfig) -> np.ndarray:
    """The model of the docstring with dense matrices."""
    heard = (plays > 0).astype(float)
    listeners = np.maximum(heard.sum(axis=0), 1)
    scaled = heard / np.sqrt(heard.sum(axis=1, keepdims=True)) / listeners**config.damping
    _, _, rows = np.linalg.svd(scaled, full_matrices=False)
    vectors = rows[: config.dim].T
    damped = listeners**config.damping
    user = (vectors[history] / damped[history][:, np.newaxis]).sum(axis=0)
    return np.asarray(vectors @ user * damped)


@pytest.mark.parametrize("dim", [1, 2, 5, 40, 200])
def test_scores_are_those_of_the_dense_decomposition(dim: int) -> None:
    plays, _ = two_tastes()
    config = FactorConfig(dim=dim, damping=0.3)
    found = FactorModel.from_plays(plays, config).recall(Query(history=np.array([3, 8])), 60)
    slow = slow_scores(plays.toarray(), [3, 8], config)
    np.testing.assert_allclose(found.scores, slow[found.items], rtol=1e-3, atol=1e-5)


def test_the_same_plays_give_the_same_directions() -> None:
    plays, _ = two_tastes()
    first, second = (FactorModel.from_plays(plays, FactorConfig(dim=4)) for _ in range(2))
    np.testing.assert_array_equal(first.directions, second.directions)


def test_songs_nobody_played_are_never_recalled() -> None:
    plays = np.array([[1, 1, 0, 0], [0, 1, 1, 0]])
    model = FactorModel.from_plays(plays)
    assert sorted(model.recall(Query(history=np.array([1])), 9).items.tolist()) == [0, 1, 2]
    assert model.recall(Query(history=np.array([3])), 9) is NOTHING


@pytest.mark.parametrize("shuffled", [False, True])
def test_a_planted_taste_is_found_and_a_shuffled_one_is_not(shuffled: bool) -> None:
    plays, hidden = two_tastes(shuffled=shuffled)
    model = FactorModel.from_plays(plays, FactorConfig(dim=2))
    hits = 0
    for user, songs in enumerate(hidden):
        known = plays.indices[plays.indptr[user] : plays.indptr[user + 1]].astype(np.int64)
        found = model.recall(Query(history=known), 60).without(known).best(20)
        hits += len(np.intersect1d(found.items, songs))
    share = hits / (3 * len(hidden))
    if shuffled:
        assert share == pytest.approx(20 / 50, abs=0.08)
    else:
        assert share > 0.95


@pytest.mark.parametrize("wrong", [{"dim": 0}, {"damping": -0.1}, {"damping": np.nan}])
def test_settings_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="factors"):
        FactorConfig(**wrong)  # type: ignore[arg-type]


def test_one_listener_of_one_song_is_enough() -> None:
    model = FactorModel.from_plays(sp.csr_array([[2.0]]))
    assert model.recall(Query(history=np.array([0])), 3).items.tolist() == [0]
