"""Bytes on the wire a training step, beside those of the payloads that they carry.

A payload is an encoded message, as `Link` is about to seal it: without the header and the tag of
its frame. It counts once for every connection that it crosses: once between the coordinator and
another party, twice, up to the hub and down again, between two others.
"""

from collections.abc import Iterator
from typing import Any, Final

from federation.crypto.sealing import TAG_BYTES
from federation.exchange.traffic import Stage
from federation.protocol.codec import encode_message
from federation.protocol.frames import Frame, FrameKind
from federation.protocol.messages import Collected
from parties.config import COORDINATOR, ITEM, RunConfig
from parties.ledger_lines import Noted
from parties.ledger_reading import Chain, walk
from simulations.bench.link_meter import Window
from simulations.bench.link_processes import Processes
from simulations.bench.link_relay import CountingRelay
from simulations.bench.link_runs import NodesRun, Site, run_on_nodes

BY_THE_HUB: Final = 2  # connections between two parties that are not the coordinator

Report = dict[str, Any]


def measure_wire(site: Site, processes: Processes, config: RunConfig) -> tuple[Report, NodesRun]:
    """Count what crosses between the parties and the hub in the steady steps of a run.

    Raises:
        NodeFailedError: a party refused or failed.
    """
    with CountingRelay().running() as relay:
        run = run_on_nodes(site, processes, config, detour=relay.lead_to)
        window = Window.of(run.accounts[ITEM].steps, config.training.epochs)
        wire = relay.bytes_between(window.began, window.ended)
    once, carried = _payloads(site, run, window, epochs=config.training.epochs)
    report = {
        "steps": window.steps,
        "wire_bytes_per_step": round(wire / window.steps),
        "payload_bytes_per_step": round(carried / window.steps),
        "distinct_payload_bytes_per_step": round(once / window.steps),
        "wire_over_payload": round(wire / carried, 5),
    }
    return report, run


def _payloads(site: Site, run: NodesRun, window: Window, *, epochs: int) -> tuple[int, int]:
    """Payload bytes of the window's steps, each once, and each as often as it is carried."""
    released = [*_coordinators(site, run, window, epochs=epochs)]
    for name in site.members:
        ledger = site.state(name) / "jobs" / run.job.name / "ledger.jsonl"
        for line in walk(ledger, Chain()):
            event = line.event
            if isinstance(event, Noted) and event.step in range(window.first, window.last):
                times = 1 if event.to == COORDINATOR else BY_THE_HUB
                released.append((event.bytes - _wrapping(name, event.to), times))
    return sum(size for size, _ in released), sum(size * times for size, times in released)


def _coordinators(
    site: Site, run: NodesRun, window: Window, *, epochs: int
) -> Iterator[tuple[int, int]]:
    """What the coordinator sent in the window, which keeps no ledger: all its sums are as long."""
    sums = window.last + window.last // epochs  # one a training step, and a pass to serve
    frame = run.progress.sent[COORDINATOR][Stage.FORWARD.value] / sums
    for step in range(window.first, window.last):
        yield round(frame) - _wrapping(COORDINATOR, ITEM), 1
        for _ in site.partners:
            yield len(encode_message(Collected(step))), 1


def _wrapping(sender: str, recipient: str) -> int:
    """Bytes that a frame has beside its payload."""
    return len(Frame(FrameKind.SEALED, sender, recipient, 0, b"").header()) + TAG_BYTES
