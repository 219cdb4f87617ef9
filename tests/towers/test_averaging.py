import pytest
import torch
from torch import nn

from towers.averaging import WeightAverage


def weights_over(steps: list[float], *, horizon: float, start: float = 0.0) -> list[float]:
    """The averaged weight after each step that set the only weight to the next of `steps`."""
    model = nn.Linear(1, 1, bias=False)
    set_weight(model, start)
    average = WeightAverage(model, horizon=horizon)
    seen = []
    for value in steps:
        set_weight(model, value)
        average.update()
        seen.append(average.model.weight.item())
    return seen


def set_weight(model: nn.Linear, value: float) -> None:
    with torch.no_grad():
        model.weight.fill_(value)


@pytest.mark.parametrize("horizon", [0.0, 1.0])
def test_without_a_horizon_the_newest_weights_are_the_average(horizon: float) -> None:
    assert weights_over([1.0, 5.0, -2.0], horizon=horizon) == [1.0, 5.0, -2.0]


def test_the_average_equals_the_slow_formula() -> None:
    values = torch.randn(60, generator=torch.Generator().manual_seed(0)).tolist()
    mean, wanted = 7.0, []
    for step, value in enumerate(values):
        share = max(1 / 4, 3 / (3 + step))
        mean = (1 - share) * mean + share * value
        wanted.append(mean)
    assert weights_over(values, horizon=4.0, start=7.0) == pytest.approx(wanted, abs=1e-6)


def test_first_weights_are_forgotten_however_far_the_average_reaches() -> None:
    assert weights_over([1.0] * 50, horizon=1e6, start=1000.0)[-1] == pytest.approx(1.0)


def test_a_weight_that_swings_about_a_value_is_averaged_to_it() -> None:
    swinging = [3 + (-1) ** step for step in range(400)]
    assert weights_over(swinging, horizon=50.0)[-1] == pytest.approx(3.0, abs=0.05)


def test_what_is_trained_is_left_alone() -> None:
    model = nn.Linear(1, 1, bias=False)
    set_weight(model, 0.0)
    average = WeightAverage(model, horizon=100.0)
    average.update()
    set_weight(model, 2.0)
    average.update()
    assert model.weight.item() == 2.0
    assert 0 < average.model.weight.item() < 2
