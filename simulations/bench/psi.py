"""What a set intersection costs beside bare X25519 exchanges and beside openmined-psi.

The two parties run one after the other, each with all the processes, so the wall time
is that of both on one machine.
"""

import os
import resource
import sys
import time
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from statistics import median
from subprocess import PIPE, Popen
from typing import IO, Any, cast

import numpy as np

from federation.crypto.identifiers import prepare
from federation.crypto.psi import Blinder
from federation.errors import SettingError
from simulations.bench.bare import exchanges_per_second
from simulations.bench.progress import Progress, silent

_JOB = b"bench"
_PEER_PACKAGE = "private_set_intersection"
_PEER_FALSE_POSITIVES = 1e-9  # chance of any false match in the whole run
_MIN_EXCHANGES = 100
_MAX_EXCHANGES = 8_000  # about 0.25 s
_REPEATS = 2


@dataclass(slots=True)
class Meter:
    """Adds up the wall and CPU seconds spent inside its `with` blocks.

    CPU time of a worker counts in the block that waits for its end, all at once.
    """

    seconds: float = 0.0
    cpu_seconds: float = 0.0

    def __enter__(self) -> None:
        self.seconds -= time.perf_counter()
        self.cpu_seconds -= _cpu_seconds()

    def __exit__(self, *exception: object) -> None:
        self.seconds += time.perf_counter()
        self.cpu_seconds += _cpu_seconds()


@dataclass(slots=True)
class BareLoop:
    """X25519 exchanges in bare loops, measured again and again during a run."""

    exchanges: int
    processes: int
    alone: list[float] = field(default_factory=list)  # a second, one process running
    together: list[float] = field(default_factory=list)  # a second and process, all running
    by_cpu: list[float] = field(default_factory=list)  # a CPU second, one process running

    def measure(self) -> None:
        """Take a few samples of each rate."""
        for _ in range(_REPEATS):
            self.alone.append(exchanges_per_second(self.exchanges))
            self.by_cpu.append(exchanges_per_second(self.exchanges, time.process_time))
            self.together.extend(_rates_together(self.exchanges, self.processes))


def run_psi_bench(
    *,
    size: int = 100_000,
    processes: int = 2,
    peer: bool = True,
    progress: Progress | None = None,
) -> dict[str, object]:
    """Intersect two sets that share half their identifiers, and measure it.

    The bare loops run before, half way and after, and their medians are taken, so that
    a machine whose speed changes meanwhile is judged fairly.

    Args:
        size: identifiers of each party; even, at least 2.
        processes: worker processes of a party.
        peer: measure openmined-psi on the same sets too, where it is installed.
        progress: told the name of each stage as it starts.

    Returns:
        What `json.dumps` takes. `ratio` is scalar multiplications a second over
        (bare exchanges a second of one process alone times processes); `ratio_together`
        takes the rate of a process while `processes` of them run the bare loop at once;
        `ratio_by_cpu` compares both by CPU seconds, which a busy machine distorts least.
        `cpu_ratio` is this program's CPU seconds over openmined-psi's.

    Raises:
        SettingError: `size` is odd or below 2, or `processes` below 1.
        ArithmeticError: an intersection came out wrong.
    """
    if size < 2 or size % 2 or processes < 1:
        raise SettingError(
            f"size {size} must be even and at least 2, and processes {processes} at least 1"
        )
    say = progress or silent
    exchanges = min(max(size, _MIN_EXCHANGES), _MAX_EXCHANGES)
    bare = BareLoop(exchanges=exchanges, processes=processes)
    meter = Meter()
    _intersect(size, meter, bare, say)
    report = _report(size, meter, bare)
    if peer and find_spec(_PEER_PACKAGE):
        say("openmined-psi")
        cpu = _peer_cpu_seconds(size)
        report["openmined_psi"] = {
            "cpu_seconds": cpu,
            "data_structure": "GCS, its default",
            "sides_that_learn": 1,
        }
        report["cpu_ratio"] = meter.cpu_seconds / cpu
    return report


def _report(size: int, meter: Meter, bare: BareLoop) -> dict[str, object]:
    multiplications = 4 * size  # each party blinds its own set and re-blinds the other
    rate, by_cpu = multiplications / meter.seconds, multiplications / meter.cpu_seconds
    alone, together, bare_by_cpu = map(median, (bare.alone, bare.together, bare.by_cpu))
    return {
        "bench": "psi",
        "size": size,
        "processes": bare.processes,
        "shared": size // 2,
        "sides_that_learn": 2,
        "seconds": meter.seconds,
        "cpu_seconds": meter.cpu_seconds,
        "multiplications": multiplications,
        "multiplications_per_second": rate,
        "identifiers_per_party_and_second": size / meter.seconds,
        "bare_per_second_alone": alone,
        "bare_per_second_together": together,
        "bare_per_cpu_second": bare_by_cpu,
        "ratio": rate / (alone * bare.processes),
        "ratio_together": rate / (together * bare.processes),
        "ratio_by_cpu": by_cpu / bare_by_cpu,
    }


def _names(size: int) -> tuple[list[str], list[str]]:
    names = [f"listener-{number}@example.org" for number in range(size + size // 2)]
    return names[:size], names[size // 2 :]


def _intersect(size: int, meter: Meter, bare: BareLoop, say: Progress) -> None:
    sets = _names(size)
    say("bare X25519 exchanges, before")
    bare.measure()
    say("blinding both sets")
    with meter:
        item, partner = (
            Blinder(prepare(names, job_id=_JOB, max_count=size), workers=bare.processes)
            for names in sets
        )
        from_item, from_partner = item.blind(), partner.blind()
    say("bare X25519 exchanges, half way")
    bare.measure()
    say("doubling and matching both sets")
    with meter:
        to_partner = item.reblind(from_partner, max_count=size)
        to_item = partner.reblind(from_item, max_count=size)
        found = item.match(to_item), partner.match(to_partner)
    say("bare X25519 exchanges, after")
    bare.measure()
    half = size // 2
    _require(sorted(found[0].tolist()) == [*range(half, size)])
    _require(np.array_equal(found[0] - half, found[1]))


def _peer_cpu_seconds(size: int) -> float:
    library: Any = import_module(f"{_PEER_PACKAGE}.python")
    ours, theirs = _names(size)
    spent = _cpu_seconds()
    client, server = library.client.CreateWithNewKey(True), library.server.CreateWithNewKey(True)
    setup = server.CreateSetupMessage(_PEER_FALSE_POSITIVES, size, theirs)
    response = server.ProcessRequest(client.CreateRequest(ours))
    found = client.GetIntersection(setup, response)
    cpu_seconds = _cpu_seconds() - spent
    _require(sorted(found) == [*range(size // 2, size)])
    return cpu_seconds


def _rates_together(exchanges: int, processes: int) -> list[float]:
    loops = [_start_loop(exchanges) for _ in range(processes)]
    for loop in loops:
        cast(IO[str], loop.stdout).readline()  # it is ready
    for loop in loops:
        start = cast(IO[str], loop.stdin)
        start.write("\n")
        start.flush()
    return [float(loop.communicate()[0]) for loop in loops]


def _start_loop(exchanges: int) -> Popen[str]:
    return Popen(  # noqa: S603 - a module of this program, run by this very interpreter
        [sys.executable, "-P", "-m", "simulations.bench.bare", str(exchanges)],
        stdin=PIPE,
        stdout=PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )


def _cpu_seconds() -> float:
    usages = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _require(correct: bool) -> None:
    if not correct:
        raise ArithmeticError("the intersection is not the shared half of the sets")
