"""`fedrecall node init` and `fedrecall node check` as a person types them."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from federation.errors import SettingError
from parties.errors import KeysExistError, PartyFileError
from parties.keys import make_federation_keys, read_card
from parties.keys.folder import request_of
from parties.node.party_file import Endpoint, read_party_file
from parties.role import Role
from simulations.cli.node import group
from tests.parties.node.servers import TlsServer, free_port, serving, telling_the_time

# Flower 1.41 asks pathspec for a pattern under its old name when it builds a bundle.
pytestmark = pytest.mark.filterwarnings("ignore:GitWildMatchPattern:DeprecationWarning")


def node(*arguments: str | Path) -> Result:
    return CliRunner().invoke(group, [*map(str, arguments)], terminal_width=200)


def succeed(*arguments: str | Path) -> str:
    result = node(*arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_a_partner_is_told_every_step_to_a_running_node(tmp_path: Path) -> None:
    folder = tmp_path / "node"
    said = succeed("init", folder, "--role", "partner", "--name", "social", "--coordinator", "hub")
    party = read_party_file(folder / "party.toml")
    assert (party.role, party.name) == (Role.PARTNER, "social")
    assert party.coordinator == Endpoint(host="hub")
    steps = [line for line in said.splitlines() if line[:1].isdigit()]
    for number, step in enumerate(
        ("keys new", "keys sign", "keys show", "node check", "node up"), start=1
    ):
        assert steps[number - 1].startswith(f"{number}. ")
        assert f"fedrecall {step}" in steps[number - 1]
    assert f"fedrecall keys new {folder}/keys --role partner --name social" in said
    assert "node run" not in said


def test_an_item_party_names_its_events_and_ports(tmp_path: Path) -> None:
    said = succeed(
        *("init", tmp_path, "--role", "item", "--coordinator", "10.0.0.1:443:444"),
        *("--data", tmp_path / "plays.parquet"),
    )
    party = read_party_file(tmp_path / "party.toml")
    assert party.coordinator == Endpoint(host="10.0.0.1", flower_port=443, hub_port=444)
    assert '"plays.parquet"' in party.file.read_text()
    assert "--role item\n" in said


def test_a_coordinator_listens_everywhere_and_is_certified_for_its_host(tmp_path: Path) -> None:
    said = succeed(
        "init", tmp_path, "--role", "coordinator", "--coordinator", "hub.example.org:443", "--keys"
    )
    party = read_party_file(tmp_path / "party.toml")
    assert party.listen == Endpoint(host="0.0.0.0", flower_port=443)  # noqa: S104 - as intended
    assert request_of(party.keys).hosts == ("hub.example.org",)
    assert "keys new" not in said
    assert "fedrecall node run" in said


def test_a_coordinator_without_a_host_is_asked_for_one_with_its_keys(tmp_path: Path) -> None:
    assert "--role coordinator --host HOST" in succeed("init", tmp_path, "--role", "coordinator")


def test_keys_can_be_made_in_the_same_step(tmp_path: Path) -> None:
    said = succeed(
        *("init", tmp_path, "--role", "partner", "--name", "social", "--coordinator", "hub"),
        "--keys",
    )
    card = read_card(tmp_path / "keys" / "card.toml")
    assert (card.name, card.role) == ("social", Role.PARTNER)
    assert "files that end in .key never leave it" in said
    assert "keys new" not in said
    secret = (tmp_path / "keys" / "tls.key").read_text().splitlines()[1]
    assert secret not in said


def test_a_folder_with_blanks_can_be_copied_from_the_steps(tmp_path: Path) -> None:
    folder = tmp_path / "my node"
    said = succeed("init", folder, "--role", "item", "--coordinator", "hub")
    assert f"fedrecall node check '{folder}'" in said


def test_init_overwrites_nothing(tmp_path: Path) -> None:
    arguments = ("init", tmp_path, "--role", "item", "--coordinator", "hub")
    succeed(*arguments)
    before = (tmp_path / "party.toml").read_text()
    result = node(*arguments[:-1], "elsewhere")
    assert isinstance(result.exception, PartyFileError)
    assert (tmp_path / "party.toml").read_text() == before


def test_init_with_keys_that_are_there_leaves_no_half_node(tmp_path: Path) -> None:
    arguments = ("init", tmp_path, "--role", "item", "--coordinator", "hub", "--keys")
    succeed(*arguments)
    kept = (tmp_path / "keys" / "exchange.key").read_bytes()
    (tmp_path / "party.toml").unlink()
    assert isinstance(node(*arguments).exception, KeysExistError)
    assert not (tmp_path / "party.toml").exists()
    assert (tmp_path / "keys" / "exchange.key").read_bytes() == kept


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--role", "partner", "--coordinator", "hub"), "--name NAME"),
        (("--role", "partner", "--name", "social"), "--coordinator HOST"),
        (("--role", "item", "--coordinator", "hub:x"), "HOST:PORT"),
        (("--role", "item", "--coordinator", "a:1:2:3"), "two ports"),
        (("--role", "coordinator", "--data", "x.csv"), "holds no data"),
    ],
)
def test_options_that_do_not_fit_are_refused(
    tmp_path: Path, arguments: tuple[str, ...], problem: str
) -> None:
    result = node("init", tmp_path / "node", *arguments)
    assert isinstance(result.exception, SettingError)
    assert problem in str(result.exception)
    assert not (tmp_path / "node").exists()


@pytest.mark.parametrize("arguments", [(), ("--role", "hub"), ("--role",)])
def test_a_role_is_needed(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    assert node("init", tmp_path / "node", *arguments).exit_code == 2
    assert not (tmp_path / "node").exists()


@pytest.fixture
def ready(tmp_path: Path) -> Iterator[Path]:
    """A partner's node with nothing to mend, and its coordinator's gate."""
    make_federation_keys(tmp_path / "keys", ["social", "forum"])
    gate = TlsServer(tmp_path / "keys" / "coordinator", telling_the_time())
    with serving(gate) as port:
        folder = tmp_path / "node"
        succeed(
            *("init", folder, "--role", "partner", "--name", "social"),
            *("--coordinator", f"127.0.0.1:{port}:{free_port()}"),
        )
        file = folder / "party.toml"
        file.write_text(file.read_text().replace("port = 9100", f"port = {free_port()}"))
        shutil.copytree(tmp_path / "keys" / "social", folder / "keys")
        shutil.copy(tmp_path / "keys" / "roster.toml", folder)
        (folder / "users.csv").write_text("user_id,age\nu1,31\nu2,40\n")
        yield folder


def test_a_ready_node_is_told_so_and_the_exit_code_is_0(ready: Path) -> None:
    said = succeed("check", ready)
    assert "✓ data          users.csv: 2 rows, 1 columns: age (numeric)" in said
    assert "✓ flower port   127.0.0.1" in said
    assert "✓ clock" in said
    assert "✗" not in said


def test_every_failure_is_shown_with_what_to_mend_and_the_exit_code_is_1(ready: Path) -> None:
    (ready / "users.csv").unlink()
    (ready / "roster.toml").chmod(0o666)
    result = node("check", ready, "--timeout", "0.5")
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    for number, line in enumerate(lines):
        if line.startswith("✗"):
            assert lines[number + 1].strip().startswith("→ ")
    assert f"chmod go-w {ready / 'roster.toml'}" in result.stdout
    assert sum(line.startswith("✗") for line in lines) == 2


def test_a_machine_reads_the_same_as_people(ready: Path) -> None:
    told = json.loads(succeed("check", ready / "party.toml", "--json"))
    assert told["ok"] is True
    assert {row["outcome"] for row in told["findings"]} <= {"passed", "warned"}
    assert [row["check"] for row in told["findings"]][:2] == ["party.toml", "data"]
    (ready / "users.csv").unlink()
    result = node("check", ready, "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["ok"] is False


def test_a_folder_without_a_node_is_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = node("check")
    assert result.exit_code == 1
    assert "fedrecall node init" in result.stdout
