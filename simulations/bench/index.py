"""The default index beside bare FAISS, HNSW and Milvus: speed at equal recall, and memory.

The default index is built and tuned by `choose_index`, published, and measured as it is served,
mapped from its file. Everything runs on one thread. A request brings one user, so the figures are
those of one user a call; bare FAISS is asked in batches too. How two are compared is told in
`index_duel`. HNSW is set to the least effort at which it finds as much as the default index does,
on users that no tuning has seen.
"""

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from federation.errors import SettingError
from recall.index.choosing import Choice, ChoiceConfig, choose_index
from recall.index.measuring import Judge
from recall.index.publishing import Publisher
from recall.index.stored import About
from recall.index.versions import folder_of, open_current
from simulations.bench.figures import Bound, Wanted
from simulations.bench.index_duel import OURS as OUR_SIDE
from simulations.bench.index_duel import THEIRS, Duel, duel
from simulations.bench.index_peers import Ours, one_thread
from simulations.bench.index_rivals import (
    FILE,
    HNSW,
    HNSWLIB,
    MAPPED,
    WORDS,
    Rival,
    left_out,
    rivals,
)
from simulations.bench.index_tuning import Tuning
from simulations.bench.index_vectors import MadeVectors, make_vectors
from simulations.bench.progress import Progress, silent

Report = dict[str, Any]

OURS: Final = "default"

TUNING, JUDGING, TIMING = 1024, 500, 500  # users, each group unknown to the others

WANTED: Final[Mapping[int, Mapping[str, Wanted]]] = MappingProxyType(
    {
        100_000: {
            "recall": Wanted(Bound.AT_LEAST, 0.95),
            FILE: Wanted(Bound.AT_LEAST, 0.95),
            WORDS: Wanted(Bound.AT_LEAST, 0.95),
            MAPPED: Wanted(Bound.AT_LEAST, 0.95),
            HNSWLIB: Wanted(Bound.AT_LEAST, 1.2),
        },
        1_000_000: {
            "recall": Wanted(Bound.AT_LEAST, 0.94),
            "bytes_on_disk": Wanted(Bound.AT_MOST, 75.0),
            "bytes_in_memory": Wanted(Bound.AT_MOST, 75.0),
            HNSW: Wanted(Bound.AT_LEAST, 1.5),
        },
    }
)


def run_index_bench(
    *,
    size: int = 100_000,
    dim: int = 64,
    k: int = 200,
    prior: bool = False,
    progress: Progress | None = None,
) -> Report:
    """Build the default index and its peers over made vectors, and measure them.

    Args:
        size: songs.
        dim: numbers in a vector, at least 2.
        k: songs a query.
        prior: whether the last coordinate is a popularity prior.
        progress: told the name of each stage as it starts.

    Returns:
        What `json.dumps` takes. `figures` are those to reach, at the sizes they are given for.

    Raises:
        SettingError: there are fewer songs than `k`, or `dim` is below 2.
    """
    if not 1 <= k <= size or dim < 2:
        raise SettingError(f"k {k} must be from 1 to size {size}, and dim {dim} at least 2")
    tell = progress or silent
    one_thread()
    tell("making vectors")
    users = TUNING + JUDGING + TIMING
    made = make_vectors(size, dim=dim, queries=users, seed=0, prior=prior)
    with TemporaryDirectory(prefix="fedrecall-bench-") as folder, ExitStack() as stack:
        report = _measure(made, k, Path(folder), stack, tell)
    return {"bench": "index", "size": size, "dim": dim, "k": k, "prior": prior, **report}


def _measure(made: MadeVectors, k: int, folder: Path, stack: ExitStack, tell: Progress) -> Report:
    tell("choosing the default index")
    choice, described = _default(made, k, folder)
    tuning, timing = _tuning(made, k), made.queries[TUNING + JUDGING :]
    recall = tuning.settled(Ours(open_current(folder).index))
    speeds: list[Report] = []
    peers: Report = {}
    for rival in rivals(made.items, choice.index, folder, tell):
        stack.callback(rival.peer.close)
        found = tuning.settled(rival.peer, wanted=recall)
        tell(f"asking the default index and {rival.name} in turns")
        measured = duel(rival.opening, timing, k, rival.plan)
        batched = duel(rival.opening, timing, k, rival.in_batches) if rival.in_batches else None
        speeds.append(measured.speeds(OUR_SIDE))
        peers[rival.name] = _peer_report(rival, found, measured, batched)
    report = {
        OURS: {**described, "recall": recall, "effort": choice.index.effort, **speeds[0]},
        "peers": peers,
        "left_out": left_out(len(made.items)),
    }
    return {**report, "figures": _figures(report, len(made.items))}


def _peer_report(rival: Rival, recall: float, measured: Duel, batched: Duel | None) -> Report:
    report = {
        "recall": recall,
        "effort": rival.peer.effort,
        **measured.speeds(THEIRS),
        "cpu_seconds_to_build": round(rival.peer.build_cpu_s, 2),
        "default_over_it": measured.report(),
    }
    return (
        report if batched is None else {**report, "default_over_it_in_batches": batched.report()}
    )


def _default(made: MadeVectors, k: int, folder: Path) -> tuple[Choice, Report]:
    """Choose the default index and publish it."""
    began = time.process_time()
    config = ChoiceConfig(k=k)
    choice = choose_index(made.items, queries=made.queries[:TUNING], config=config)
    spent = time.process_time() - began
    Publisher(folder).publish(choice.index, About(measured=choice.measured))
    version = folder_of(folder, 1)
    on_disk = sum(path.stat().st_size for path in version.iterdir())
    return choice, {
        "kind": choice.index.kind.value,
        "tried": [tried.kind.value for tried in choice.tried],
        "recall_when_tuned": round(choice.measured.recall, 4),
        "cpu_seconds_to_choose": round(spent, 2),
        "bytes_per_vector_on_disk": round(on_disk / choice.index.count, 2),
        "bytes_per_vector_in_memory": round(_resident_bytes(version) / choice.index.count, 2),
    }


def _tuning(made: MadeVectors, k: int) -> Tuning:
    judging = made.queries[TUNING : TUNING + JUDGING]
    judge = Judge.over(made.items, np.arange(len(made.items)), judging, k=k)
    return Tuning(judging, judge.best)


def _figures(report: Report, size: int) -> Report:
    """What was measured of the figures to reach at this size; speeds are those by CPU time."""
    ours = report[OURS]
    measured = {
        "recall": ours["recall"],
        "bytes_on_disk": ours["bytes_per_vector_on_disk"],
        "bytes_in_memory": ours["bytes_per_vector_in_memory"],
        **{name: each["default_over_it"]["cpu_speed"] for name, each in report["peers"].items()},
    }
    wanted = WANTED.get(size, {})
    return {
        name: each.compared(measured[name]) for name, each in wanted.items() if name in measured
    }


def _resident_bytes(version: Path) -> int:
    """Memory that the index of a version takes in a process of its own."""
    done = subprocess.run(  # noqa: S603 - a module of this program, run by this very interpreter
        [sys.executable, "-P", "-m", "simulations.bench.index_resident", str(version)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        check=True,
        text=True,
    )
    return int(done.stdout)
