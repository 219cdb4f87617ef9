import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.errors import SettingError
from simulations.listening import Listening
from simulations.splits import EvaluationConfig, cold_users


@given(seed=st.integers(0, 2**32), share=st.floats(0.05, 0.9))
@settings(max_examples=30, deadline=None)
def test_cold_users_are_listeners_each_once_in_order(
    listening: Listening, seed: int, share: float
) -> None:
    cold = cold_users(listening, share, seed=seed)
    plays = np.diff(listening.weights.indptr)
    assert (plays[cold] > 0).all()
    assert (np.diff(cold) > 0).all()
    assert len(cold) == int(np.count_nonzero(plays) * share)


def test_the_same_seed_hides_the_same_users_and_another_one_others(listening: Listening) -> None:
    first = cold_users(listening, 0.2, seed=3)
    assert first.tolist() == cold_users(listening, 0.2, seed=3).tolist()
    assert first.tolist() != cold_users(listening, 0.2, seed=4).tolist()


@pytest.mark.parametrize("share", [0.001, 0.9999])
def test_a_share_that_leaves_a_side_empty_is_refused(listening: Listening, share: float) -> None:
    with pytest.raises(SettingError, match=r"evaluation\.cold_share = .*2 users are needed"):
        cold_users(listening, share, seed=0)


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, 2.0])
def test_a_share_outside_0_and_1_is_refused(share: float) -> None:
    with pytest.raises(SettingError, match="cold_share"):
        EvaluationConfig(cold_share=share)


@pytest.mark.parametrize(("top_k", "samples"), [(199, 1), (200, 0)])
def test_lists_too_short_to_judge_are_refused(top_k: int, samples: int) -> None:
    with pytest.raises(SettingError, match="top_k"):
        EvaluationConfig(top_k=top_k, bootstrap_samples=samples)
