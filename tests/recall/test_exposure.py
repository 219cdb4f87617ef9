from collections.abc import Callable
from threading import Thread

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recall import ConfigError, Exposure

EVERYTHING = np.arange(4)


def first_free(k: int) -> Callable[[np.ndarray], np.ndarray]:
    return lambda free: np.flatnonzero(free)[:k]


@given(
    st.sampled_from([0.1, 0.25, 0.5, 0.7, 1.0]),
    st.integers(10, 25),
    st.lists(st.integers(0, 4), min_size=1, max_size=80),
)
@settings(deadline=None)
def test_in_any_window_of_lists_no_item_is_shown_too_often(
    share: float, window: int, lengths: list[int]
) -> None:
    cap = Exposure(4, share=share, window=window)
    shown = [EVERYTHING[cap.limit(EVERYTHING, first_free(k))].tolist() for k in lengths]
    for start in range(len(shown)):
        seen = [item for each in shown[start : start + window] for item in each]
        assert max(map(seen.count, EVERYTHING), default=0) <= share * window + 1e-9


def test_an_item_comes_back_when_its_lists_are_forgotten() -> None:
    cap = Exposure(4, share=0.5, window=2)
    shown = [cap.limit(EVERYTHING, first_free(1)).tolist() for _ in range(4)]
    assert shown == [[0], [1], [0], [1]]
    assert cap.counts().tolist() == [0, 1, 0, 0]


def test_threads_together_stay_below_the_cap() -> None:
    cap = Exposure(4, share=0.2, window=100)
    threads = [
        Thread(target=lambda: [cap.limit(EVERYTHING, first_free(2)) for _ in range(20)])
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert cap.counts().max() <= 20
    assert cap.counts().sum() == 80


@pytest.mark.parametrize(
    ("items", "share", "window"), [(0, 0.5, 9), (3, 0.0, 9), (3, 1.1, 9), (3, 0.5, 0)]
)
def test_caps_out_of_range_are_refused(items: int, share: float, window: int) -> None:
    with pytest.raises(ConfigError, match="exposure"):
        Exposure(items, share=share, window=window)


def test_a_cap_that_would_show_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="less than one list"):
        Exposure(3, share=0.01, window=50)
