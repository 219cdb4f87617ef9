import numpy as np
import pytest

from simulations.bench.sequence_truth import expected_hits
from simulations.data.world_sequences import world_sequences
from simulations.world import WorldConfig, generate
from towers.ranking import hit_rate, target_ranks

USERS, ITEMS, DIM = 300, 40, 6


@pytest.fixture(scope="module")
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_they_equal_the_slow_formula(rng: np.random.Generator) -> None:
    queries = [rng.normal(size=(1 + user % 3, DIM)).astype(np.float32) for user in range(USERS)]
    vectors = rng.normal(size=(ITEMS, DIM)).astype(np.float32)
    seen = [rng.choice(ITEMS, user % 5, replace=False) for user in range(USERS)]
    chances = rng.random((USERS, ITEMS))
    found = expected_hits(queries, vectors, seen=seen, chances=lambda rows: chances[rows], top_k=7)
    for user in range(USERS):
        new = np.setdiff1d(np.arange(ITEMS), seen[user])
        scores = (queries[user] @ vectors[new].T).max(axis=0)
        listed = new[np.argsort(-scores)[:7]]
        wanted = chances[user, listed].sum() / chances[user, new].sum()
        assert found[user] == pytest.approx(wanted)


def test_they_are_the_hit_rate_of_many_draws(rng: np.random.Generator) -> None:
    queries = [rng.normal(size=(1, DIM)).astype(np.float32)]
    vectors = rng.normal(size=(ITEMS, DIM)).astype(np.float32)
    seen = [np.array([3, 8])]
    chances = rng.dirichlet(np.full(ITEMS, 0.5))[None]
    [expected] = expected_hits(
        queries, vectors, seen=seen, chances=lambda rows: chances[rows].copy(), top_k=10
    )
    new = np.setdiff1d(np.arange(ITEMS), seen[0])
    drawn = rng.choice(new, 4000, p=chances[0, new] / chances[0, new].sum())
    ranks = target_ranks(queries * 4000, vectors, seen=seen * 4000, targets=drawn)
    assert hit_rate(ranks, 10) == pytest.approx(expected, abs=0.03)


def test_who_ranks_by_the_truth_is_listened_to_most(rng: np.random.Generator) -> None:
    sequences = world_sequences(WorldConfig(users=60, songs=80))
    assert sequences.chances is not None
    known, _ = sequences.split()
    truth = sequences.chances(np.arange(len(known))).astype(np.float32)
    shuffled = rng.permutation(truth, axis=1)
    best, worse = (
        expected_hits(
            [*queries[:, None]],
            np.eye(80, dtype=np.float32),
            seen=known,
            chances=sequences.chances,
            top_k=20,
        ).mean()
        for queries in (truth, shuffled)
    )
    assert best > 1.5 * worse


def test_a_world_knows_the_chances_of_the_users_it_kept() -> None:
    config = WorldConfig(users=60, songs=80, silent_users=0.5)
    sequences = world_sequences(config)
    assert sequences.chances is not None
    world = generate(config)
    listeners = world.events.groupby("user_id")["item_id"].nunique()
    kept = np.isin(world.truth.user_ids, listeners[listeners >= 3].index)
    assert 0 < kept.sum() < 60
    np.testing.assert_array_equal(
        sequences.chances(np.arange(len(sequences.histories))),
        world.truth.play_probability(np.flatnonzero(kept)),
    )
