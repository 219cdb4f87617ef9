from typing import Any

import numpy as np
import pytest
import torch

from towers.errors import ConfigError, StateError
from towers.projection import FixedProjection, Projection, ProjectionConfig


def test_steps_are_those_of_torch_adamw() -> None:
    config = ProjectionConfig(learning_rate=0.1, final_rate=1.0, weight_decay=0.2)
    projection = Projection((5, 3), config, seed=0)
    weight = torch.nn.Parameter(torch.from_numpy(projection.weight))
    theirs = torch.optim.AdamW([weight], lr=0.1, betas=config.betas, weight_decay=0.2, eps=1e-12)
    rng = np.random.default_rng(1)
    for _ in range(20):
        gradient = rng.normal(size=(5, 3)).astype(np.float32)
        projection.apply(gradient)
        weight.grad = torch.from_numpy(gradient)
        theirs.step()
    np.testing.assert_allclose(projection.weight, weight.detach().numpy(), atol=1e-5)


def test_the_rate_falls_to_its_last_share() -> None:
    config = ProjectionConfig(learning_rate=1.0, decay_steps=4, final_rate=0.1, weight_decay=0)
    projection = Projection((1, 1), config, seed=0)
    moved = []
    for _ in range(7):
        before = projection.weight
        projection.apply(np.ones((1, 1), np.float32))
        moved.append(float(before[0, 0] - projection.weight[0, 0]))
    np.testing.assert_allclose(moved[0], 1, atol=1e-5)
    np.testing.assert_allclose(moved[2], 0.55, atol=1e-5)
    np.testing.assert_allclose(moved[4:], 0.1, atol=1e-5)


def test_the_scale_of_the_gradient_does_not_matter() -> None:
    small, large = (Projection((4, 2), ProjectionConfig(), seed=0) for _ in range(2))
    gradient = np.random.default_rng(0).normal(size=(4, 2)).astype(np.float32)
    for _ in range(3):
        small.apply(gradient)
        large.apply(gradient * 1000)
    np.testing.assert_allclose(small.weight, large.weight, rtol=1e-4)


def test_a_restored_projection_goes_on_as_if_never_stopped() -> None:
    rng = np.random.default_rng(0)
    gradients = rng.normal(size=(6, 4, 2)).astype(np.float32)
    whole = Projection((4, 2), ProjectionConfig(), seed=0)
    for gradient in gradients[:3]:
        whole.apply(gradient)
    resumed = Projection((4, 2), ProjectionConfig(), seed=9)
    resumed.load(whole.state())
    for gradient in gradients[3:]:
        whole.apply(gradient)
        resumed.apply(gradient)
    np.testing.assert_array_equal(whole.weight, resumed.weight)


def test_a_state_is_a_copy() -> None:
    projection = Projection((4, 2), ProjectionConfig(), seed=0)
    state = projection.state()
    projection.apply(np.ones((4, 2), np.float32))
    assert not np.array_equal(state["weight"], projection.weight)
    assert not state["mean"].any()


def test_a_foreign_state_is_refused_and_changes_nothing() -> None:
    projection = Projection((4, 2), ProjectionConfig(), seed=0)
    before = projection.weight
    short = projection.state()
    del short["mean"]
    for state in (Projection((3, 2), ProjectionConfig(), seed=1).state(), short):
        with pytest.raises(StateError, match="shapes"):
            projection.load(state)
    np.testing.assert_array_equal(projection.weight, before)


def test_a_gradient_of_another_shape_is_refused() -> None:
    with pytest.raises(StateError, match=r"\(2, 4\)"):
        Projection((4, 2), ProjectionConfig(), seed=0).apply(np.ones((2, 4), np.float32))


def test_an_unknown_user_is_projected_to_zero() -> None:
    phi = np.zeros((3, 4), np.float32)
    assert not Projection((4, 2), ProjectionConfig(), seed=0).forward(phi).any()
    assert not FixedProjection((4, 2), seed=0).forward(phi).any()


def test_a_fixed_projection_keeps_lengths_on_average() -> None:
    phi = np.random.default_rng(0).normal(size=(500, 32)).astype(np.float32)
    embedded = FixedProjection((32, 64), seed=0).forward(phi)
    ratio = (embedded**2).sum() / (phi**2).sum()
    assert embedded.dtype == np.float32
    assert 0.9 < ratio < 1.1


@pytest.mark.parametrize(
    "wrong",
    [
        {"learning_rate": 0},
        {"decay_steps": -1},
        {"final_rate": 2},
        {"betas": (1, 0.9)},
        {"weight_decay": -1},
        {"init_std": -1},
    ],
)
def test_settings_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        ProjectionConfig(**wrong)
