"""Bytes on the wire a training step, beside those of the payloads that they carry.

A payload is an encoded message, as `Link` is about to seal it: without the header and the tag of
its frame. It counts once for every connection that it crosses: once between the coordinator and
another party, twice, up to the hub and down again, between two others.
"""

from collections.abc import Iterator
from typing import Any, Final

from federation.crypto.sealing import TAG_BYTES
from federation.protocol.frames import Frame, FrameKind
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
    released = list(_payloads(site, run, range(window.first, window.last)))
    once = sum(size for size, _ in released)
    carried = sum(size * times for size, times in released)
    report = {
        "steps": window.steps,
        "wire_bytes_per_step": round(wire / window.steps),
        "payload_bytes_per_step": round(carried / window.steps),
        "distinct_payload_bytes_per_step": round(once / window.steps),
        "wire_over_payload": round(wire / carried, 5),
    }
    return report, run


def _payloads(site: Site, run: NodesRun, steps: range) -> Iterator[tuple[int, int]]:
    """Bytes and connections of every payload of some steps, from the ledgers of all parties."""
    for name in (COORDINATOR, *site.members):
        ledger = site.state(name) / "jobs" / run.job.name / "ledger.jsonl"
        for line in walk(ledger, Chain()):
            event = line.event
            if isinstance(event, Noted) and event.step in steps:
                direct = COORDINATOR in (name, event.to)
                yield event.bytes - _wrapping(name, event.to), 1 if direct else BY_THE_HUB


def _wrapping(sender: str, recipient: str) -> int:
    """Bytes that a frame has beside its payload."""
    return len(Frame(FrameKind.SEALED, sender, recipient, 0, b"").header()) + TAG_BYTES
