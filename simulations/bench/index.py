"""The default index beside bare FAISS, HNSW and Milvus: speed at equal recall, and memory.

The default index is built and tuned by `choose_index`, published, and measured as it is served,
mapped from its file. Everything runs on one thread and is asked for one user at a time. Peers take
turns in short rounds, so that a machine whose speed changes meanwhile treats all alike; a ratio is
the median over the rounds of one time over the other. HNSW is set to the least effort at which it
finds as much as the default index does, on users that no tuning has seen.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from federation.errors import SettingError
from recall.index import Kind
from recall.index.choosing import Choice, ChoiceConfig, choose_index
from recall.index.faiss_index import FaissIndex
from recall.index.measuring import Judge
from recall.index.publishing import Publisher
from recall.index.stored import DATA, About
from recall.index.versions import folder_of, open_current
from simulations.bench.figures import Bound, Wanted
from simulations.bench.index_peers import (
    HNSW_FACTORY,
    Bare,
    Hnswlib,
    MilvusLite,
    Ours,
    Peer,
    bare_file,
    bare_words,
    has_hnswlib,
    has_milvus,
    one_thread,
)
from simulations.bench.index_race import Race
from simulations.bench.index_vectors import MadeVectors, make_vectors

Progress = Callable[[str], None]
Report = dict[str, Any]
Vectors = npt.NDArray[np.float32]

OURS: Final = "default"
FILE: Final = "bare_faiss_same_file"
WORDS: Final = "bare_faiss_same_words"
HNSW: Final = "faiss_hnsw32"
HNSWLIB: Final = "hnswlib"
MILVUS: Final = "milvus_lite"

TUNING, JUDGING, TIMING = 1024, 500, 500  # users, each group unknown to the others
SMALL_ITEMS: Final = 200_000  # up to here hnswlib and Milvus Lite are measured too

WANTED: Final[Mapping[int, Mapping[str, Wanted]]] = MappingProxyType(
    {
        100_000: {
            "recall": Wanted(Bound.AT_LEAST, 0.95),
            FILE: Wanted(Bound.AT_LEAST, 0.95),
            WORDS: Wanted(Bound.AT_LEAST, 0.95),
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
    tell = progress or _silent
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
    race = _race(made, k)
    wanted = race.enter(OURS, Ours(open_current(folder).index)).recall
    peers = []
    for name, peer in _peers(made.items, choice.index, folder, tell):
        stack.callback(peer.close)
        tell(f"setting {name}")
        race.enter(name, peer, wanted=wanted)
        peers.append(name)
    tell("asking everybody in turns")
    race.run()
    report = {
        OURS: {**described, **race.report(OURS)},
        "peers": {
            name: {**race.report(name), "default_over_it": race.speed_over(OURS, name)}
            for name in peers
        },
        "left_out": _left_out(len(made.items)),
    }
    return {**report, "figures": _figures(report, len(made.items))}


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


def _race(made: MadeVectors, k: int) -> Race:
    judging = made.queries[TUNING : TUNING + JUDGING]
    places = np.arange(len(made.items))
    judge = Judge.over(made.items, places, judging, k=k)
    return Race(judging, judge.best, made.queries[TUNING + JUDGING :])


def _peers(
    items: Vectors, ours: FaissIndex, folder: Path, tell: Progress
) -> Iterator[tuple[str, Peer]]:
    """The peers, each built when it is its turn."""
    if ours.kind is not Kind.FLAT_INNER_PRODUCT:
        same = bare_file(folder_of(folder, 1) / DATA)
        same.effort = ours.effort
        yield FILE, same
    tell("building bare FAISS")
    word, parameter = bare_words(ours)
    bare = Bare.built(word, items, parameter)
    bare.set_effort(ours.effort)
    yield WORDS, bare
    tell("building HNSW32")
    yield HNSW, Bare.built(HNSW_FACTORY, items, "efSearch", tunable=True)
    if HNSWLIB not in _left_out(len(items)):
        tell("building hnswlib")
        yield HNSWLIB, Hnswlib(items, seed=0)
    if MILVUS not in _left_out(len(items)):
        tell("filling Milvus Lite")
        yield MILVUS, MilvusLite(items, folder / "items.db")


def _left_out(size: int) -> Mapping[str, str]:
    """Peers that are not measured, and why."""
    installed = {HNSWLIB: has_hnswlib(), MILVUS: has_milvus()}
    reasons = {name: "not installed" for name, here in installed.items() if not here}
    large = f"takes too long beyond {SMALL_ITEMS:,} songs"
    return reasons if size <= SMALL_ITEMS else {**dict.fromkeys(installed, large), **reasons}


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


def _silent(_: str) -> None:
    """Tell nobody."""
