import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from parties.errors import ValueRefusedError
from parties.listening import item_listening
from recall import RelationConfig
from simulations.bench.graph import run_graph_bench
from simulations.bench.graph_split import hide_items
from simulations.bench.graph_stage import TUNED_BY, Stage
from simulations.bench.graph_tuning import NO_GRAPH, GraphExtent
from simulations.data import load
from simulations.errors import DataSetMissingError
from simulations.world import PRESETS, generate, write_world
from towers.sessions import Contexts
from towers.song2vec_config import Song2VecConfig

SMALL = GraphExtent(
    model=Song2VecConfig(dim=16, epochs=2, contexts=Contexts(draws=2)),
    factors=(0.8,),
    floors=(0.01, 0.1),
    popularities=(0.0, 0.25),
    epochs=(1,),
    world=replace(PRESETS["small"], users=200),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("worlds") / "small"
    write_world(generate(SMALL.world), path)
    return path


@pytest.fixture(scope="module")
def report(folder: Path) -> dict[str, Any]:
    return run_graph_bench(data=str(folder), extent=SMALL)


def shuffled(folder: Path, tmp_path: Path) -> Path:
    """The same folder with the triples' tails dealt out anew within each relation."""
    copy = tmp_path / "shuffled"
    copy.mkdir()
    for path in folder.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    triples = load(str(folder)).tables.item.triples
    assert triples is not None
    rng = np.random.default_rng(0)
    dealt = triples.groupby("relation")["tail"].transform(lambda tail: rng.permutation(tail))
    kept = triples.assign(tail=dealt)
    kept.to_csv(copy / "triples.csv", index=False)
    return copy


def test_a_report_survives_json_and_has_every_system_on_the_same_users(
    report: dict[str, Any],
) -> None:
    assert json.loads(json.dumps(report)) == report
    assert set(report["systems"]) == {"popularity", "song2vec", "kg", "kg-paths"}
    for scores in report["systems"].values():
        assert 0 < scores["recall@20"] < scores["recall@50"] <= 1
        assert 0 <= scores["bad_cases@20"] <= 1
        assert scores["milliseconds"] > 0


def test_every_combination_is_tried_and_the_graph_may_be_refused(report: dict[str, Any]) -> None:
    tuning = report["tuning"]
    assert (
        tuning["tried"] == (1 + 1 * 2) * 2 * 2
    )  # none and factors by floors, epochs, popularities
    assert tuning["chosen"]["song2vec"]["relation_factor"] == 0
    assert tuning["chosen"]["song2vec"]["relation_floor"] is None
    best = max(tuning["by_relation_factor"], key=tuning["by_relation_factor"].get)
    assert tuning["chosen"]["kg"]["relation_factor"] == float(best)


@pytest.mark.parametrize("relation", [NO_GRAPH, RelationConfig(factor=0.8, floor=0.01)])
def test_what_tunes_is_the_recall_of_the_channel(folder: Path, relation: RelationConfig) -> None:
    data = load(str(folder))
    listening = item_listening(data.tables.item)
    split = hide_items(listening, data.tables.item.events, 0.2, seed=0)
    stage = Stage(data, (split,), most_users=60, seed=0)
    vectors = stage.train(SMALL.model)
    channel = stage.near(vectors, relation)
    wanted = float(stage.scores(channel)[TUNED_BY].mean())
    assert stage.recall(stage.products(vectors), relation) == pytest.approx(wanted)


def test_differences_are_those_of_the_systems(report: dict[str, Any]) -> None:
    systems, compared = report["systems"], report["kg_over_song2vec"]
    for metric in ("recall@50", "ndcg@20", "bad_cases@20"):
        gap = systems["kg"][metric] - systems["song2vec"][metric]
        assert compared[metric]["difference"]["mean"] == pytest.approx(gap)
    clear = compared["recall@50"]["difference"]["low"] > 0
    assert report["figures"]["recall_gain_clear"]["reached"] == clear


def test_a_true_graph_recalls_far_more_than_popularity_and_a_shuffled_one_does_not(
    folder: Path, report: dict[str, Any], tmp_path: Path
) -> None:
    true = report["kg_paths_over_popularity"]["recall@50"]["difference"]
    assert true["low"] > 0.2
    lost = run_graph_bench(data=str(shuffled(folder, tmp_path)), extent=SMALL)
    assert lost["kg_paths_over_popularity"]["recall@50"]["difference"]["low"] < 0.02
    gain = lost["systems"]["kg"]["recall@50"] - lost["systems"]["song2vec"]["recall@50"]
    real = report["systems"]["kg"]["recall@50"] - report["systems"]["song2vec"]["recall@50"]
    assert gain < 0.02
    assert real > 0.1


def timeless(report: dict[str, Any]) -> dict[str, Any]:
    """A report without what depends on how busy this machine is."""
    systems = {
        name: {score: value for score, value in scores.items() if score != "milliseconds"}
        for name, scores in report["systems"].items()
    }
    return {**report, "systems": systems}


def test_the_same_seed_gives_the_same_figures(folder: Path, report: dict[str, Any]) -> None:
    told: list[str] = []
    again = run_graph_bench(data=str(folder), extent=SMALL, progress=told.append)
    assert timeless(again) == timeless(report)
    assert told[0] == "reading"
    assert told[-1] == "asking kg"


def test_triples_that_name_no_song_end_the_bench(folder: Path, tmp_path: Path) -> None:
    copy = shuffled(folder, tmp_path)
    (copy / "triples.csv").write_text("head,relation,tail\nx,by_artist,y\n", encoding="utf-8")
    with pytest.raises(ValueRefusedError, match="names a song"):
        run_graph_bench(data=str(copy), extent=SMALL)


def test_a_data_set_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataSetMissingError):
        run_graph_bench(data=str(tmp_path), extent=SMALL)
