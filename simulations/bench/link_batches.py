"""Round trips: what one batch takes over the hub, beside the same payloads over bare TLS.

A batch is one payload from each partner to the coordinator and, when both have come, one back to
each. It lasts from the first partner's sending to the last one's having its answer. A relayed
batch is one payload from the item party to a partner and one back, both through the hub.
"""

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median, quantiles
from types import MappingProxyType
from typing import Any, Final

from parties.config import COORDINATOR, ITEM
from simulations.bench.link_lines import Door
from simulations.bench.link_middle import Middle, hub_middle, sealed_middle, tls_middle
from simulations.bench.link_processes import Processes, done_beside
from simulations.bench.progress import Progress

Report = dict[str, Any]
Spans = list[tuple[float, float]]
Milliseconds = list[float]
Opening = Callable[[Path, Sequence[str]], AbstractContextManager[Middle]]

HUB: Final = "hub"
SEALED: Final = "sealed"
BARE: Final = "bare_tls"


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """How much is sent.

    Args:
        size: bytes of a payload.
        rounds: how often every way is measured, one after the other.
        batches: timed in a round.
        warm_up: batches before them, while connections find their speed.
    """

    size: int = 1 << 20
    rounds: int = 4
    batches: int = 60
    warm_up: int = 10

    @property
    def count(self) -> int:
        """All batches of a round."""
        return self.warm_up + self.batches


def measure_round_trips(
    keys: Path, partners: Sequence[str], processes: Processes, load: Load, tell: Progress
) -> Report:
    """Time batches over every way, round after round.

    Args:
        keys: folder of everyone's keys and the roster.
        partners: who meets; the item party and the first of them are the ends of the relay.
        processes: where they live.
        load: how much is sent.
        tell: told what runs next.

    Raises:
        ArithmeticError: a payload came in another size.
    """
    ways: Mapping[str, Opening] = MappingProxyType(
        {BARE: partial(tls_middle, size=load.size), HUB: hub_middle, SEALED: sealed_middle}
    )
    site = _Site(keys, processes, load)
    site.prepare((ITEM, *partners))
    met: dict[str, list[Milliseconds]] = {way: [] for way in ways}
    relayed: dict[str, list[Milliseconds]] = {way: [] for way in ways}
    for number in range(load.rounds):
        tell(f"round trips, {number + 1} of {load.rounds}")
        for way, opening in ways.items():
            met[way].append(site.meet(opening, partners))
            relayed[way].append(site.relay(opening, partners[0]))
    return {
        "payload_bytes": load.size,
        "partners": len(partners),
        "batches": load.rounds * load.batches,
        **_summary(met),
        "relay": _summary(relayed),
    }


@dataclass(frozen=True, slots=True)
class _Site:
    keys: Path
    processes: Processes
    load: Load

    def prepare(self, names: Sequence[str]) -> None:
        """Have every process load its program, which takes longer than a connection may."""
        for each in [self.processes.begin(name, Load) for name in names]:
            each.result()

    def meet(self, opening: Opening, partners: Sequence[str]) -> Milliseconds:
        payload, count = secrets.token_bytes(self.load.size), self.load.count
        with opening(self.keys, partners) as middle:
            asking = [
                self.processes.begin(name, ask, middle.door, name, COORDINATOR, self.load)
                for name in partners
            ]
            spans = done_beside(lambda: middle.meet(partners, payload, count), asking)
        return self._batches(spans)

    def relay(self, opening: Opening, partner: str) -> Milliseconds:
        with opening(self.keys, (ITEM, partner)) as middle:
            asking = self.processes.begin(ITEM, ask, middle.door, ITEM, partner, self.load)
            answering = self.processes.begin(
                partner, answer, middle.door, partner, ITEM, self.load
            )
            work = partial(middle.pass_on, ITEM, partner, self.load.count)
            spans, _ = done_beside(work, [asking, answering])
        return self._batches([spans])

    def _batches(self, spans: Sequence[Spans]) -> Milliseconds:
        times = [
            max(ended for _, ended in batch) - min(began for began, _ in batch)
            for batch in zip(*spans, strict=True)
        ]
        return [1e3 * each for each in times[self.load.warm_up :]]


def ask(door: Door, name: str, peer: str, load: Load) -> Spans:
    """Send a payload and wait for one, again and again; returns when each began and ended."""
    payload = secrets.token_bytes(load.size)
    line = door.open(name)
    spans = []
    try:
        for _ in range(load.count):
            began = time.monotonic()
            line.send(peer, payload)
            _require(line.receive(), load.size)
            spans.append((began, time.monotonic()))
    finally:
        line.close()
    return spans


def answer(door: Door, name: str, peer: str, load: Load) -> Spans:
    """Wait for a payload and send one back, again and again."""
    payload = secrets.token_bytes(load.size)
    line = door.open(name)
    try:
        for _ in range(load.count):
            _require(line.receive(), load.size)
            line.send(peer, payload)
    finally:
        line.close()
    return []


def _summary(measured: Mapping[str, Sequence[Milliseconds]]) -> Report:
    times = {way: [each for taken in rounds for each in taken] for way, rounds in measured.items()}
    return {
        **{
            way: {"median_ms": round(median(taken), 3), "p95_ms": round(_percentile_95(taken), 3)}
            for way, taken in times.items()
        },
        **{
            f"{way}_over_{BARE}": _ratio(rounds, measured[BARE])
            for way, rounds in measured.items()
            if way != BARE
        },
    }


def _ratio(ours: Sequence[Milliseconds], theirs: Sequence[Milliseconds]) -> float:
    """Median over the rounds of one median over the other."""
    pairs = zip(ours, theirs, strict=True)
    return round(median(median(one) / median(other) for one, other in pairs), 3)


def _percentile_95(times: Milliseconds) -> float:
    return quantiles(times, n=20, method="inclusive")[-1]


def _require(size: int, wanted: int) -> None:
    if size != wanted:
        raise ArithmeticError(f"a payload of {size} bytes came where {wanted} were due")
