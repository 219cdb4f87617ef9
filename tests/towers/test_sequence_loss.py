import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from towers.loss import NegativeSampler
from towers.sequence_loss import next_item_loss

DIM = 5


def slow_loss(queries: np.ndarray, vectors: np.ndarray, targets: np.ndarray) -> float:
    """Cross-entropy over the whole catalogue; a score is the best of a user's interests."""
    losses = []
    for interests, target in zip(queries, targets, strict=True):
        scores = (interests @ vectors.T).max(axis=0)
        losses.append(np.log(np.exp(scores).sum()) - scores[target])
    return float(np.mean(losses))


@given(st.integers(1, 9), st.integers(1, 3), st.integers(2, 30), st.integers(0, 99))
@settings(deadline=None, max_examples=50)
def test_with_the_whole_catalogue_as_negatives_it_is_the_full_softmax(
    asked: int, interests: int, items: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    queries = rng.normal(size=(asked, interests, DIM)).astype(np.float32)
    vectors = rng.normal(size=(items, DIM)).astype(np.float32)
    targets = rng.integers(items, size=asked)
    everything = NegativeSampler(np.ones(items, np.float32), items).draw(rng)
    pool, asked_for = torch.from_numpy(vectors), torch.from_numpy(targets)
    found = next_item_loss(torch.from_numpy(queries), pool[asked_for], asked_for, everything, pool)
    np.testing.assert_allclose(float(found), slow_loss(queries, vectors, targets), rtol=1e-4)


def test_sampled_negatives_stand_for_the_whole_catalogue() -> None:
    rng = np.random.default_rng(0)
    queries = rng.normal(size=(20, 2, DIM)).astype(np.float32)
    vectors = rng.normal(size=(200, DIM)).astype(np.float32)
    targets = rng.integers(200, size=20)
    sampler = NegativeSampler(rng.integers(1, 50, 200).astype(np.float32), 120, smoothing=0.5)
    pool, asked_for = torch.from_numpy(vectors), torch.from_numpy(targets)
    drawn = [sampler.draw(rng) for _ in range(40)]
    losses = [
        float(
            next_item_loss(
                torch.from_numpy(queries), pool[asked_for], asked_for, each, pool[each.songs]
            )
        )
        for each in drawn
    ]
    assert np.mean(losses) == pytest.approx(slow_loss(queries, vectors, targets), rel=0.02)


def test_only_the_nearest_interest_learns_from_a_target() -> None:
    queries = torch.tensor([[[5.0, 0.0], [0.0, 1.0]]], requires_grad=True)
    pool = torch.tensor([[1.0, 0.0], [0.0, 0.1]])
    everything = NegativeSampler(np.ones(2, np.float32), 2).draw(np.random.default_rng(0))
    target = torch.tensor([0])
    torch.autograd.backward(next_item_loss(queries, pool[target], target, everything, pool))
    assert queries.grad is not None
    assert queries.grad[0, 0, 0] < 0  # drawn towards the target
    assert queries.grad[0, 1, 0] == 0
