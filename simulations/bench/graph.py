"""What the knowledge graph brings warm users: Song2Vec with and without it, and its paths alone.

A fifth of each user's songs is hidden and asked for again, full ranking. What Song2Vec is tuned
by is hidden from the rest in the same way, so nothing that is asked for decides a setting.
"""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np

from parties.listening import item_listening
from parties.seeds import derive_seed
from recall.channels import Channel, Popularity
from recall.graph_paths import GraphPaths
from recall.plays import listener_counts
from simulations.bench.figures import Bound, Wanted
from simulations.bench.graph_split import hide_items
from simulations.bench.graph_stage import BAD_CASES, TUNED_BY, Scores, Stage
from simulations.bench.graph_tuning import FUSED, PLAIN, GraphExtent, Tuning, tune
from simulations.bench.progress import Progress, silent
from simulations.channels.names import ChannelName
from simulations.data import LoadedData, TableFormat, load
from simulations.lift import Undefined, paired_bootstrap
from simulations.run_folder import WORLD
from simulations.world import generate, write_world

Report = dict[str, Any]

PATHS, POPULAR = ChannelName.KG_PATHS.value, ChannelName.POPULARITY.value
FALL: Final = Wanted(Bound.AT_LEAST, 0.2)  # share of the bad cases that the graph has to take away


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
    how, tell = extent or GraphExtent(), progress or silent
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
        POPULAR: Popularity.from_counts(listener_counts(stage.split.visible)),
        PATHS: GraphPaths(graph=stage.graph),
    }
    chosen = {PLAIN: tuning.best(fused=False), FUSED: tuning.best(fused=True)}
    vectors = {}
    for model in dict.fromkeys(setting.model for setting in chosen.values()):
        tell(f"training Song2Vec for {model.epochs} epochs")
        vectors[model] = stage.train(model)
    for name, setting in chosen.items():
        channels[name] = stage.near(vectors[setting.model], setting.relation)
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
        figures["bad_cases_fall"] = FALL.compared(-relative["mean"])
    return figures
