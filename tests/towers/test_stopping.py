import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from towers.errors import ConfigError
from towers.stopping import EarlyStopping, StoppingConfig, hold_out, mean_recall


def test_training_ends_patience_epochs_after_the_best() -> None:
    early = EarlyStopping(StoppingConfig(patience=2))
    best = [early.update(epoch, recall) for epoch, recall in enumerate([0.1, 0.3, 0.3])]
    assert best == [True, True, False]
    assert not early.exhausted
    early.update(3, 0.2)
    assert early.exhausted
    assert (early.best_epoch, early.best_recall) == (1, 0.3)


def test_a_gain_too_small_is_no_improvement() -> None:
    early = EarlyStopping(StoppingConfig(min_gain=0.05))
    assert early.update(0, 0.1)
    assert not early.update(1, 0.14)
    assert early.update(2, 0.16)


@given(users=st.integers(1, 60), fraction=st.floats(0, 0.99), seed=st.integers(0, 99))
def test_a_users_labels_are_whole_on_one_side(users: int, fraction: float, seed: int) -> None:
    plays = np.random.default_rng(seed).random((users, 7)) < 0.4
    labels = sp.csr_array(plays.astype(np.float32))
    train, held = hold_out(labels, fraction, seed=seed)
    warm = plays.any(axis=1)
    in_train, in_held = (np.diff(side.indptr) > 0 for side in (train, held))
    np.testing.assert_array_equal((train + held).toarray(), labels.toarray())
    assert not (in_train & in_held).any()
    assert in_held.sum() == round(fraction * warm.sum())


def test_a_fraction_out_of_range_is_refused() -> None:
    with pytest.raises(ConfigError, match="fraction"):
        hold_out(sp.csr_array(np.eye(2)), 1.0, seed=0)


def test_recall_is_the_mean_share_of_found_songs() -> None:
    scores = np.array([[4, 3, 2, 1], [1, 2, 3, 4], [1, 2, 3, 4]], np.float32)
    relevant = sp.csr_array(np.array([[1, 0, 0, 1], [0, 0, 1, 1], [0, 0, 0, 0]]))
    assert mean_recall(scores, relevant, 2) == pytest.approx(0.75)
    assert mean_recall(scores, relevant, 99) == 1
    assert mean_recall(scores[2:], relevant[2:], 2) == 0


@pytest.mark.parametrize("wrong", [{"patience": 0}, {"top_k": 0}, {"min_gain": -1}])
def test_settings_out_of_range_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ConfigError):
        StoppingConfig(**wrong)
