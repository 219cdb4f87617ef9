"""The tasks of channels on a tiny world: trained, recalled, fused and judged."""

import shutil
from dataclasses import dataclass, replace
from multiprocessing import Pipe
from pathlib import Path

import numpy as np
import pytest

from federation.protocol.profile import Profile
from parties.config import RunConfig
from parties.events import Progress, Stage
from simulations.channels.lists import ChannelLists
from simulations.channels.names import (
    COLD,
    FEDERATED,
    FUSION,
    FUSION_WITHOUT,
    NEW_SONGS,
    WARM,
    ChannelName,
)
from simulations.channels.training import Material
from simulations.data import load
from simulations.errors import RunFolderError
from simulations.holdout import hold_out
from simulations.lift import SystemResult
from simulations.listening import Listening
from simulations.recording import record_run
from simulations.report import build_report, render_html
from simulations.run_folder import Plan, SimulationConfig
from simulations.scheduler import Failure, serve_task
from simulations.split import Split
from simulations.splits import EvaluationConfig
from simulations.tasks import Task, TaskKind, TaskResult
from simulations.work import perform

CHANNELS = tuple(ChannelName)


@dataclass(frozen=True)
class Done:
    task: Task
    results: dict[TaskKind, TaskResult]
    seen: list[Progress]


@pytest.fixture(scope="module")
def done(tiny: Path, tmp_path_factory: pytest.TempPathFactory, quick: RunConfig) -> Done:
    seen: list[Progress] = []
    task = Task(
        kind=TaskKind.FEDERATED,
        data=str(tiny),
        seed=0,
        config=replace(quick, profile=Profile.FROZEN),
        evaluation=EvaluationConfig(new_song_share=0.1),
        folder=tmp_path_factory.mktemp("channels"),
        channels=CHANNELS,
    )
    results = {kind: perform(replace(task, kind=kind), seen.append) for kind in TaskKind}
    return Done(task, results, seen)


@pytest.fixture(scope="module")
def split(done: Done, listening: Listening) -> Split:
    return Split(done.task, listening)


def systems(done: Done, group: str) -> dict[str, SystemResult]:
    return {system.name: system for system in done.results[TaskKind.FUSION].groups[group]}


def mean(system: SystemResult, metric: str = "recall@50") -> float:
    return float(system.per_user[metric].mean())


def test_every_channel_is_judged_on_the_same_warm_users(done: Done, split: Split) -> None:
    found = systems(done, WARM)
    assert set(found) == {*map(str, CHANNELS), FEDERATED, FUSION, FUSION_WITHOUT}
    assert {len(each.per_user["recall@50"]) for each in found.values()} == {
        len(split.holdout.judged)
    }
    facts = done.results[TaskKind.FUSION].facts
    assert facts["users"][WARM] == split.holdout.judged.tolist()
    assert facts["fitting_users"][WARM] == len(split.holdout.fitting)


def test_taste_beats_popularity_and_fusion_fitted_on_few_loses_little(done: Done) -> None:
    found = systems(done, WARM)
    assert mean(found["linear"]) > 1.1 * mean(found["popularity"])
    best = max(mean(found[str(name)]) for name in CHANNELS)
    assert mean(found[FUSION]) > 0.93 * best  # few people fit its weights here


def test_without_the_federated_channel_cold_users_get_the_popularity_list(done: Done) -> None:
    found = systems(done, COLD)
    np.testing.assert_array_equal(
        found[FUSION_WITHOUT].per_user["recall@50"], found["popularity"].per_user["recall@50"]
    )


def test_for_people_whom_no_partner_knows_fusion_is_the_same_with_and_without(
    done: Done, split: Split
) -> None:
    found, judged = systems(done, WARM), split.holdout.judged
    unknown = ~split.listening.known().any(axis=1)[judged]
    assert unknown.any()
    for metric, scores in found[FUSION].per_user.items():
        without = found[FUSION_WITHOUT].per_user[metric]
        np.testing.assert_array_equal(scores[unknown], without[unknown], err_msg=metric)


def test_no_list_holds_a_song_its_user_is_known_to_have_heard(done: Done, split: Split) -> None:
    kept = ChannelLists.load(done.task.folder)
    for user in kept.users.tolist():
        heard = split.holdout.shown[[user]].indices
        for found in kept.of(user).values():
            assert not np.isin(found.items, heard).any()


def test_no_channel_learns_from_what_is_hidden(done: Done, split: Split, tiny: Path) -> None:
    material = Material(split, load(str(tiny)))
    users = {user: number for number, user in enumerate(split.listening.users)}
    items = {item: number for number, item in enumerate(split.listening.items)}
    pairs = {
        (users[user], items[item])
        for user, item in zip(material.events["user_id"], material.events["item_id"], strict=True)
    }
    rows = np.repeat(np.arange(len(users)), np.diff(split.holdout.shown.indptr))
    shown = set(zip(rows.tolist(), split.holdout.shown.indices.tolist(), strict=True))
    assert pairs == shown
    assert not any(len(material.histories[user]) for user in split.cold.tolist())
    fresh = split.holdout.fresh
    assert len(fresh)
    assert not np.isin(np.concatenate(material.histories), fresh).any()


def test_new_songs_are_judged_by_the_federated_channel_alone(done: Done, split: Split) -> None:
    found = systems(done, NEW_SONGS)
    assert set(found) == {FEDERATED}
    assert done.results[TaskKind.FUSION].facts["new_songs"] == len(split.holdout.fresh)


def test_a_watcher_is_told_of_every_channel(done: Done) -> None:
    notes = [each.note for each in done.seen if each.stage is Stage.CHANNELS and each.note]
    assert notes == list(CHANNELS)


def test_groups_come_back_as_they_were_saved(done: Done) -> None:
    mine = done.results[TaskKind.FUSION]
    back = TaskResult.load(replace(done.task, kind=TaskKind.FUSION).result_path)
    assert back.facts == mine.facts
    assert list(back.groups) == list(mine.groups)
    for group, judged in mine.groups.items():
        for one, other in zip(judged, back.groups[group], strict=True):
            np.testing.assert_array_equal(one.per_user["ndcg@10"], other.per_user["ndcg@10"])


def test_fusion_without_the_other_tasks_is_refused(done: Done, tmp_path: Path) -> None:
    alone = replace(done.task, kind=TaskKind.FUSION, folder=tmp_path)
    with pytest.raises(RunFolderError, match="missing"):
        perform(alone, lambda progress: None)


def test_a_worker_says_that_the_index_of_its_split_is_damaged(done: Done, tmp_path: Path) -> None:
    folder = shutil.copytree(done.task.folder, tmp_path / "split")
    (folder / "index" / "manifest.json").write_text("{")
    receiver, sender = Pipe(duplex=False)
    with receiver, sender:
        serve_task(replace(done.task, kind=TaskKind.FUSION, folder=folder), sender)
        messages = [receiver.recv()]
        while receiver.poll():
            messages.append(receiver.recv())
    assert isinstance(messages[-1], Failure)
    assert "index" in messages[-1].message


def test_the_report_shows_every_channel_and_what_fusing_them_gained(
    done: Done, listening: Listening
) -> None:
    task = done.task
    plan = Plan(
        data=task.data,
        splits=1,
        config=SimulationConfig(
            run=task.config, evaluation=replace(task.evaluation, bootstrap_samples=50)
        ),
        channels=CHANNELS,
    )
    results = {(0, kind): result for kind, result in done.results.items()}
    report = build_report(record_run(plan, listening, results))
    section = report["channels"]
    assert list(section["comparisons"]) == [WARM, COLD, NEW_SONGS]
    warm = section["comparisons"][WARM]
    assert warm["best_channel"] in warm["systems"]
    assert set(warm["lift"]) == {
        f"{FUSION}_vs_{warm['best_channel']}",
        f"{FUSION}_vs_{FUSION_WITHOUT}",
    }
    scores = section["comparisons"][NEW_SONGS]["systems"][FEDERATED]["recall@50"]
    random = section["new_songs"]["random"]["recall@50"]
    assert random == pytest.approx(50 / len(listening.items))
    assert section["new_songs"]["times_random"]["recall@50"] == pytest.approx(
        scores["mean"] / random
    )
    page = render_html(report)
    for text in ("own channels", "All channels fused", "SASRec", "New songs", "times what chance"):
        assert text in page


def test_holding_out_for_channels_is_the_same_in_a_process_of_its_own(
    done: Done, listening: Listening, split: Split
) -> None:
    again = hold_out(listening, done.task.evaluation, seed=0, channels=True)
    assert (again.shown != split.holdout.shown).nnz == 0
