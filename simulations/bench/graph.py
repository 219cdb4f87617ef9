"""What the knowledge graph brings warm users: Song2Vec with and without it, and its paths alone.

A fifth of each user's songs is hidden and asked for again, full ranking. What Song2Vec is tuned
by is hidden from the rest in the same way, so nothing that is asked for decides a setting.
"""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np

from parties.listening import item_listening
from parties.seeds import derive_seed
from recall.channels import Channel, Popularity
from recall.graph_paths import GraphPaths
from simulations.bench.graph_stage import BAD_CASES, TUNED_BY, Scores, Stage
from simulations.data import LoadedData, TableFormat, load
from simulations.lift import Undefined, paired_bootstrap
from simulations.warm import hide_items
from simulations.world import PRESETS, WorldConfig, generate, write_world
from towers.song2vec import SongEpoch
from towers.song2vec_config import Song2VecConfig

Progress = Callable[[str], None]
Report = dict[str, Any]

WORLD: Final = "world"
PLAIN, FUSED, PATHS, POPULAR = "song2vec", "kg", "kg-paths", "popularity"
TUNED: Final = ("relation_factor", "epochs", "popularity")
FALL: Final = 0.2  # share of the bad cases that the graph has to take away


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphExtent:
    """How much is tried.

    Args:
        model: of Song2Vec; its epochs are the most there are.
        factors: relation factors that are tried beside 0.
        popularities: powers of the plays that are tried.
        epochs: numbers of epochs that are tried, beside the model's.
        hidden_share: of each user's songs.
        most_users: users who are asked at most.
        world: what the data set `world` is made of.
    """

    model: Song2VecConfig = field(default_factory=lambda: Song2VecConfig(epochs=16))
    factors: tuple[float, ...] = (1.0, 3.0)
    popularities: tuple[float, ...] = (0.0, 0.125, 0.25, 0.375, 0.5)
    epochs: tuple[int, ...] = (5, 10)
    hidden_share: float = 0.2
    most_users: int = 3000
    world: WorldConfig = PRESETS["demo"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """Every setting that was tried, with its recall on what validation hides."""

    tried: Mapping[Song2VecConfig, float]

    def best(self, *, fused: bool) -> Song2VecConfig:
        """The best setting with the graph allowed, or without it."""
        allowed = [config for config in self.tried if fused or not config.relation_factor]
        return max(allowed, key=lambda config: self.tried[config])

    def report(self) -> Report:
        """The chosen settings, and the best recall for each relation factor."""
        by_factor: dict[str, float] = {}
        for config, recall in self.tried.items():
            key = f"{config.relation_factor:g}"
            by_factor[key] = max(recall, by_factor.get(key, 0.0))
        chosen = {PLAIN: self.best(fused=False), FUSED: self.best(fused=True)}
        return {
            "metric": TUNED_BY,
            "tried": len(self.tried),
            "by_relation_factor": by_factor,
            "chosen": {
                name: {key: getattr(config, key) for key in TUNED}
                for name, config in chosen.items()
            },
        }


def run_graph_bench(
    *,
    data: str,
    seed: int = 0,
    extent: GraphExtent | None = None,
    progress: Progress | None = None,
) -> Report:
    """Tune, train and judge on one data set.

    Args:
        data: a data set's name, a folder, or `world`, which is made for the occasion.
        seed: of what is hidden and of the vectors.
        extent: how much is tried.
        progress: told in a few words what runs next.

    Returns:
        What `json.dumps` takes.

    Raises:
        DataSetMissingError: the data set is not there.
        SettingError: nobody has songs enough to hide some.
    """
    how, tell = extent or GraphExtent(), progress or _silent
    tell("reading")
    with ExitStack() as stack:
        loaded = _load(data, how, stack)
    validation, test = _stages(loaded, how, seed)
    tuning = tune(validation, how, tell)
    report = judge(test, tuning, tell=tell, rng=np.random.default_rng(derive_seed(seed, "draws")))
    return {"bench": "graph", "data": data, "seed": seed, **report}


def _load(data: str, how: GraphExtent, stack: ExitStack) -> LoadedData:
    if data != WORLD:
        return load(data)
    folder = Path(stack.enter_context(TemporaryDirectory(prefix="fedrecall-bench-"))) / WORLD
    write_world(generate(how.world), folder, format=TableFormat.PARQUET)
    return load(str(folder))


def _stages(data: LoadedData, how: GraphExtent, seed: int) -> tuple[Stage, Stage]:
    """What settings are chosen on, and what they are judged on."""
    listening, events = item_listening(data.tables.item), data.tables.item.events
    share = how.hidden_share
    test = hide_items(listening, events, share, seed=derive_seed(seed, "test"))
    validation = hide_items(listening, test.events, share, seed=derive_seed(seed, "validation"))
    return (
        Stage(data, (test, validation), most_users=how.most_users, seed=seed),
        Stage(data, (test,), most_users=how.most_users, seed=seed),
    )


def tune(stage: Stage, how: GraphExtent, tell: Progress) -> Tuning:
    """Try every relation factor with every number of epochs and every popularity."""
    tried: dict[Song2VecConfig, float] = {}
    plays = stage.sessions.plays()
    for factor in (0.0, *how.factors):
        tell(f"tuning with a relation factor of {factor:g}")
        model = replace(how.model, relation_factor=factor)

        def note(epoch: SongEpoch, model: Song2VecConfig = model) -> None:
            if epoch.number not in {*how.epochs, model.epochs}:
                return
            vectors = epoch.vectors()
            for power in how.popularities:
                config = replace(model, epochs=epoch.number, popularity=power)
                tried[config] = stage.recall(vectors.with_popularity(power, plays))

        stage.train(model, note)
    return Tuning(tried=tried)


def judge(stage: Stage, tuning: Tuning, *, tell: Progress, rng: np.random.Generator) -> Report:
    """Train with the chosen settings on all that may be seen, and ask for what is hidden."""
    scores = {}
    for name, channel in _channels(stage, tuning, tell).items():
        tell(f"asking {name}")
        scores[name] = stage.scores(channel)
    over_plain = _compared(scores[PLAIN], scores[FUSED], rng)
    return {
        **stage.description(),
        "tuning": tuning.report(),
        "systems": {
            name: {key: float(value.mean()) for key, value in each.items()}
            for name, each in scores.items()
        },
        "kg_over_song2vec": over_plain,
        "kg_paths_over_popularity": _compared(scores[POPULAR], scores[PATHS], rng),
        "figures": _figures(over_plain),
    }


def _channels(stage: Stage, tuning: Tuning, tell: Progress) -> Mapping[str, Channel]:
    channels: dict[str, Channel] = {
        POPULAR: Popularity.from_counts(np.diff(stage.split.visible.tocsc().indptr)),
        PATHS: GraphPaths(graph=stage.graph),
    }
    for name, fused in ((PLAIN, False), (FUSED, True)):
        tell(f"training {name}")
        channels[name] = stage.near(stage.train(tuning.best(fused=fused)))
    return channels


def _compared(base: Scores, system: Scores, rng: np.random.Generator) -> Report:
    """Differences with paired intervals over users, and each relative to the base."""
    report: Report = {}
    for metric in sorted({TUNED_BY, "recall@20", "ndcg@20", BAD_CASES} & base.keys()):
        lift = paired_bootstrap(base[metric], system[metric], rng=rng)
        relative = lift.relative
        told = relative.reason if isinstance(relative, Undefined) else asdict(relative)
        report[metric] = {"difference": asdict(lift.difference), "relative": told}
    return report


def _figures(over_plain: Report) -> Report:
    """What the graph has to bring, and whether it does."""
    gain = over_plain[TUNED_BY]["difference"]
    figures = {"recall_gain_clear": {"low": gain["low"], "above": 0.0, "reached": gain["low"] > 0}}
    relative = over_plain.get(BAD_CASES, {}).get("relative")
    if isinstance(relative, dict):
        fall = -relative["mean"]
        figures["bad_cases_fall"] = {"measured": fall, "at_least": FALL, "reached": fall >= FALL}
    return figures


def _silent(_: str) -> None:
    """Tell nobody."""
