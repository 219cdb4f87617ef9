import pytest
import torch

from towers.seeded_dropout import SeededDropout


def drop(share: float, seed: int = 0) -> SeededDropout:
    return SeededDropout(share, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("share", [0.1, 0.25, 0.5, 0.9])
def test_the_share_is_dropped_and_the_mean_stays(share: float) -> None:
    dropped = drop(share)(torch.ones(1000, 77))
    assert (dropped == 0).float().mean().item() == pytest.approx(share, abs=0.005)
    assert dropped.mean().item() == pytest.approx(1, abs=0.02)
    assert len(dropped.unique()) == 2


def test_nothing_is_dropped_at_zero() -> None:
    values = torch.randn(3, 5)
    assert drop(0.0)(values) is values


def test_masks_come_from_the_seed_and_are_new_every_time() -> None:
    one, other = drop(0.5, 7), drop(0.5, 7)
    first = one(torch.ones(100))
    assert torch.equal(first, other(torch.ones(100)))
    assert not torch.equal(first, one(torch.ones(100)))


def test_the_processs_own_generator_is_left_alone() -> None:
    before = torch.get_rng_state()
    drop(0.5)(torch.ones(10))
    assert torch.equal(before, torch.get_rng_state())


def test_places_are_dropped_independently() -> None:
    kept = (drop(0.5)(torch.ones(20_000, 8)) > 0).float()
    correlation = torch.corrcoef(kept.T) - torch.eye(8)
    assert correlation.abs().max() < 0.03


def test_gradient_flows_where_nothing_was_dropped() -> None:
    values = torch.ones(1000, requires_grad=True)
    dropped = drop(0.5)(values)
    torch.autograd.backward(dropped.sum())
    assert torch.equal(values.grad, dropped.detach())
