"""What the exchange hub costs: round trips, training over it, bytes on the wire, and the start.

Every party is in a process of its own and speaks mutual TLS on the loopback; the coordinator is
this process. Peers are measured in the same run, in turns: bare TLS sockets for the round trips,
and for training the same parties as threads of one process, as `fedrecall simulate` runs them.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any, Final

from parties.ciphers import GROUP_ROWS
from parties.config import RunConfig
from parties.settings import override
from simulations.bench.figures import Bound, Wanted
from simulations.bench.link_batches import Load, measure_round_trips
from simulations.bench.link_processes import Processes, one_process
from simulations.bench.link_runs import NodesRun, Site, prepare, run_on_nodes
from simulations.bench.link_training import MEMORY, measure_training
from simulations.bench.link_wire import measure_wire
from simulations.bench.progress import Progress, silent
from simulations.data import TableFormat, data_root
from simulations.data.lastfm import LASTFM_2K
from simulations.world.config import WorldConfig
from simulations.world.folder import write_world
from simulations.world.generate import generate

Report = dict[str, Any]

WORLD: Final = "world"
WIRE_EPOCHS: Final = 2  # the first is not steady, the second is counted


WANTED: Final[Mapping[str, Wanted]] = MappingProxyType(
    {
        "round_trip_ms": Wanted(Bound.AT_MOST, 12.0),
        "throughput_hub_over_memory": Wanted(Bound.AT_LEAST, 0.7),
        "wire_over_payload": Wanted(Bound.AT_MOST, 1.05),
        "first_step_seconds": Wanted(Bound.AT_MOST, 5.0),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """How much is measured.

    Args:
        load: of the round trips.
        world: the listeners of the made federation; whole batches, so that all are of one size.
        batch_groups: groups of 128 users in a batch.
        width: columns of a partner's encoder.
        dim: width of an embedding.
        epochs: of a run; all but the first are timed.
        rounds: how often both ways of training take turns.
        published: measure the start on lastfm-2k too, if it is there.
    """

    load: Load = field(default_factory=Load)
    world: WorldConfig = field(
        default_factory=lambda: WorldConfig(users=3072, songs=1000, mean_sessions=4.0)
    )
    batch_groups: int = 8
    width: int = 32
    dim: int = 64
    epochs: int = 4
    rounds: int = 3
    published: bool = True

    def config(self) -> RunConfig:
        """The run that is timed."""
        config = RunConfig()
        changes: Mapping[str, object] = {
            "training.epochs": self.epochs,
            "training.stopping.patience": self.epochs,  # every epoch is gone through
            "exchange.batch_groups": self.batch_groups,
            "encoder.width": self.width,
            "trainer.model.embedding_dim": self.dim,
        }
        for key, value in changes.items():
            config = override(config, key, value)
        return config


FULL: Final = Extent()
QUICK: Final = Extent(
    load=Load(rounds=1, batches=20, warm_up=2),
    world=WorldConfig(users=512, songs=200, mean_sessions=2.0),
    batch_groups=2,
    width=8,
    dim=32,
    epochs=2,
    rounds=1,
    published=False,
)


def run_link_bench(
    *,
    extent: Extent = FULL,
    progress: Progress | None = None,
    start: Callable[[], Executor] = one_process,
) -> Report:
    """Measure what the hub costs.

    Args:
        extent: how much is measured.
        progress: told in a few words what runs next.
        start: makes the process of one party.

    Returns:
        What `json.dumps` takes. `figures` sums it up, each beside what it should be.

    Raises:
        NodeFailedError: a party refused or failed.
        FederationError, PartiesError, SimulationError, OSError: the machine or the data cannot
            be used.
        ArithmeticError: a payload came in another size.
    """
    tell = progress or silent
    with TemporaryDirectory(prefix="fedrecall-bench-") as temporary, ExitStack() as stack:
        sites = _sites(Path(temporary), extent)
        names = {name for site in sites.values() for name in site.members} | {MEMORY}
        processes = stack.enter_context(Processes(names, start))
        bench = _Bench(sites[WORLD], processes, extent, tell)
        report: Report = {"bench": "link", "round_trip": bench.round_trip()}
        report["wire"] = bench.wire()
        report["training"] = bench.training()
        report["first_step"] = {
            WORLD: _first_step(bench.runs),
            LASTFM_2K: bench.start(sites[LASTFM_2K]) if LASTFM_2K in sites else None,
        }
    return {**report, "figures": _figures(report)}


def _sites(folder: Path, extent: Extent) -> Mapping[str, Site]:
    """The made federation, and a published one if it is on this machine."""
    world = folder / "world"
    write_world(generate(extent.world), world, format=TableFormat.PARQUET)
    sites = {WORLD: Site.made(folder / "parties", str(world))}
    if extent.published and (data_root() / LASTFM_2K).is_dir():
        sites[LASTFM_2K] = Site.made(folder / LASTFM_2K, LASTFM_2K)
    return MappingProxyType(sites)


@dataclass(slots=True)
class _Bench:
    site: Site
    processes: Processes
    extent: Extent
    tell: Progress
    runs: list[NodesRun] = field(default_factory=list)

    def round_trip(self) -> Report:
        return measure_round_trips(
            self.site.keys, self.site.partners, self.processes, self.extent.load, self.tell
        )

    def wire(self) -> Report:
        self._prepare(self.site, (*self.site.members, MEMORY))
        self.tell("bytes on the wire")
        config = override(self.extent.config(), "training.epochs", WIRE_EPOCHS)
        report, run = measure_wire(self.site, self.processes, config)
        self.runs.append(run)
        return report

    def training(self) -> Report:
        extent = self.extent
        report, runs = measure_training(
            self.site, self.processes, extent.config(), rounds=extent.rounds, tell=self.tell
        )
        self.runs += runs
        setting = {"columns": extent.width, "dim": extent.dim}
        return {"rows": extent.batch_groups * GROUP_ROWS, **setting, **report}

    def start(self, site: Site) -> Report:
        """Run one epoch on another federation, for the time to its first step."""
        self._prepare(site, site.members)
        self.tell(f"the start on {site.data}")
        config = override(RunConfig(), "training.epochs", 1)
        return _first_step([run_on_nodes(site, self.processes, config)])

    def _prepare(self, site: Site, names: Sequence[str]) -> None:
        self.tell("loading programs and data")
        for ready in [self.processes.begin(name, prepare, site.data) for name in names]:
            ready.result()


def _first_step(runs: Sequence[NodesRun]) -> Report:
    """Seconds to the first step: from the first message, and from the coordinator's order."""
    from_message = [run.progress.seconds or 0.0 for run in runs]
    return {
        "runs": len(runs),
        "seconds_from_first_message": round(median(from_message), 3),
        "seconds_from_order": round(median(run.seconds_from_order for run in runs), 3),
    }


def _figures(report: Report) -> Report:
    """What was measured of the figures to reach."""
    starts = [each for each in report["first_step"].values() if each is not None]
    measured = {
        "round_trip_ms": report["round_trip"]["hub"]["median_ms"],
        "throughput_hub_over_memory": report["training"]["throughput_hub_over_memory"],
        "wire_over_payload": report["wire"]["wire_over_payload"],
        "first_step_seconds": max(each["seconds_from_first_message"] for each in starts),
    }
    return {name: wanted.compared(measured[name]) for name, wanted in WANTED.items()}
