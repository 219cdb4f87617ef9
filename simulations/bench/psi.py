"""What a set intersection costs beside bare X25519 exchanges and beside openmined-psi.

The two parties run one after the other, each with all the processes, so the wall time
is that of both on one machine.
"""

import os
import resource
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from statistics import median
from subprocess import PIPE, Popen
from typing import IO, Any, cast

from federation.crypto.identifiers import prepare
from federation.crypto.psi import Blinder
from simulations.bench.bare import exchanges_per_second

Progress = Callable[[str], None]

_JOB = b"bench"
_PEER_PACKAGE = "private_set_intersection"
_PEER_FALSE_POSITIVES = 1e-9  # chance of any false match in the whole run
_BARE_EXCHANGES = range(100, 8_000)  # as many as identifiers, up to about 0.25 s
_BARE_REPEATS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Intersection:
    """One measured run of both parties."""

    shared: int
    seconds: float  # wall time of both parties, one after the other
    cpu_seconds: float  # of this process and the workers it waited for


@dataclass(frozen=True, slots=True, kw_only=True)
class BareRates:
    """X25519 exchanges a second and process, measured around the intersection."""

    alone: float
    together: float


def run_psi_bench(
    *,
    size: int = 100_000,
    processes: int = 2,
    peer: bool = True,
    progress: Progress | None = None,
) -> dict[str, object]:
    """Intersect two sets that share half their identifiers, and measure it.

    Args:
        size: identifiers of each party; even, at least 2.
        processes: worker processes of a party.
        peer: measure openmined-psi on the same sets too, where it is installed.
        progress: told the name of each stage as it starts.

    Returns:
        What `json.dumps` takes. `ratio` is scalar multiplications a second over
        (bare exchanges a second of one process alone times processes); `ratio_together`
        uses the rate of a process while `processes` of them run the bare loop at once.
        `cpu_ratio` is this program's CPU seconds over openmined-psi's.

    Raises:
        ValueError: `size` is odd or below 2, or `processes` below 1.
        ArithmeticError: an intersection came out wrong.
    """
    if size < 2 or size % 2 or processes < 1:
        raise ValueError(f"size {size} must be even and positive, processes {processes} >= 1")
    say = progress or _ignore
    exchanges = min(max(size, _BARE_EXCHANGES.start), _BARE_EXCHANGES.stop)
    say("bare X25519 exchanges")
    before = [_bare_rates(exchanges, processes) for _ in range(_BARE_REPEATS)]
    say("set intersection")
    run = _intersect(size, processes)
    say("bare X25519 exchanges again")
    rates = before + [_bare_rates(exchanges, processes) for _ in range(_BARE_REPEATS)]
    bare = BareRates(
        alone=median(rate.alone for rate in rates),
        together=median(rate.together for rate in rates),
    )
    report = _report(run, bare, size=size, processes=processes)
    if peer and find_spec(_PEER_PACKAGE):
        say("openmined-psi")
        cpu = _peer_cpu_seconds(size)
        report["openmined_psi"] = {
            "cpu_seconds": cpu,
            "data_structure": "GCS, its default and its cheapest",
            "sides_that_learn": 1,
        }
        report["cpu_ratio"] = run.cpu_seconds / cpu
    return report


def _report(run: Intersection, bare: BareRates, *, size: int, processes: int) -> dict[str, object]:
    multiplications = 4 * size  # each party blinds its own set and re-blinds the other
    rate = multiplications / run.seconds
    return {
        "bench": "psi",
        "size": size,
        "processes": processes,
        "shared": run.shared,
        "sides_that_learn": 2,
        "seconds": run.seconds,
        "cpu_seconds": run.cpu_seconds,
        "multiplications": multiplications,
        "multiplications_per_second": rate,
        "identifiers_per_party_and_second": size / run.seconds,
        "bare_per_second_alone": bare.alone,
        "bare_per_second_together": bare.together,
        "ratio": rate / (bare.alone * processes),
        "ratio_together": rate / (bare.together * processes),
    }


def _names(size: int) -> tuple[list[str], list[str]]:
    names = [f"listener-{number}@example.org" for number in range(size + size // 2)]
    return names[:size], names[size // 2 :]


def _intersect(size: int, processes: int) -> Intersection:
    ours, theirs = _names(size)
    began, spent = time.perf_counter(), _cpu_seconds()
    with ExitStack() as stack:
        item, partner = (
            stack.enter_context(
                Blinder(prepare(names, job_id=_JOB, max_count=size), workers=processes)
            )
            for names in (ours, theirs)
        )
        from_item, from_partner = item.blind(), partner.blind()
        to_partner = item.reblind(from_partner, max_count=size)
        to_item = partner.reblind(from_item, max_count=size)
        found = sorted(item.match(to_item)), sorted(partner.match(to_partner))
    seconds, cpu_seconds = time.perf_counter() - began, _cpu_seconds() - spent
    half = size // 2
    _require(found == ([*range(half, size)], [*range(half)]))
    return Intersection(shared=half, seconds=seconds, cpu_seconds=cpu_seconds)


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


def _bare_rates(exchanges: int, processes: int) -> BareRates:
    return BareRates(
        alone=exchanges_per_second(exchanges),
        together=median(_rates_together(exchanges, processes)),
    )


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


def _ignore(stage: str) -> None:
    """Tell nobody."""
