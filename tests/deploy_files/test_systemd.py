import re
from pathlib import Path

import pytest

from simulations.cli.complaints import USAGE
from tests.deploy_files.files import DEPLOY, UNIT, lint, unit_settings

SYSTEMD = DEPLOY / "systemd"
WORST_EXPOSURE = 20  # tenths; 0 to 100, of which a plain service has 96


def test_the_node_is_nobody_in_particular_and_can_become_nobody_else() -> None:
    settings = unit_settings(UNIT)
    assert settings["User"] == settings["Group"] == ["fedrecall"]
    assert settings["NoNewPrivileges"] == ["yes"]
    assert settings["CapabilityBoundingSet"] == settings["AmbientCapabilities"] == [""]
    assert settings["RestrictSUIDSGID"] == ["yes"]


def test_the_node_writes_to_its_own_state_and_nowhere_else() -> None:
    settings = unit_settings(UNIT)
    assert settings["ProtectSystem"] == ["strict"]
    assert settings["StateDirectory"] == ["fedrecall/%i"]
    assert settings["StateDirectoryMode"] == ["0700"]
    assert settings["UMask"] == ["0077"]
    assert settings["PrivateTmp"] == settings["ProtectHome"] == ["yes"]
    assert "ReadWritePaths" not in settings


def test_what_the_node_can_write_cannot_be_run() -> None:
    settings = unit_settings(UNIT)
    assert settings["NoExecPaths"] == ["/"]
    assert settings["ExecPaths"] == ["/usr /opt"]
    assert settings["MemoryDenyWriteExecute"] == ["yes"]


def test_keys_reach_neither_a_core_file_nor_swap() -> None:
    settings = unit_settings(UNIT)
    assert settings["LimitCORE"] == settings["MemorySwapMax"] == ["0"]


def test_a_dead_supervisor_is_brought_back_for_ever_and_a_wrong_setting_is_not() -> None:
    settings = unit_settings(UNIT)
    assert settings["Restart"] == ["always"]
    assert settings["StartLimitIntervalSec"] == ["0"]
    assert settings["RestartPreventExitStatus"] == [str(USAGE)]


def test_a_stop_leaves_the_supervisor_time_to_end_its_own() -> None:
    settings = unit_settings(UNIT)
    assert settings["KillMode"] == ["mixed"]
    assert int(settings["TimeoutStopSec"][0]) >= 60


def test_a_unit_phones_nobody() -> None:
    environment = " ".join(unit_settings(UNIT)["Environment"])
    assert "FLWR_TELEMETRY_ENABLED=0" in environment
    assert "FLWR_DISABLE_UPDATE_CHECK=1" in environment
    assert "RAY_USAGE_STATS_ENABLED=0" in environment


def test_the_partners_drop_in_allows_the_coordinator_and_nobody_else() -> None:
    settings = unit_settings(SYSTEMD / "drop-ins" / "egress.conf")
    assert settings == {
        "IPAddressDeny": ["any"],
        "IPAddressAllow": ["localhost", "203.0.113.10"],
    }


def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    # The program is not installed in /opt here, and systemd looks for it.
    text = UNIT.read_text(encoding="utf-8").replace("/opt/fedrecall/bin/fedrecall", "/bin/true")
    copy = tmp_path / UNIT.name
    copy.write_text(text, encoding="utf-8")
    done = lint("systemd-analyze", "verify", "--man=no", str(copy))
    assert done.returncode == 0, done.stderr
    assert UNIT.name.partition("@")[0] not in done.stderr, done.stderr


def test_systemd_notices_a_unit_that_is_wrong(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.service"
    wrong.write_text("[Service]\nExecStart=/bin/true\nProtectSystem=mostly\n", encoding="utf-8")
    done = lint("systemd-analyze", "verify", "--man=no", str(wrong))
    assert "protect system" in done.stderr


@pytest.mark.parametrize("drop_in", ["none", "egress.conf", "limits.conf"])
def test_the_unit_is_little_exposed(drop_in: str, tmp_path: Path) -> None:
    (tmp_path / UNIT.name).write_text(UNIT.read_text(encoding="utf-8"), encoding="utf-8")
    if drop_in != "none":
        folder = tmp_path / f"{UNIT.name}.d"
        folder.mkdir()
        text = (SYSTEMD / "drop-ins" / drop_in).read_text(encoding="utf-8")
        (folder / drop_in).write_text(text, encoding="utf-8")
    done = lint(
        "systemd-analyze",
        "security",
        "--offline=true",
        "--no-pager",
        f"--threshold={WORST_EXPOSURE}",
        str(tmp_path / UNIT.name),
    )
    assert done.returncode == 0, done.stdout
    assert re.search(r"exposure level for fedrecall-node@\w+\.service: [01]\.\d OK", done.stdout)


def test_users_and_folders_are_made_as_the_unit_needs_them(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    users = str(SYSTEMD / "fedrecall.sysusers")
    done = lint("systemd-sysusers", f"--root={tmp_path}", users)
    assert done.returncode == 0, done.stderr
    passwd = (tmp_path / "etc" / "passwd").read_text(encoding="utf-8")
    assert re.search(r"^fedrecall:.*:/usr/sbin/nologin$", passwd, re.MULTILINE)
    folders = str(SYSTEMD / "fedrecall.tmpfiles")
    done = lint("systemd-tmpfiles", "--create", f"--root={tmp_path}", folders)
    if done.returncode:
        pytest.skip(f"folders can be given to another user by root only: {done.stderr}")
    assert (tmp_path / "etc" / "fedrecall").stat().st_mode & 0o777 == 0o750
    assert (tmp_path / "var" / "lib" / "fedrecall").stat().st_mode & 0o777 == 0o711
