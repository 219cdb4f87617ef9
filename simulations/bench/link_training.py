"""Strict training over the hub beside the same training over memory."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Final

from parties.config import ITEM, RunConfig
from simulations.bench.link_meter import Account, Window
from simulations.bench.link_processes import Processes
from simulations.bench.link_runs import NodesRun, Site, run_in_memory, run_on_nodes
from simulations.bench.progress import Progress

Report = dict[str, Any]

MEMORY: Final = "memory"  # the process that all parties share
HUB: Final = "hub"


@dataclass(slots=True)
class _Speeds:
    """Of one way, one entry a run."""

    steps_per_second: list[float] = field(default_factory=list)
    cpu_per_step: list[float] = field(default_factory=list)

    def add(self, window: Window, accounts: Sequence[Account]) -> None:
        self.steps_per_second.append(window.steps_per_second())
        self.cpu_per_step.append(window.cpu_per_step(accounts))

    def report(self) -> Report:
        return {
            "steps_per_second": round(median(self.steps_per_second), 4),
            "cpu_seconds_per_step": round(median(self.cpu_per_step), 4),
        }


def measure_training(
    site: Site, processes: Processes, config: RunConfig, *, rounds: int, tell: Progress
) -> tuple[Report, Sequence[NodesRun]]:
    """Train over memory and over the hub, one after the other, round after round.

    Args:
        site: whose parties.
        processes: where they live; one more, `MEMORY`, has all of them in threads.
        config: the run.
        rounds: how often.
        tell: told what runs next.

    Returns:
        The figures, and every run over the hub.

    Raises:
        NodeFailedError: a party refused or failed.
    """
    memory, hub, runs = _Speeds(), _Speeds(), []
    for number in range(rounds):
        tell(f"training over memory, {number + 1} of {rounds}")
        folder = site.folder / f"{MEMORY}-{number}"
        alone = processes.begin(MEMORY, run_in_memory, site.data, config, folder).result()
        memory.add(Window.of(alone.steps, config.training.epochs), [alone])
        tell(f"training over the hub, {number + 1} of {rounds}")
        run = run_on_nodes(site, processes, config)
        window = Window.of(run.accounts[ITEM].steps, config.training.epochs)
        hub.add(window, list(run.accounts.values()))
        runs.append(run)
    return {
        "rounds": rounds,
        "steps_per_round": window.steps,
        MEMORY: memory.report(),
        HUB: hub.report(),
        "throughput_hub_over_memory": _ratio(hub.steps_per_second, memory.steps_per_second),
        "cpu_hub_over_memory": _ratio(hub.cpu_per_step, memory.cpu_per_step),
    }, runs


def _ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Median over the rounds of one over the other."""
    return round(median(a / b for a, b in zip(ours, theirs, strict=True)), 4)
