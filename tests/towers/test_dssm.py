from typing import Any

import pytest
import torch

from towers.config import DSSMConfig
from towers.dssm import DSSM, Tower, TowerConfig
from towers.errors import ConfigError


def test_a_tower_puts_out_rows_of_norm_one() -> None:
    tower = Tower(TowerConfig(in_dim=5, hidden_dims=(7,), out_dim=3))
    out = tower(torch.randn(11, 5))
    assert out.shape == (11, 3)
    torch.testing.assert_close(out.norm(dim=1), torch.ones(11))


def test_a_tower_may_keep_lengths() -> None:
    tower = Tower(TowerConfig(in_dim=5, out_dim=3, unit_norm=False))
    assert tower(torch.randn(11, 5)).norm(dim=1).std() > 0


@pytest.mark.parametrize("unit_norm", [True, False])
def test_side_codes_move_users_and_songs(unit_norm: bool) -> None:
    config = DSSMConfig(embedding_dim=8, unit_norm=unit_norm, temperature=0.5)
    model = DSSM(config, counts=torch.tensor([3.0, 0.0]), side_dims=(2, 4))
    summed, songs = torch.randn(5, 8), torch.arange(2)
    plain_users = model.users(summed, torch.zeros(5, 2))
    plain_songs = model.songs(songs, torch.zeros(2, 4))
    assert not torch.equal(plain_users, model.users(summed, torch.ones(5, 2)))
    assert not torch.equal(plain_songs, model.songs(songs, torch.ones(2, 4)))
    if unit_norm:
        torch.testing.assert_close(plain_users.norm(dim=1), torch.full((5,), 2.0))
        torch.testing.assert_close(plain_songs.norm(dim=1), torch.ones(2))


def test_the_prior_starts_from_log_counts() -> None:
    config = DSSMConfig(prior_strength=2.0)
    model = DSSM(config, counts=torch.tensor([3.0, 0.0]), side_dims=(0, 0))
    torch.testing.assert_close(model.prior, 2 * torch.log(torch.tensor([3.5, 0.5])))


@pytest.mark.parametrize(
    "wrong",
    [
        {"embedding_dim": 0},
        {"top_hidden_dims": (0,)},
        {"temperature": 0},
        {"prior_strength": -1},
    ],
)
def test_settings_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        DSSMConfig(**wrong)
