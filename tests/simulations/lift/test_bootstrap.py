import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulations.lift import Interval, Resampling, UnpairedError, bootstrap, resampled_means
from simulations.lift.bootstrap import percentile_interval


def drawn(plan: Resampling, seed: int = 0) -> np.ndarray:
    return np.concatenate(list(plan.weights(np.random.default_rng(seed))))


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 2)), min_size=1, max_size=40))
@settings(deadline=None, max_examples=60)
def test_a_persons_rows_come_together_and_every_stratum_keeps_its_size(
    rows: list[tuple[int, int]],
) -> None:
    users, splits = (np.array(column) for column in zip(*rows, strict=True))
    weights = drawn(Resampling(users=users, splits=splits, samples=7))
    assert weights.shape == (7, len(rows))
    home: dict[int, int] = {}
    for user, split in rows:
        home.setdefault(user, split)
    for user in home:
        assert (np.ptp(weights[:, users == user], axis=1) == 0).all()
    for split in set(home.values()):
        persons = [user for user in home if home[user] == split]
        first_rows = [users.tolist().index(user) for user in persons]
        assert (weights[:, first_rows].sum(axis=1) == len(persons)).all()


@given(st.integers(1, 30), st.integers(1, 4), st.integers(0, 99))
@settings(deadline=None, max_examples=40)
def test_resampled_means_equal_a_loop_over_the_draws(rows: int, columns: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(rows, columns))
    plan = Resampling(users=rng.integers(0, 9, rows), splits=rng.integers(0, 2, rows), samples=11)
    fast = resampled_means(values, plan, rng=np.random.default_rng(seed))
    for weights, means in zip(drawn(plan, seed), fast, strict=True):
        repeated = np.repeat(values, weights.astype(int), axis=0)
        np.testing.assert_allclose(means, repeated.mean(axis=0), atol=1e-12)


def test_small_chunks_draw_as_many_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "_CHUNK", 64)
    assert drawn(Resampling.of_rows(10, samples=50)).shape == (50, 10)
    assert drawn(Resampling.of_rows(100, samples=3)).shape == (3, 100)


def test_one_seed_gives_one_result() -> None:
    plan = Resampling.of_rows(30, samples=20)
    np.testing.assert_array_equal(drawn(plan, 5), drawn(plan, 5))
    assert (drawn(plan, 5) != drawn(plan, 6)).any()


def test_a_person_seen_twice_widens_the_interval() -> None:
    # 200 people with the same score in two splits are 200 people, not 400.
    score = np.random.default_rng(0).normal(size=(200, 1))
    twice = np.concatenate((score, score))
    splits = np.repeat([0, 1], 200)
    same = Resampling(users=np.tile(np.arange(200), 2), splits=splits)
    other = Resampling(users=np.arange(400), splits=splits)
    rng = np.random.default_rng(1)
    ratio = (
        resampled_means(twice, same, rng=rng).std() / resampled_means(twice, other, rng=rng).std()
    )
    assert ratio == pytest.approx(2**0.5, rel=0.08)


def test_the_spread_of_the_draws_is_the_standard_error() -> None:
    score = np.random.default_rng(0).normal(size=(400, 1))
    draws = resampled_means(score, Resampling.of_rows(400), rng=np.random.default_rng(1))
    assert draws.std() == pytest.approx(score.std() / 20, rel=0.06)


def test_about_95_of_100_intervals_cover_the_true_mean() -> None:
    rng = np.random.default_rng(3)
    trials, people = 400, 80
    # Beta scores are skewed as recall is; every column is one experiment.
    scores = rng.beta(2, 6, size=(people, trials))
    draws = resampled_means(scores, Resampling.of_rows(people, samples=800), rng=rng)
    covered = sum(
        percentile_interval(score.mean(), draw).covers(2 / 8)
        for score, draw in zip(scores.T, draws.T, strict=True)
    )
    # 400 trials at a true rate of .94 scatter by .012; below .90 would be a broken interval.
    assert 0.90 <= covered / trials <= 0.98


def test_draws_without_a_value_do_not_count() -> None:
    draws = np.array([np.nan, 1.0, 1.0, 1.0])
    assert percentile_interval(1.0, draws) == Interval(1.0, 1.0, 1.0)


@pytest.mark.parametrize(
    ("users", "splits", "samples"),
    [
        (np.arange(3), np.zeros(2, dtype=np.int64), 5),
        (np.arange(0), np.arange(0), 5),
        (np.zeros((2, 2), dtype=np.int64), np.zeros((2, 2), dtype=np.int64), 5),
        (np.arange(3), np.zeros(3, dtype=np.int64), 0),
    ],
)
def test_a_plan_that_draws_nothing_is_refused(
    users: np.ndarray, splits: np.ndarray, samples: int
) -> None:
    with pytest.raises(UnpairedError):
        Resampling(users=users, splits=splits, samples=samples)


@pytest.mark.parametrize("shape", [(2, 1), (3,)])
def test_values_with_other_rows_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(UnpairedError, match="3 rows"):
        resampled_means(np.zeros(shape), Resampling.of_rows(3), rng=np.random.default_rng(0))
