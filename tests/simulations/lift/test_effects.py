import time

import numpy as np
import pytest

from simulations.lift import (
    Interval,
    Pooled,
    SplitResult,
    Study,
    SystemResult,
    Undefined,
    UnknownSystemError,
    UnpairedError,
    paired_bootstrap,
)
from tests.simulations.lift.made_splits import made_split

METRIC = "recall@50"


def study(*, lift: float = 1.0, splits: int = 3, users: int = 200, seed: int = 0) -> Study:
    made = [made_split(number, lift=lift, users=users) for number in range(splits)]
    return Study.of(Pooled.of(made), rng=np.random.default_rng(seed))


def test_a_planted_lift_is_found_clear_of_zero() -> None:
    lift = study().relative("federated", "popularity", METRIC)
    assert isinstance(lift, Interval)
    assert lift.covers(0.5)
    assert lift.low > 0.4
    assert study().difference("federated", "popularity", METRIC).low > 0


def test_without_a_lift_the_interval_covers_zero() -> None:
    lift = study(lift=0.0).relative("federated", "popularity", METRIC)
    assert isinstance(lift, Interval)
    assert lift.covers(0)
    assert study(lift=0.0).difference("federated", "popularity", METRIC).covers(0)


def test_the_shuffled_control_of_a_planted_lift_covers_zero() -> None:
    assert study().difference("shuffled", "popularity", METRIC).covers(0)


def test_retained_lift_is_the_share_of_the_ceilings_gain() -> None:
    kept = study().retained(METRIC)
    assert isinstance(kept, Interval)
    assert kept.covers((1.5 - 1.1) / (1.6 - 1.1))
    assert 0.6 < kept.low < kept.mean < kept.high < 1.0


def test_retained_lift_is_undefined_when_the_ceiling_brings_nothing() -> None:
    kept = study(lift=0.0).retained(METRIC)
    assert isinstance(kept, Undefined)
    assert "no lift to retain" in kept.reason


def test_retained_lift_is_undefined_when_the_ceiling_lies_below() -> None:
    assert isinstance(study().retained(METRIC, own="central", central="own"), Undefined)


def test_a_relative_lift_over_zero_is_undefined() -> None:
    nothing = np.zeros(50)
    found = paired_bootstrap(nothing, np.ones(50), rng=np.random.default_rng(0))
    assert found.relative == Undefined("score of a cannot be told from zero")
    assert found.difference == Interval(1.0, 1.0, 1.0)


def test_draws_whose_base_is_zero_do_not_spoil_the_ratio() -> None:
    # One listener in 60 plays: some draws leave all of them out, yet the low end is above 0.
    base = np.zeros(60)
    base[:4] = 1.0
    found = paired_bootstrap(base, base * 2, rng=np.random.default_rng(0))
    assert found.relative == Interval(1.0, 1.0, 1.0)


def test_pairing_is_what_makes_a_small_lift_visible() -> None:
    rng = np.random.default_rng(0)
    base = rng.beta(2, 6, 300)
    paired = paired_bootstrap(base, base * 1.05, rng=rng).difference
    unpaired = paired_bootstrap(base, rng.permutation(base) * 1.05, rng=rng).difference
    assert paired.low > 0
    assert unpaired.covers(0)


def test_the_two_ways_to_compare_agree() -> None:
    split = made_split(users=120)
    base, system = (s.per_user[METRIC] for s in (split.systems[0], split.systems[2]))
    found = paired_bootstrap(base, system, rng=np.random.default_rng(0))
    assert found.mean_a.mean == pytest.approx(base.mean())
    assert found.mean_b.mean == pytest.approx(system.mean())
    pooled = Study.of(Pooled.of([split]), rng=np.random.default_rng(1))
    same = pooled.relative("federated", "popularity", METRIC)
    assert isinstance(same, Interval)
    assert isinstance(found.relative, Interval)
    assert same.mean == pytest.approx(found.relative.mean)
    assert same.low == pytest.approx(found.relative.low, abs=0.02)


def test_one_seed_gives_one_study() -> None:
    first, again, other = (study(seed=s).retained(METRIC) for s in (4, 4, 5))
    assert first == again != other


def test_a_report_of_three_splits_takes_seconds() -> None:
    rng = np.random.default_rng(0)
    metrics = [f"metric {number}" for number in range(12)]
    systems = tuple(
        SystemResult(name=f"system {s}", per_user={m: rng.random(378) for m in metrics})
        for s in range(7)
    )
    splits = [
        SplitResult(seed=s, users=rng.permutation(1892)[:378], systems=systems) for s in range(3)
    ]
    start = time.process_time()
    done = Study.of(Pooled.of(splits), rng=rng)
    for system in done.pooled.systems:
        for metric in metrics:
            done.relative(system, "system 0", metric)
    assert time.process_time() - start < 5


@pytest.mark.parametrize(
    ("a", "b"),
    [(np.zeros(3), np.zeros(2)), (np.zeros(0), np.zeros(0)), (np.zeros((2, 2)), np.zeros((2, 2)))],
)
def test_scores_that_cannot_be_paired_are_refused(a: np.ndarray, b: np.ndarray) -> None:
    with pytest.raises(UnpairedError):
        paired_bootstrap(a, b, rng=np.random.default_rng(0))


@pytest.mark.parametrize(("system", "metric"), [("nobody", METRIC), ("own", "recall@7")])
def test_what_was_not_measured_is_refused(system: str, metric: str) -> None:
    with pytest.raises(UnknownSystemError, match="not measured"):
        study(splits=1).mean(system, metric)
