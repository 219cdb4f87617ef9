"""Doing one task: loading the data of a split, training, judging."""

import json
import resource
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from importlib import import_module
from typing import Final

import torch

from parties.checkpoints import write_whole
from parties.events import Progress, Stage, Watcher
from parties.item import ItemOutcome
from recall.index import FlatIndex
from simulations.baselines import Pool, Trained
from simulations.channels.federated import save_queries
from simulations.channels.judging import judge_fusion
from simulations.channels.names import FEDERATED, ChannelName
from simulations.channels.recalling import recall_lists
from simulations.clock import Clock
from simulations.data import load
from simulations.federation import Scenario, run_federation
from simulations.listening import listening_of
from simulations.report import EpochRecord
from simulations.run_folder import PUBLIC_MODE
from simulations.split import Split
from simulations.tasks import Runtime, Task, TaskKind, TaskResult


def perform(task: Task, watch: Watcher) -> TaskResult:
    """Do a task and save its result.

    Raises:
        FederationError, PartiesError, SimulationError: as the parts of the task do.
    """
    torch.set_num_threads(1)  # tasks are the parallelism, and one thread repeats exactly
    clock = Clock(watch)
    clock.enter(Stage.DATA)
    split = Split(task, listening_of(load(task.data).tables))
    done = _WORK[task.kind](split, clock)
    result = replace(
        done,
        seconds=clock.seconds,
        cpu_seconds=done.cpu_seconds + cpu_seconds(),
        peak_memory_bytes=max(done.peak_memory_bytes, peak_memory()),
    )
    result.save(task.result_path)
    return result


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """What a runtime brings back from a federated run.

    Args:
        item: what the item party ended with.
        sent: party → stage → bytes.
        values: numbers of embeddings that partners sent forward.
        clipped: numbers that were cut to the fixed-point range.
        continued: whether an earlier process did a part of the work.
        cpu_seconds: of processes that this one is not told of by the system.
        peak_memory_bytes: the largest of theirs.
    """

    item: ItemOutcome = field(repr=False)
    sent: Mapping[str, Mapping[str, int]]
    values: int
    clipped: int
    continued: bool
    cpu_seconds: float = 0.0
    peak_memory_bytes: int = 0


Carrier = Callable[[Split, Clock], Carried]


def carry_in_memory(split: Split, clock: Clock) -> Carried:
    """Run every party in a thread of this process."""
    folder = split.task.folder / "parties"
    continued = folder.exists()
    scenario = Scenario(
        config=split.config,
        item=split.item,
        partners=split.listening.partners,
        job=secrets.token_bytes(16),
        folder=folder,
    )
    outcome = run_federation(scenario, clock)
    return Carried(
        item=outcome.item,
        sent=outcome.sent,
        values=sum(partner.values for partner in outcome.partners.values()),
        clipped=sum(partner.clipped for partner in outcome.partners.values()),
        continued=continued,
    )


def _carrier(runtime: Runtime) -> Carrier:
    if runtime is Runtime.MEMORY:
        return carry_in_memory
    # Flower and gRPC take seconds to import, which a run without them need not spend.
    carrier: Carrier = import_module("simulations.flower_runtime").carry_on_flower
    return carrier


def _federated(split: Split, clock: Clock) -> TaskResult:
    carried = _carrier(split.task.runtime)(split, clock)
    clock.enter(Stage.EVALUATION)
    item = carried.item
    trained = Trained(queries=item.queries, items=item.items, history=item.history)
    judged = split.judged(FEDERATED, trained)
    _publish(split, trained)
    clock.enter(None)
    return TaskResult(
        systems=(judged,),
        curves={FEDERATED: _curve(trained, clock)},
        seconds={},
        cpu_seconds=carried.cpu_seconds,
        peak_memory_bytes=carried.peak_memory_bytes,
        sent=carried.sent,
        values=carried.values,
        clipped=carried.clipped,
        continued=carried.continued,
    )


def _publish(split: Split, trained: Trained) -> None:
    """Keep what serving needs: the index, and which song each of its numbers is."""
    if split.task.channels:
        save_queries(split.task.folder, trained.queries)
    FlatIndex(trained.items).save(split.task.folder / "index")
    songs = json.dumps(list(split.listening.items), ensure_ascii=False)
    write_whole(split.task.folder / "songs.json", songs.encode(), mode=PUBLIC_MODE)


def _baselines(split: Split, clock: Clock) -> TaskResult:
    pool = Pool(split.config, split.item, split.listening.partners)
    work = dict(_plans(split, pool))
    systems = [split.judge.popular(ChannelName.POPULARITY.value)]
    curves = {}
    for done, (name, train) in enumerate(work.items()):
        clock(Progress(stage=Stage.BASELINES, done=done, total=len(work), note=name))
        trained = train()
        systems.append(split.judged(name, trained))
        curves[name] = _curve(trained, None)
    clock(Progress(stage=Stage.BASELINES, done=len(work), total=len(work)))
    clock.enter(None)
    if split.item.own is None:
        # With no features of its own, all the item party can show a stranger is what is popular.
        systems.insert(1, replace(systems[0], name="own"))
    return TaskResult(
        systems=tuple(systems), curves=curves, seconds={}, cpu_seconds=0.0, peak_memory_bytes=0
    )


def _plans(split: Split, pool: Pool) -> Iterator[tuple[str, Callable[[], Trained]]]:
    if split.item.own is not None:
        yield "own", pool.own
    for name in split.listening.partners:
        yield f"partner:{name}", partial(pool.partner, name)
    yield "central", pool.central
    yield "shuffled", pool.shuffled


def _curve(trained: Trained, clock: Clock | None) -> tuple[EpochRecord, ...]:
    steps = clock.steps if clock is not None else {}
    per_epoch = max(steps, default=0) // max(len(trained.history), 1)
    return tuple(
        EpochRecord(
            epoch=each.epoch + 1,
            loss=each.loss,
            validation_recall=each.recall,
            seconds=steps.get((each.epoch + 1) * per_epoch, 0.0),
        )
        for each in trained.history
    )


def _channels(split: Split, clock: Clock) -> TaskResult:
    lists = recall_lists(split, clock)
    lists.save(split.task.folder)
    clock.enter(None)
    return TaskResult()


def _fusion(split: Split, clock: Clock) -> TaskResult:
    clock.enter(Stage.EVALUATION)
    result = judge_fusion(split)
    clock.enter(None)
    return result


_WORK: Final[Mapping[TaskKind, Callable[[Split, Clock], TaskResult]]] = {
    TaskKind.FEDERATED: _federated,
    TaskKind.BASELINES: _baselines,
    TaskKind.CHANNELS: _channels,
    TaskKind.FUSION: _fusion,
}


def cpu_seconds() -> float:
    """Of this process and of those it started for the alignment."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def peak_memory() -> int:
    """Highest resident memory of this process, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
