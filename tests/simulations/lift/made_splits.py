"""Splits with a lift that is known because it was planted."""

import numpy as np

from simulations.lift import SplitResult, SystemResult

FACTORS = {"popularity": 1.0, "own": 1.1, "federated": 1.5, "central": 1.6, "shuffled": 1.0}


def made_split(
    seed: int = 0, *, users: int = 200, lift: float = 1.0, population: int = 10_000
) -> SplitResult:
    """Systems whose means stand in the ratio of FACTORS; `lift` 0 makes them all equal."""
    rng = np.random.default_rng(seed)
    base = rng.beta(2, 6, users)
    systems = []
    for name, factor in FACTORS.items():
        score = base * (1 + lift * (factor - 1)) + rng.normal(0, 0.05, users)
        systems.append(SystemResult(name=name, per_user={"recall@50": score}, lists={}))
    return SplitResult(
        seed=seed,
        users=rng.permutation(population)[:users],
        systems=tuple(systems),
        cohorts={"half": {"first": np.arange(users) < users // 2}},
    )
