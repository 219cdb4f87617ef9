import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from simulations.cli.program import run
from simulations.world import PRESETS, generate, write_world


def measured(capfd: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert run(["bench", *arguments, "--json"]) == 0
    out, err = capfd.readouterr()
    assert err == ""
    figures: dict[str, Any] = json.loads(out)
    return figures


def test_psi_is_measured_against_the_bare_exchange(capfd: pytest.CaptureFixture[str]) -> None:
    figures = measured(capfd, "psi", "--size", "300", "--processes", "1", "--no-peer")
    assert figures["size"] == 300
    assert 0 < figures["ratio"] < 2


def test_the_exchange_is_measured_against_tutorial_ckks(capfd: pytest.CaptureFixture[str]) -> None:
    figures = measured(capfd, "exchange", "--rows", "16", "--dim", "4", "--repeats", "1")
    assert [each["partners"] for each in figures["results"]] == [2, 4]
    for each in figures["results"]:
        assert 0 < each["ratios"]["bytes_bfv_over_ckks"] < 1
        assert each["ratios"]["encrypt_serialise_bfv_over_ckks"] > 0


def test_a_step_is_measured_by_stage(capfd: pytest.CaptureFixture[str]) -> None:
    arguments = ("--rows", "128", "--dim", "32", "--columns", "2", "--partners", "2")
    assert measured(capfd, "step", *arguments)["bench"] == "step"


def test_the_graph_is_measured_on_a_data_set(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    world = replace(PRESETS["small"], users=60, songs=60, mean_sessions=3.0)
    write_world(generate(world), tmp_path / "made")
    figures = measured(capfd, "graph", "--data", str(tmp_path / "made"), "--seed", "3")
    assert (figures["bench"], figures["seed"], figures["songs"]) == ("graph", 3, 60)


def test_channels_are_measured_on_hidden_songs(
    capfd: pytest.CaptureFixture[str], tiny: Path
) -> None:
    figures = measured(capfd, "channels", "--data", str(tiny), "--share", "0.3")
    assert set(figures["channels"]) == {"popularity", "recent", "linear", "factors"}
    assert 0 < figures["fusion"]["learned"]["recall@50"] <= 1
    assert "peers" not in figures


def test_without_json_every_figure_has_a_line_of_its_own(
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert run(["bench", "psi", "--size", "300", "--processes", "1", "--no-peer"]) == 0
    lines = dict(line.split(maxsplit=1) for line in capfd.readouterr().out.splitlines())
    assert lines["size"] == "300"
    assert 0 < float(lines["ratio"]) < 2
    assert "{" not in lines


def test_lists_of_figures_are_numbered(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["bench", "exchange", "--rows", "8", "--dim", "4", "--repeats", "1"]) == 0
    said = capfd.readouterr().out
    assert "results.1.ratios.bytes_bfv_over_ckks" in said


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ("step --rows 128 --columns 2 --dim 16", "dim is 16; choose one of"),
        ("step --rows 100", "rows 100 must be a multiple of 128"),
        ("psi --size 3", "size 3 must be even"),
        ("channels --share 1.5", "share must lie between 0 and 1"),
    ],
)
def test_sizes_that_cannot_be_measured_are_wrong_usage(
    arguments: str, complaint: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["bench", *arguments.split()]) == 2
    assert complaint in capfd.readouterr().err


def test_a_sequence_model_is_trained_and_ranked(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "Rounds.txt"
    lines = [
        f"{user} {user % 7} {user % 7 + 1} {user % 7 + 2} {user % 7 + 3}" for user in range(40)
    ]
    data.write_text("\n".join(lines), encoding="utf-8")
    arguments = ("--data", str(data), "--model", "sasrec", "--epochs", "2", "--seed", "3")
    figures = measured(capfd, "sequence", *arguments)
    assert (figures["data"], figures["users"], figures["seed"]) == ("Rounds", 40, 3)
    assert figures["models"]["sasrec"]["hr@10"] == 1  # there are ten items


def test_a_line_that_is_no_history_is_a_failure_that_names_it(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "Broken.txt"
    data.write_text("1 2 3 4\n2 x 3 4\n", encoding="utf-8")
    assert run(["bench", "sequence", "--data", str(data)]) == 1
    assert "Broken.txt, line 2: 'x' is no item number" in capfd.readouterr().err


def test_an_interpreter_without_the_peer_is_a_failure(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "Rounds.txt"
    data.write_text("1 2 3 4\n2 3 4 5\n", encoding="utf-8")
    arguments = ["--data", str(data), "--epochs", "1", "--peer-python", sys.executable]
    assert run(["bench", "sequence", *arguments]) == 1
    assert "cannot run RecTools" in capfd.readouterr().err
