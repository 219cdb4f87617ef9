import numpy as np
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from towers.errors import ConfigError
from towers.loss import Negatives, NegativeSampler, gather_positives, softmax_losses


def labels_of(users: int, songs: int, rng: np.random.Generator) -> sp.csr_array:
    plays = (rng.random((users, songs)) < 0.3) * rng.integers(1, 5, (users, songs))
    plays[np.arange(users), rng.integers(songs, size=users)] = 2
    return sp.csr_array(plays.astype(np.float32))


def losses_of(scores: torch.Tensor, labels: sp.csr_array, negatives: Negatives) -> torch.Tensor:
    positives = gather_positives(labels, negatives)
    liked = scores[positives.rows, positives.songs]
    drawn = scores[:, torch.from_numpy(negatives.songs)]
    return softmax_losses(drawn, liked, positives, torch.from_numpy(negatives.log_inclusion))


@settings(max_examples=40, deadline=None)
@given(users=st.integers(1, 12), songs=st.integers(1, 30), seed=st.integers(0, 999))
def test_with_every_song_drawn_the_loss_is_the_full_softmax(
    users: int, songs: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    labels = labels_of(users, songs, rng)
    scores = torch.from_numpy(rng.normal(0, 5, (users, songs)).astype(np.float32))
    negatives = NegativeSampler(np.ones(songs, np.float32), songs).draw(rng)
    target = torch.from_numpy(labels.toarray() / labels.sum(axis=1)[:, None])
    slow = -(target * torch.log_softmax(scores, dim=1)).sum(dim=1)
    torch.testing.assert_close(losses_of(scores, labels, negatives), slow, rtol=1e-4, atol=1e-4)


def test_sampled_sums_are_unbiased() -> None:
    rng = np.random.default_rng(0)
    labels = labels_of(4, 200, rng)
    scores = torch.from_numpy(rng.normal(size=(4, 200)).astype(np.float32))
    sampler = NegativeSampler(rng.integers(0, 500, 200).astype(np.float32), 60)
    whole = NegativeSampler(np.ones(200, np.float32), 200).draw(rng)
    target = torch.exp(losses_of(scores, labels, whole))
    drawn = [torch.exp(losses_of(scores, labels, sampler.draw(rng))) for _ in range(800)]
    torch.testing.assert_close(torch.stack(drawn).mean(dim=0), target, rtol=0.05, atol=0)


def test_one_users_labels_and_scores_move_no_other_users_row() -> None:
    rng = np.random.default_rng(0)
    labels = labels_of(6, 40, rng)
    negatives = NegativeSampler(np.ones(40, np.float32), 15).draw(rng)
    scores = torch.from_numpy(rng.normal(size=(6, 40)).astype(np.float32)).requires_grad_()
    torch.autograd.backward(losses_of(scores, labels, negatives).sum())
    other_labels, other_scores = labels.tolil(), scores.detach().clone()
    other_labels[2] = 0
    other_labels[2, 7] = 3
    other_scores[2] = 9
    other_scores.requires_grad_()
    torch.autograd.backward(losses_of(other_scores, sp.csr_array(other_labels), negatives).sum())
    assert scores.grad is not None
    assert other_scores.grad is not None
    rest = [0, 1, 3, 4, 5]
    assert torch.equal(scores.grad[rest], other_scores.grad[rest])
    assert not torch.equal(scores.grad[2], other_scores.grad[2])


def test_a_drawn_song_the_user_likes_is_no_negative() -> None:
    labels = sp.csr_array(np.array([[1.0, 0.0]], np.float32))
    negatives = Negatives(np.array([0, 1]), np.zeros(2, np.float32))
    positives = gather_positives(labels, negatives)
    assert positives.hits.tolist() == [[0], [0]]
    loss = losses_of(torch.tensor([[2.0, 2.0]]), labels, negatives)
    assert loss.item() == pytest.approx(np.log(2))


def test_without_any_negative_a_single_song_costs_nothing() -> None:
    labels = sp.csr_array(np.array([[1.0, 0.0]], np.float32))
    negatives = Negatives(np.empty(0, np.int64), np.empty(0, np.float32))
    assert losses_of(torch.tensor([[2.0, 2.0]]), labels, negatives).item() == pytest.approx(0)


def test_graded_labels_share_the_loss_by_weight() -> None:
    labels = sp.csr_array(np.array([[3.0, 1.0]], np.float32))
    shares = gather_positives(labels, Negatives(np.array([0]), np.zeros(1, np.float32))).shares
    assert shares.tolist() == [0.75, 0.25]


@pytest.mark.parametrize(("songs", "expected"), [(300, 40), (300, 299), (30, 30), (5, 9), (9, 1)])
def test_draws_have_the_size_asked_for_on_average(songs: int, expected: int) -> None:
    rng = np.random.default_rng(0)
    sampler = NegativeSampler(rng.integers(0, 10_000, songs).astype(np.float32), expected)
    drawn = [sampler.draw(rng) for _ in range(500)]
    mean = np.mean([len(each.songs) for each in drawn])
    assert mean == pytest.approx(min(songs, expected), rel=0.1)
    assert max(each.log_inclusion.max(initial=0) for each in drawn) <= 0


def test_popular_songs_are_drawn_more_often() -> None:
    sampler = NegativeSampler(np.array([1000] * 5 + [1] * 95, np.float32), 10)
    rng = np.random.default_rng(0)
    drawn = np.concatenate([sampler.draw(rng).songs for _ in range(50)])
    assert (drawn < 5).mean() > 0.3


def test_no_negatives_at_all_cannot_be_asked_for() -> None:
    with pytest.raises(ConfigError, match="negatives"):
        NegativeSampler(np.ones(3, np.float32), 0)
