"""A made run whose lift is known, for the tests of the report."""

from dataclasses import replace

import numpy as np

from federation.protocol.profile import Profile
from simulations.lift import (
    SplitResult,
    SystemResult,
    activity_cohorts,
    label_cohorts,
    partner_cohorts,
)
from simulations.report import CostRecord, EpochRecord, PrivacyRecord, RunRecord, SplitRecord

USERS = 378
FACTORS = {
    "popularity": 1.0,
    "own": 1.08,
    "partner:social": 1.3,
    "partner:forum": 1.42,
    "federated": 1.61,
    "central": 1.7,
    "shuffled": 0.99,
}


def made_run(
    lift: float = 1.0, *, splits: int = 3, profile: Profile = Profile.STRICT
) -> RunRecord:
    """A run like those on lastfm-2k; `lift` 0 makes every system as good as popularity."""
    factors = {name: 1 + lift * (factor - 1) for name, factor in FACTORS.items()}
    return RunRecord(
        data="lastfm-2k",
        profile=profile,
        runtime="memory",
        model="dssm",
        warm_users=1514,
        cold_users=USERS,
        items=17632,
        partners=("social", "forum"),
        splits=tuple(_split(seed, factors) for seed in range(splits)),
        cost=CostRecord(
            seconds={"data": 3.1, "alignment": 2.4, "training": 212.0, "evaluation": 8.0},
            bytes_sent={
                "item": {"alignment": 250_000, "backward": 610_000_000, "control": 40_000},
                "social": {"alignment": 190_000, "forward": 44_000_000, "backward": 380_000_000},
                "forum": {"alignment": 170_000, "forward": 44_000_000, "backward": 380_000_000},
                "coordinator": {"forward": 44_000_000, "control": 90_000},
            },
            cpu_seconds=301.5,
            peak_memory_bytes=1_210_000_000,
            bytes_per_value=7.5,
        ),
        privacy=PrivacyRecord(cipher="TenSEAL BFV, n=4096, q=[54, 55], t=36 bits"),
        configuration={"train.batch": 1024, "train.dim": 64, "encoder.rank": 32, "deep": False},
        command="fedrecall simulate --data lastfm-2k --profile strict --splits 3 --seed 0",
        item_noun="artists",
        notes=("Cold users are a fifth of all users, drawn anew for each split.",),
    )


def single_partner_run() -> RunRecord:
    """A strict run with one partner, which a person accepted."""
    run = made_run(splits=1)
    privacy = replace(run.privacy, accepted_single_partner=True)
    return replace(run, partners=("social",), privacy=privacy)


def _split(seed: int, factors: dict[str, float]) -> SplitRecord:
    rng = np.random.default_rng(seed)
    base = rng.beta(2, 10, USERS)
    return SplitRecord(
        result=SplitResult(
            seed=seed,
            users=rng.permutation(1892)[:USERS],
            systems=tuple(_system(name, base * f, rng) for name, f in factors.items()),
            cohorts={
                "partners": partner_cohorts(
                    rng.random((USERS, 2)) < (0.93, 0.6), ("social", "forum")
                ),
                "activity": activity_cohorts(rng.integers(5, 50, USERS)),
                "entry point": label_cohorts(
                    rng.choice(["search", "radio", "library"], USERS, p=[0.5, 0.49, 0.01])
                ),
            },
        ),
        curves={name: _curve(rng) for name in ("federated", "central")},
    )


def _system(name: str, base: np.ndarray, rng: np.random.Generator) -> SystemResult:
    scores = {}
    for metric in ("recall", "ndcg", "hit", "weighted_recall"):
        for k, scale in ((10, 0.45), (50, 1.0), (200, 1.7)):
            noise = rng.normal(0, 0.04, USERS)
            scores[f"{metric}@{k}"] = np.clip(base * scale + noise, 0, 1)
    lists = {"coverage@50": 0.01 + base.mean() / 5, "novelty@50": 8.4, "gini@50": 0.97}
    return SystemResult(name=name, per_user=scores, lists=lists)


def _curve(rng: np.random.Generator) -> tuple[EpochRecord, ...]:
    return tuple(
        EpochRecord(
            epoch=epoch,
            loss=6.1 + 2.2 * np.exp(-epoch / 6) + rng.normal(0, 0.02),
            validation_recall=0.24 * (1 - np.exp(-epoch / 5)) + rng.normal(0, 0.002),
            seconds=1.7 * epoch,
        )
        for epoch in range(1, 26)
    )
