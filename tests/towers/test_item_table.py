import numpy as np
import pytest
import torch

from towers.errors import FeatureError
from towers.features import Floats
from towers.item_table import ItemTable


def table(side: Floats | None = None, items: int = 5) -> ItemTable:
    return ItemTable(items, 4, side=side, generator=torch.Generator().manual_seed(0))


def test_without_side_features_a_vector_is_the_numbers_own() -> None:
    made = table()
    asked = torch.tensor([[1, 1], [4, 0]])
    assert torch.equal(made(asked), made.ids[asked])


def test_side_features_are_joined_to_the_number() -> None:
    side = np.eye(5, 3, dtype=np.float32)
    made = table(side)
    assert made.mix is not None
    both = np.hstack([made.ids.detach().numpy(), side])
    expected = both @ made.mix.weight.detach().numpy().T
    np.testing.assert_allclose(made(torch.arange(5)).detach().numpy(), expected, rtol=1e-5)


def test_a_gradient_moves_only_the_numbers_that_were_asked_for() -> None:
    made = table()
    torch.autograd.backward(made(torch.tensor([2, 2])).sum())
    assert made.ids.grad is not None
    assert made.ids.grad.sum(dim=1).tolist() == [0, 0, 8, 0, 0]


@pytest.mark.parametrize("side", [np.zeros((4, 2)), np.full((5, 1), np.nan)])
def test_side_features_that_do_not_fit_are_refused(side: np.ndarray) -> None:
    with pytest.raises(FeatureError, match="5 rows"):
        table(side.astype(np.float32))
