"""Partners' features find songs for cold users when signal is planted, and only then."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest

from simulations.world import SOCIAL, VIDEO, World, WorldConfig, generate
from simulations.world.arrays import Doubles, Flags, Ints

CONFIG = WorldConfig(users=1200, songs=800, seed=3)
K = 50
PENALTY = 30.0  # of the ridge, about the noise of a row of plays


@dataclass(frozen=True, kw_only=True)
class Split:
    """Plays of platform users, and who among the listening ones is cold."""

    world: World
    plays: Doubles  # (users, songs)
    warm: Ints
    cold: Ints


def _split(signal: float) -> Split:
    world = generate(replace(CONFIG, signal=signal))
    user = pd.Index(world.truth.user_ids).get_indexer(world.events["user_id"])
    song = pd.Index(world.truth.item_ids).get_indexer(world.events["item_id"])
    plays = np.zeros((CONFIG.users, CONFIG.songs))
    np.add.at(plays, (user, song), 1.0)
    listening = np.random.default_rng(0).permutation(np.flatnonzero(plays.any(axis=1)))
    cut = listening.size // 5
    return Split(world=world, plays=plays, warm=listening[cut:], cold=listening[:cut])


def _recall(split: Split, scores: Doubles) -> float:
    relevant: Flags = split.plays[split.cold] > 0
    best = np.argsort(-scores, axis=1)[:, :K]
    hits = np.take_along_axis(relevant, best, axis=1).sum(axis=1)
    return float((hits / np.minimum(relevant.sum(axis=1), K)).mean())


def _popularity(split: Split) -> float:
    fame = (split.plays[split.warm] > 0).sum(axis=0).astype(np.float64)
    return _recall(split, np.tile(fame, (split.cold.size, 1)))


def _features(split: Split, name: str) -> Doubles:
    """Unit rows of a long partner table, or zeros for a user the partner does not know."""
    table = split.world.partners[name]
    row = pd.Index(split.world.truth.user_ids).get_indexer(table["user_id"])
    column, names = pd.factorize(table["feature"])
    matrix = np.zeros((CONFIG.users, len(names)))
    values = np.sqrt(table["value"]) if "value" in table else np.ones(len(table))
    matrix[row[row >= 0], column[row >= 0]] = np.asarray(values)[row >= 0]
    return matrix / np.maximum(np.linalg.norm(matrix, axis=1, keepdims=True), 1e-9)


def _ridge(split: Split, features: Doubles) -> float:
    """Ridge regression from features to plays of warm users, in its dual form."""
    target = np.log1p(split.plays[split.warm])
    target /= np.linalg.norm(target, axis=1, keepdims=True)
    known = features[split.warm]
    weights = np.linalg.solve(
        known @ known.T + PENALTY / 10 * np.eye(known.shape[0]), target - target.mean(axis=0)
    )
    return _recall(split, target.mean(axis=0) + features[split.cold] @ known.T @ weights)


@pytest.fixture(scope="module")
def planted() -> Split:
    return _split(1.0)


@pytest.fixture(scope="module")
def silent() -> Split:
    return _split(0.0)


@pytest.mark.parametrize("name", ["social", "video"])
def test_each_partner_lifts_cold_users_over_popularity(planted: Split, name: str) -> None:
    assert _ridge(planted, _features(planted, name)) > 1.1 * _popularity(planted)


@pytest.mark.parametrize("name", ["social", "video"])
def test_a_partner_without_signal_lifts_nothing(silent: Split, name: str) -> None:
    assert _ridge(silent, _features(silent, name)) < 1.02 * _popularity(silent)


def test_two_partners_lift_more_than_one_and_less_than_the_oracle(planted: Split) -> None:
    alone = {name: _features(planted, name) for name in ("social", "video")}
    both = _ridge(planted, np.hstack(list(alone.values())))
    assert both > max(_ridge(planted, features) for features in alone.values())
    assert both > 1.25 * _popularity(planted)
    assert both < _recall(planted, planted.world.truth.play_probability(planted.cold))


def test_two_partners_without_signal_lift_nothing(silent: Split) -> None:
    both = np.hstack([_features(silent, "social"), _features(silent, "video")])
    assert _ridge(silent, both) < 1.02 * _popularity(silent)


def test_features_of_other_users_lift_nothing(planted: Split) -> None:
    both = np.hstack([_features(planted, name) for name in ("social", "video")])
    mixed = np.random.default_rng(1).permutation(both)
    assert _ridge(planted, mixed) < 1.02 * _popularity(planted)


def test_a_weaker_signal_lifts_less(planted: Split) -> None:
    weak = _split(0.4)
    assert (VIDEO.signal, SOCIAL.signal) == (0.8, 0.8)
    lifts = [_ridge(s, _features(s, "video")) / _popularity(s) for s in (weak, planted)]
    assert lifts[0] < lifts[1]
