"""What the program says when it cannot begin: one line, the way out, and nothing left behind."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from simulations.cli.program import run
from simulations.run_folder import Plan, RunFolder, SimulationConfig

Change = Callable[[Path], None]
LONG_HEADER = "user_id,feature\n"


@pytest.fixture
def copied(tiny: Path, tmp_path: Path) -> Path:
    return shutil.copytree(tiny, tmp_path / "data")


def refused(
    capfd: pytest.CaptureFixture[str], *arguments: str | Path, code: int, says: str
) -> None:
    """Run the program and expect one line on stderr that matches `says`."""
    assert run([str(argument) for argument in arguments]) == code
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1, err
    assert re.search(says, err), err


def written(name: str, content: str | bytes) -> Change:
    def change(folder: Path) -> None:
        data = content.encode() if isinstance(content, str) else content
        (folder / name).write_bytes(data)

    return change


def edited(name: str, old: str, new: str) -> Change:
    def change(folder: Path) -> None:
        text = (folder / name).read_text()
        assert old in text
        (folder / name).write_text(text.replace(old, new, 1))

    return change


def appended(name: str, content: bytes) -> Change:
    def change(folder: Path) -> None:
        with (folder / name).open("ab") as file:
            file.write(content)

    return change


def removed(name: str) -> Change:
    def change(folder: Path) -> None:
        (folder / name).unlink()

    return change


def second_partner_gone(folder: Path) -> None:
    text = (folder / "federation.toml").read_text()
    (folder / "federation.toml").write_text(text[: text.rindex("[[partner]]")])


def more_partners(folder: Path) -> None:
    """Partners beyond what a packed field can add up."""
    with (folder / "federation.toml").open("a") as file:
        for number in range(8):
            shutil.copy(folder / "social.csv", folder / f"more{number}.csv")
            file.write(f'[[partner]]\nname = "more{number}"\nusers = "more{number}.csv"\n')


TABLES: dict[str, tuple[Change, str]] = {
    "an empty log": (written("events.csv", ""), r"events\.csv"),
    "a log with a header only": (written("events.csv", "user_id,item_id\n"), r"events\.csv.*row"),
    "an empty partner": (written("social.csv", ""), r"social\.csv"),
    "a missing table": (removed("video.csv"), r"video\.csv"),
    "a missing column": (
        edited("events.csv", "user_id,item_id", "user_id,song"),
        r"events\.csv.*item_id",
    ),
    "a duplicate user": (
        appended("users.csv", b"u0001,country_00,3\n"),
        r"users\.csv.*user_id.*line \d+",
    ),
    "bytes that are not UTF-8": (
        appended("social.csv", b"u0003,\xff\xfe\n"),
        r"social\.csv.*UTF-8",
    ),
    "a NaN weight": (
        written("events.csv", "user_id,item_id,weight\nu1,s1,1\nu2,s1,nan\n"),
        r"events\.csv.*weight.*line 3",
    ),
    "a log of skipped plays": (
        written("events.csv", "user_id,item_id,skipped\nu1,s1,1\n"),
        r"no event is left",
    ),
    "no shared user": (
        written("social.csv", LONG_HEADER + "".join(f"x{n},f{n % 9}\n" for n in range(50))),
        r"partner social shares no user.*same form",
    ),
    "a federation.toml that is none": (written("federation.toml", "name ="), r"federation\.toml"),
}


@pytest.mark.parametrize(("change", "says"), [*TABLES.values()], ids=[*TABLES])
def test_tables_that_cannot_be_used_are_named_and_nothing_is_left(
    change: Change, says: str, copied: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    change(copied)
    out = tmp_path / "new" / "runs" / "a"
    before = sorted(tmp_path.iterdir())
    refused(capfd, "simulate", "--data", copied, "--out", out, code=1, says=says)
    assert sorted(tmp_path.iterdir()) == before


SETTINGS: dict[str, tuple[tuple[str, ...], str]] = {
    "an unknown key": (("--set=training.epoch=3",), r"unknown setting training\.epoch.*epochs"),
    "a value of another type": (("--set=training.epochs=many",), r"training\.epochs.*'many'.*int"),
    "a value out of range": (("--set=exchange.bits=9",), r"exchange\.bits"),
    "no value": (("--set=training.epochs",), r"key=value"),
    "a key with an option of its own": (("--set=profile=plain",), r"--profile"),
    "an unknown way of judging": (("--set=evaluation.cold=1",), r"unknown setting .*cold"),
    "a share that leaves nobody": (("--set=evaluation.cold_share=0.001",), r"cold_share"),
    "a batch below 8 x width": (("--set=encoder.width=60",), r"encoder\.width=\d+.*frozen"),
    "a batch too small at any width": (
        ("--set=exchange.batch_groups=1", "--set=training.epochs=1", "--set=encoder.width=40"),
        r"encoder\.width|--profile frozen",
    ),
    "a clear scheme under strict": (("--set=exchange.scheme=clear",), r"exchange\.scheme"),
    "too few partners": (("--set=exchange.min_cohort=3",), r"exchange\.min_cohort = 3"),
}


@pytest.mark.parametrize(("arguments", "says"), [*SETTINGS.values()], ids=[*SETTINGS])
def test_settings_that_cannot_be_run_are_refused_before_there_is_a_folder(
    arguments: tuple[str, ...],
    says: str,
    tiny: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "new" / "run"
    refused(capfd, "simulate", "--data", tiny, "--out", out, *arguments, code=2, says=says)
    assert not any(tmp_path.iterdir())


def test_one_partner_under_strict_is_refused_with_both_ways_on(
    copied: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    second_partner_gone(copied)
    out = tmp_path / "run"
    says = r"social is the only partner.*--profile frozen.*--accept-single-partner"
    refused(capfd, "simulate", "--data", copied, "--out", out, code=2, says=says)
    assert not out.exists()


def test_more_partners_than_the_guard_bits_can_add_are_refused(
    copied: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    more_partners(copied)
    out = tmp_path / "run"
    says = r"parties is 10|10 part"
    refused(capfd, "simulate", "--data", copied, "--out", out, code=2, says=says)
    assert not out.exists()


def test_settings_that_a_generated_world_cannot_be_run_with_leave_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new" / "run"
    arguments = (
        "simulate",
        "--out",
        out,
        "--set=encoder.width=63",
        "--set=exchange.batch_groups=1",
    )
    refused(capfd, *arguments, code=2, says=r"encoder\.width")
    refused(capfd, "simulate", "--out", out, f"--seed={2**63}", code=2, says="seed")
    assert not any(tmp_path.iterdir())


def test_a_folder_that_exists_is_left_alone(
    tiny: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    out.mkdir()
    (out / "precious").write_text("kept")
    says = rf"{out} exists: choose another --out, or continue it with --resume {out}"
    refused(capfd, "simulate", "--data", tiny, "--out", out, code=1, says=says)
    assert [path.name for path in out.iterdir()] == ["precious"]


def test_a_folder_that_cannot_be_made_is_named(
    tiny: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    out = tmp_path / "file" / "run"
    refused(capfd, "simulate", "--data", tiny, "--out", out, code=1, says=rf"{out} cannot be made")


def test_unknown_data_is_refused_with_the_names_there_are(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    says = r"'nosuch' is neither a data set \(lastfm-2k.*federation\.toml"
    refused(capfd, "simulate", "--data", "nosuch", "--out", out, code=1, says=says)
    assert not out.exists()


def test_a_data_set_that_is_not_here_says_how_to_get_it(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FEDRECALL_DATA", str(tmp_path))
    arguments = ("simulate", "--data", "lastfm-2k", "--out", tmp_path / "run")
    refused(capfd, *arguments, code=1, says="fedrecall data fetch lastfm-2k")


@pytest.mark.parametrize(
    "arguments",
    [("--profile", "tight"), ("--splits", "0"), ("--seed", "-1"), ("--nosuch",), ("stray",)],
)
def test_wrong_usage_names_the_option_and_ends_with_2(
    arguments: tuple[str, ...], capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["simulate", *arguments]) == 2
    said = capfd.readouterr().err
    assert arguments[0] in said
    assert "Traceback" not in said


def begun(folder: Path, **changes: object) -> RunFolder:
    """A run folder with a run.json and nothing else, some of whose entries are changed."""
    with RunFolder.drafted(folder) as draft:
        draft.write_plan(Plan(data="world", splits=1, config=SimulationConfig()))
    content = json.loads((folder / "run.json").read_text()) | changes
    kept = {key: value for key, value in content.items() if value is not ...}
    (folder / "run.json").write_text(json.dumps(kept))
    return RunFolder(folder)


DAMAGED: dict[str, tuple[dict[str, Any], str]] = {
    "another version": ({"version": 2}, r"version 2.*reads 1.*begin anew"),
    "no version": ({"version": ...}, "no version"),
    "no data": ({"data": ...}, r"run\.json is damaged: it lacks 'data'"),
    "splits that are no number": ({"splits": "3"}, r"damaged: splits is '3'"),
    "no split": ({"splits": 0}, "splits is 0"),
    "data that is no text": ({"data": 3}, "data is 3"),
    "no settings": ({"config": []}, r"config is \[\]"),
    "an unknown setting": ({"config": {"run": {"sed": 1}}}, "unknown setting"),
}


@pytest.mark.parametrize(("changes", "says"), [*DAMAGED.values()], ids=[*DAMAGED])
def test_a_damaged_run_json_is_refused(
    changes: dict[str, Any], says: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    begun(tmp_path / "run", **changes)
    refused(capfd, "simulate", "--resume", tmp_path / "run", code=1, says=says)


@pytest.mark.parametrize("content", [b"{", b"\xff", b"[]", b"3"])
def test_a_run_json_that_is_no_description_is_refused(
    content: bytes, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = begun(tmp_path / "run").path
    (folder / "run.json").write_bytes(content)
    refused(capfd, "simulate", "--resume", folder, code=1, says=r"run\.json is not")


def test_a_folder_that_is_no_run_is_refused(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for command in (("simulate", "--resume"), ("report",)):
        for folder in (tmp_path, tmp_path / "nowhere"):
            says = f"{folder} is no run folder"
            refused(capfd, *command, folder, code=1, says=says)
    assert not any(tmp_path.iterdir())


def test_a_run_whose_data_is_gone_says_so(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    begun(tmp_path / "run")
    arguments = ("simulate", "--resume", tmp_path / "run")
    refused(capfd, *arguments, code=1, says=r"run/data.*federation\.toml")


def test_settings_beside_resume_are_refused_rather_than_ignored(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    begun(tmp_path / "run")
    code = run(["simulate", "--resume", str(tmp_path / "run"), "--splits", "3", "--set=a=b"])
    said = capfd.readouterr().err
    assert code == 2
    assert "leave out --splits, --set" in said


def test_too_few_hidden_songs_to_fit_fusion_on_are_one_line_and_no_traceback(
    tiny: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    bench = ("bench", "channels", "--data", tiny, "--share", "0.01")
    refused(capfd, *bench, code=1, says="no kind of user has 20 users")
