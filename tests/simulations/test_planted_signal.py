"""Both sides of the claim: partners that know taste help strangers, partners of chance do not."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from federation.protocol.profile import Profile
from parties.config import RunConfig
from parties.events import ignore_progress
from parties.settings import from_plain
from simulations.data import load
from simulations.listening import listening_of
from simulations.split import Split
from simulations.splits import EvaluationConfig
from simulations.tasks import Task, TaskKind
from simulations.work import perform
from simulations.world import PRESETS, generate, write_world

SETTINGS = {
    "encoder": {"width": 16},
    "training": {"epochs": 6},
    "trainer": {"negatives": 2048},
    "alignment": {"workers": 1},
}


def recall_over_popularity(folder: Path, *, signal: float, profile: Profile) -> float:
    """Recall@50 of cold users, federated minus popularity, in a world of that signal."""
    world = replace(PRESETS["small"], signal=signal, own_signal=0.0)
    write_world(generate(world), folder / "world")
    task = Task(
        kind=TaskKind.FEDERATED,
        data=str(folder / "world"),
        seed=0,
        config=replace(from_plain(RunConfig(), SETTINGS), profile=profile),
        evaluation=EvaluationConfig(cold_share=0.3),
        folder=folder,
    )
    (federated,) = perform(task, ignore_progress).systems
    popular = Split(task, listening_of(load(task.data).tables)).judge.popular("popularity")
    difference = federated.per_user["recall@50"] - popular.per_user["recall@50"]
    return float(np.nanmean(difference))


@pytest.mark.parametrize("profile", list(Profile))
def test_partners_that_see_taste_give_lift(profile: Profile, tmp_path: Path) -> None:
    assert recall_over_popularity(tmp_path, signal=1.0, profile=profile) > 0.1


@pytest.mark.parametrize("profile", list(Profile))
def test_partners_that_see_chance_give_none(profile: Profile, tmp_path: Path) -> None:
    assert recall_over_popularity(tmp_path, signal=0.0, profile=profile) < 0.02
