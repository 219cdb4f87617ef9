import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simulations.bench.sequence import SequenceBench, relative_gain, run_sequence_bench
from simulations.bench.sequence_cost import CostLoad, made_log, require_peer
from simulations.bench.sequence_models import Model
from simulations.errors import PeerMissingError
from simulations.world import WorldConfig
from tests.towers.histories import chains

QUALITY = {"hr@5", "hr@10", "hr@50", "ndcg@10", "ndcg@50"}
EFFORT = {
    "validation_ndcg@10",
    "epochs",
    "best_epoch",
    "seconds_per_epoch",
    "cpu_seconds_per_epoch",
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sequences") / "Chains.txt"
    histories = chains(np.random.default_rng(0), users=150, items=80)
    lines = [f"{user} {' '.join(map(str, own))}\n" for user, own in enumerate(histories, 1)]
    path.write_text("".join(lines), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def told() -> list[str]:
    return []


@pytest.fixture(scope="module")
def report(data: Path, told: list[str]) -> dict[str, Any]:
    return run_sequence_bench(SequenceBench(data=str(data), epochs=3), told.append)


def without_times(report: dict[str, Any]) -> dict[str, Any]:
    return {
        name: {key: value for key, value in figures.items() if "seconds" not in key}
        for name, figures in report["models"].items()
    }


def test_every_model_is_measured(report: dict[str, Any]) -> None:
    assert [*report["models"]] == ["sasrec", "mean-pooling", "mind", "mind-one-interest"]
    for figures in report["models"].values():
        assert set(figures) == QUALITY | EFFORT
        assert 0 <= figures["hr@5"] <= figures["hr@10"] <= figures["hr@50"] <= 1
        assert figures["epochs"] == 3
        assert figures["cpu_seconds_per_epoch"] > 0
    assert report["data"] == "Chains"
    assert (report["users"], report["items"], report["interactions"]) == (150, 80, 2100)


def test_models_are_compared_with_intervals(report: dict[str, Any]) -> None:
    assert [*report["comparison"]] == [
        "sasrec_over_mean-pooling",
        "mind_over_mind-one-interest",
    ]
    for compared in report["comparison"].values():
        gain = compared["hr@50"]
        assert gain["low"] <= gain["relative"] <= gain["high"]


def test_a_seed_repeats_the_figures_of_one_model_alone(data: Path, report: dict[str, Any]) -> None:
    again = run_sequence_bench(
        SequenceBench(data=str(data), epochs=3, model=Model.SASREC), lambda stage: None
    )
    assert without_times(again) == {"sasrec": without_times(report)["sasrec"]}
    assert again["comparison"] == {}
    other = run_sequence_bench(
        SequenceBench(data=str(data), epochs=3, model=Model.SASREC, seed=1), lambda stage: None
    )
    assert without_times(other) != without_times(again)


def test_mind_comes_with_its_one_interest(data: Path) -> None:
    found: dict[str, Any] = run_sequence_bench(
        SequenceBench(data=str(data), epochs=1, model=Model.MIND), lambda stage: None
    )
    assert [*found["models"]] == ["mind", "mind-one-interest"]


def test_without_a_peer_the_report_says_so(report: dict[str, Any], told: list[str]) -> None:
    assert report["training_cost"] is None
    assert "--peer-python" in report["training_cost_left_out"]
    assert json.loads(json.dumps(report)) == report
    assert told[0] == "sasrec: epoch 1"
    assert any("validation NDCG" in stage for stage in told)


def test_an_interpreter_without_the_peer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PeerMissingError, match="RecTools"):
        require_peer(tmp_path / "no-python")
    with pytest.raises(PeerMissingError, match="No module named 'rectools'"):
        require_peer(Path(sys.executable))


def test_another_version_of_the_peer_is_refused_before_anything_is_trained(
    tmp_path: Path, data: Path
) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho 0.4.2\n", encoding="utf-8")
    python.chmod(0o700)
    told: list[str] = []
    with pytest.raises(PeerMissingError, match=r"0\.4\.2"):
        run_sequence_bench(SequenceBench(data=str(data), peer_python=python), told.append)
    assert told == []


def test_the_made_log_is_as_large_as_asked_for_and_popular_at_the_top() -> None:
    load = CostLoad(users=400, items=300, mean_length=40.0)
    histories = made_log(load, seed=0)
    lengths = np.array([len(history) for history in histories])
    counts = np.bincount(np.concatenate(histories), minlength=300)
    assert lengths.mean() == pytest.approx(40, rel=0.1)
    assert lengths.min() >= 3
    assert counts[:30].sum() > 3 * counts[-30:].sum()
    again = made_log(load, seed=0)
    assert all(np.array_equal(*pair) for pair in zip(histories, again, strict=True))


def test_a_gain_is_relative_and_clear_of_zero_when_it_is_large() -> None:
    base = np.tile([1.0, 0.0, 0.0, 0.0], 100)
    better = np.tile([1.0, 1.0, 0.0, 0.0], 100)
    gain = relative_gain(better, base, seed=0)
    assert gain.mean == pytest.approx(1)
    assert gain.low > 0.5
    none = relative_gain(base, base, seed=0)
    assert (none.mean, none.low, none.high) == (0, 0, 0)


def test_a_model_that_never_hits_is_no_division_by_zero() -> None:
    gain = relative_gain(np.ones(10), np.zeros(10), seed=0)
    assert np.isfinite([gain.mean, gain.low, gain.high]).all()


def test_in_a_world_users_of_several_tastes_and_the_truth_are_asked_too(
    report: dict[str, Any],
) -> None:
    bench = SequenceBench(
        data="world", model=Model.MIND, epochs=1, world=WorldConfig(users=80, songs=60)
    )
    found: dict[str, Any] = run_sequence_bench(bench, lambda stage: None)
    compared = found["comparison"]["mind_over_mind-one-interest"]
    both = ("hr@50", "expected_hr@50")
    assert [*compared] == [
        f"{measure}{group}" for measure in both for group in ("", " multi-taste")
    ]
    figures = found["models"]["mind"]
    assert 0 < figures["hr@50"] <= 1
    # A list of 50 of 60 songs holds nearly all; the truth and the draw say about the same.
    assert figures["expected_hr@50"] == pytest.approx(figures["hr@50"], abs=0.15)
    assert "expected_hr@50" not in report["models"]["mind"]
