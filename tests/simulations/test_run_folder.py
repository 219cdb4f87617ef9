from pathlib import Path

import pytest

from federation.errors import SettingError
from federation.protocol.profile import Profile
from parties.settings import from_plain
from simulations.errors import RunFolderError
from simulations.run_folder import Plan, RunFolder, SimulationConfig


def plan() -> Plan:
    values = {"run": {"profile": "plain", "seed": 5}, "evaluation": {"cold_share": 0.3}}
    config = from_plain(SimulationConfig(), values)
    return Plan(data="lastfm-2k", splits=3, config=config, command="fedrecall simulate")


def test_a_plan_comes_back_as_it_was_written(tmp_path: Path) -> None:
    with RunFolder.drafted(tmp_path / "run") as draft:
        draft.write_plan(plan())
    assert RunFolder(tmp_path / "run").read_plan() == plan()


def test_every_split_has_a_seed_of_its_own() -> None:
    assert plan().seeds == (5, 6, 7)


def test_a_folder_appears_whole_with_its_parents(tmp_path: Path) -> None:
    path = tmp_path / "new" / "run"
    with RunFolder.drafted(path) as draft:
        (draft.path / "file").write_text("")
        assert not path.exists()
    assert [each.name for each in path.iterdir()] == ["file"]
    assert path.stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_what_fails_while_a_folder_is_filled_leaves_nothing(
    error: type[BaseException], tmp_path: Path
) -> None:
    def fill() -> None:
        with RunFolder.drafted(tmp_path / "a" / "b" / "run") as draft:
            (draft.path / "file").write_text("")
            raise error

    with pytest.raises(error):
        fill()
    assert not any(tmp_path.iterdir())


def test_parents_that_are_used_meanwhile_stay(tmp_path: Path) -> None:
    def fill() -> None:
        with RunFolder.drafted(tmp_path / "runs" / "a") as draft:
            draft.path.with_name("neighbour").mkdir()
            raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011 - it says nothing
        fill()
    assert [each.name for each in (tmp_path / "runs").iterdir()] == ["neighbour"]


def test_a_disk_that_refuses_is_an_error_of_the_folder(tmp_path: Path) -> None:
    path = tmp_path / "run"
    with pytest.raises(RunFolderError, match="cannot be made: No space"), RunFolder.drafted(path):
        raise OSError(28, "No space left on device")


def test_a_link_that_leads_nowhere_counts_as_there(tmp_path: Path) -> None:
    (tmp_path / "run").symlink_to(tmp_path / "nowhere")
    with (
        pytest.raises(RunFolderError, match="exists: choose another --out"),
        RunFolder.drafted(tmp_path / "run"),
    ):
        pass


def test_settings_are_changed_by_the_keys_that_are_shown() -> None:
    config = SimulationConfig().with_setting("training.epochs", "7")
    config = config.with_setting("evaluation.cold_share", "0.4")
    assert config.run.training.epochs == 7
    assert config.settings()["training.epochs"] == 7
    assert config.settings()["evaluation.cold_share"] == 0.4
    assert config.settings()["profile"] == Profile.STRICT.value


@pytest.mark.parametrize("key", ["epochs", "evaluation.epochs", "run.seed"])
def test_an_unknown_setting_is_refused(key: str) -> None:
    with pytest.raises(SettingError, match="unknown setting"):
        SimulationConfig().with_setting(key, "1")


def test_a_generated_world_lies_in_the_run_folder_and_other_data_where_it_is() -> None:
    folder = RunFolder(Path("run"))
    world = Plan(data="world", splits=1, config=SimulationConfig())
    assert folder.source(world) == str(Path("run") / "data")
    assert folder.source(plan()) == "lastfm-2k"


def test_the_log_has_a_line_for_each_thing_that_happened(tmp_path: Path) -> None:
    RunFolder(tmp_path).log("begun")
    RunFolder(tmp_path).log("done")
    lines = (tmp_path / "log.txt").read_text().splitlines()
    assert [line.split()[-1] for line in lines] == ["begun", "done"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_full_disk_costs_the_log_and_not_the_run(tmp_path: Path) -> None:
    (tmp_path / "log.txt").symlink_to("/dev/full")
    RunFolder(tmp_path).log("lost")
    with pytest.raises(OSError, match="No space"):
        (tmp_path / "log.txt").write_text("it is really full")
