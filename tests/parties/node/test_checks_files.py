"""Checks of a node's files, each against real ones."""

import datetime as dt
import shutil
from pathlib import Path

import pytest

from federation.exchange.flower_bundle import bundle_hash
from parties.node.check_files import check_data, check_modes, check_state
from parties.node.check_trust import check_apps, check_keys, check_roster, check_run
from parties.node.check_versions import check_versions
from parties.node.examined import CheckLimits, Examined, examine
from parties.node.findings import Outcome
from parties.node.party_file import read_party_file
from parties.role import Role
from tests.parties.node.conftest import NodeMaker, aged_certificate

# Flower 1.41 asks pathspec for a pattern under its old name when it builds a bundle.
pytestmark = pytest.mark.filterwarnings("ignore:GitWildMatchPattern:DeprecationWarning")


def seen(file: Path, limits: CheckLimits | None = None) -> Examined:
    return examine(read_party_file(file), limits or CheckLimits(free_bytes=1))


def test_a_partners_table_is_shown_by_rows_and_columns(node: NodeMaker) -> None:
    finding = check_data(seen(node(Role.PARTNER, 'sensitive = ["age"]\n')))
    assert finding.outcome is Outcome.PASSED
    assert finding.detail == (
        "users.csv: 2 rows, 2 columns: age (numeric), city (categorical), 1 sensitive"
    )


def test_a_long_table_is_shown_by_users_and_features(node: NodeMaker) -> None:
    file = node(Role.PARTNER)
    (file.parent / "users.csv").write_text("user_id,feature\nu1,a\nu1,b\nu2,a\n")
    assert check_data(seen(file)).detail == "users.csv: 2 users, 2 features, 3 rows"


def test_an_item_partys_tables_are_shown_one_by_one(node: NodeMaker) -> None:
    extra = 'items = "items.csv"\nusers = "users.csv"\ntriples = "triples.csv"\n'
    file = node(Role.ITEM, extra)
    (file.parent / "items.csv").write_text("item_id,genre\na,rock|pop\nb,jazz\n")
    (file.parent / "triples.csv").write_text("head,relation,tail\na,by,x\n")
    assert check_data(seen(file)).detail == (
        "events.csv: 3 events in 2 columns, 2 users, 2 songs; items.csv: 2 rows, 1 columns: "
        "genre (multi); users.csv: 2 rows, 2 columns: age (numeric), city (categorical); "
        "triples.csv: 1 triples"
    )


def test_a_coordinator_has_no_data_to_check(node: NodeMaker) -> None:
    assert check_data(seen(node(Role.COORDINATOR))).outcome is Outcome.SKIPPED


def test_a_missing_table_is_named_with_its_path(node: NodeMaker) -> None:
    file = node(Role.PARTNER)
    (file.parent / "users.csv").unlink()
    finding = check_data(seen(file))
    assert finding.outcome is Outcome.FAILED
    assert finding.detail == f"no file at {file.parent / 'users.csv'}"
    assert "[data]" in finding.remedy


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ("user_id,age\nu1,1\nu1,2\n", "line 3"),
        ("user,age\nu1,1\n", "user_id"),
        ("user_id,age\n", "users.csv"),
        ("user_id\nu1\n", "no feature column"),
    ],
)
def test_a_table_that_cannot_be_used_is_a_failure_with_its_place(
    node: NodeMaker, table: str, problem: str
) -> None:
    file = node(Role.PARTNER)
    (file.parent / "users.csv").write_text(table)
    finding = check_data(seen(file))
    assert finding.outcome is Outcome.FAILED
    assert problem in finding.detail
    assert finding.remedy


def test_events_that_teach_nothing_are_a_failure(node: NodeMaker) -> None:
    file = node(Role.ITEM)
    (file.parent / "events.csv").write_text("user_id,item_id,skipped\nu1,a,true\n")
    finding = check_data(seen(file))
    assert finding.outcome is Outcome.FAILED
    assert "no event is left" in finding.detail


@pytest.mark.parametrize("name", ["party.toml", "roster.toml"])
def test_a_file_that_others_may_change_is_a_failure_with_the_command(
    node: NodeMaker, name: str
) -> None:
    file = node(Role.PARTNER)
    (file.parent / name).chmod(0o666)
    finding = check_modes(seen(file))
    assert finding.outcome is Outcome.FAILED
    assert finding.remedy == f"chmod go-w {file.parent / name}"


def test_a_state_folder_that_others_may_read_is_a_failure(node: NodeMaker) -> None:
    file = node(Role.PARTNER)
    (file.parent / "state").mkdir(mode=0o755)
    assert check_modes(seen(file)).remedy == f"chmod 700 {file.parent / 'state'}"


def test_a_table_that_everyone_may_read_is_worth_a_word(node: NodeMaker) -> None:
    file = node(Role.ITEM)
    (file.parent / "events.csv").chmod(0o644)
    finding = check_modes(seen(file))
    assert finding.outcome is Outcome.WARNED
    assert finding.remedy == f"chmod o-rwx {file.parent / 'events.csv'}"


def test_modes_of_a_coordinator_are_those_of_its_own_files(node: NodeMaker) -> None:
    assert check_modes(seen(node(Role.COORDINATOR))).outcome is Outcome.PASSED


def test_a_full_disk_is_a_failure_with_what_is_missing(node: NodeMaker) -> None:
    finding = check_state(seen(node(Role.PARTNER), CheckLimits(free_bytes=1 << 60)))
    assert finding.outcome is Outcome.FAILED
    assert finding.remedy == f"make room: {(1 << 60) // (1 << 30):g} GiB should be free"


def test_a_state_folder_that_cannot_be_written_to_is_a_failure(node: NodeMaker) -> None:
    file = node(Role.PARTNER)
    text = file.read_text().replace("[coordinator]", 'state = "/proc/fedrecall"\n[coordinator]')
    file.write_text(text)
    finding = check_state(seen(file))
    assert finding.outcome is Outcome.FAILED
    assert finding.detail.startswith("/proc cannot be written to")


def test_a_file_in_place_of_the_state_folder_is_a_failure(node: NodeMaker) -> None:
    file = node(Role.PARTNER)
    (file.parent / "state").write_text("")
    assert check_state(seen(file)).detail.endswith("cannot be written to: Not a directory")


def test_room_is_looked_for_where_the_state_folder_will_be(node: NodeMaker) -> None:
    file = node(Role.PARTNER)
    finding = check_state(seen(file))
    assert finding.outcome is Outcome.PASSED
    assert finding.detail.endswith(f"free in {file.parent}")
    assert not (file.parent / "state").exists()


def test_keys_that_are_not_there_are_a_failure(node: NodeMaker) -> None:
    file = node(Role.PARTNER)
    shutil.rmtree(file.parent / "keys")
    finding = check_keys(seen(file))
    assert finding.outcome is Outcome.FAILED
    assert "fedrecall keys new" in finding.remedy


def test_a_secret_that_others_may_read_is_a_failure_with_the_command(node: NodeMaker) -> None:
    file = node(Role.PARTNER)
    secret = file.parent / "keys" / "exchange.key"
    secret.chmod(0o644)
    finding = check_keys(seen(file))
    assert "has mode 644" in finding.detail
    assert finding.remedy == f"run: chmod 600 {secret}"


def test_keys_of_another_party_are_a_failure(node: NodeMaker, made_keys: Path) -> None:
    file = node(Role.PARTNER)
    shutil.rmtree(file.parent / "keys")
    shutil.copytree(made_keys / "forum", file.parent / "keys")
    finding = check_keys(seen(file))
    assert finding.outcome is Outcome.FAILED
    assert finding.detail.endswith("holds the keys of partner 'forum'")


@pytest.mark.parametrize(
    ("begun", "outcome", "word"),
    [
        (dt.timedelta(days=-300), Outcome.FAILED, "expired"),
        (dt.timedelta(days=-5), Outcome.WARNED, "until"),
    ],
)
def test_a_certificate_that_ends_is_seen_in_time(
    node: NodeMaker, made_keys: Path, begun: dt.timedelta, outcome: Outcome, word: str
) -> None:
    file = node(Role.PARTNER)
    keys = file.parent / "keys"
    (keys / "tls.crt").write_bytes(aged_certificate(made_keys / "authority", keys, begun))
    finding = check_keys(seen(file))
    assert finding.outcome is outcome
    assert word in finding.detail
    assert "signed again" in finding.remedy


def test_a_roster_that_is_not_there_is_a_failure(node: NodeMaker) -> None:
    file = node(Role.PARTNER)
    (file.parent / "roster.toml").unlink()
    finding = check_roster(seen(file))
    assert finding.outcome is Outcome.FAILED
    assert finding.remedy == "get the roster that the other parties have"


def test_a_roster_without_this_party_is_a_failure(node: NodeMaker) -> None:
    file = node(Role.PARTNER)
    file.write_text(file.read_text().replace('"social"', '"cinema"'))
    finding = check_roster(seen(file))
    assert finding.outcome is Outcome.FAILED
    assert "'cinema' is not on the roster" in finding.detail


def test_a_roster_with_another_key_of_this_party_is_a_failure(
    node: NodeMaker, other_keys: Path
) -> None:
    file = node(Role.PARTNER)
    shutil.copy(other_keys / "roster.toml", file.parent)
    finding = check_roster(seen(file))
    assert finding.outcome is Outcome.FAILED
    assert "another exchange for 'social'" in finding.detail
    assert "roster" in finding.remedy


def test_a_roster_is_shown_so_that_people_can_compare_it(node: NodeMaker) -> None:
    detail = check_roster(seen(node(Role.PARTNER))).detail
    assert detail.startswith("coordinator, item, social, forum; fingerprint ")


def test_a_roster_cannot_be_compared_with_keys_that_do_not_load(node: NodeMaker) -> None:
    file = node(Role.PARTNER)
    shutil.rmtree(file.parent / "keys")
    assert check_roster(seen(file)).outcome is Outcome.WARNED


def test_a_node_without_a_list_runs_this_versions_own_bundle(node: NodeMaker) -> None:
    finding = check_apps(seen(node(Role.PARTNER)))
    assert finding.outcome is Outcome.PASSED
    assert bundle_hash() in finding.detail


def test_a_list_without_this_versions_bundle_is_worth_a_word(node: NodeMaker) -> None:
    finding = check_apps(seen(node(Role.PARTNER, f'[policy]\napps = ["{"0" * 64}"]\n')))
    assert finding.outcome is Outcome.WARNED
    assert bundle_hash() in finding.remedy


def test_a_list_with_this_versions_bundle_passes(node: NodeMaker) -> None:
    file = node(Role.PARTNER, f'[policy]\napps = ["{bundle_hash()}"]\n')
    assert check_apps(seen(file)).outcome is Outcome.PASSED


def test_a_run_is_shown_with_its_profile_and_partners(node: NodeMaker) -> None:
    finding = check_run(seen(node(Role.COORDINATOR)))
    assert (finding.outcome, finding.detail) == (Outcome.PASSED, "profile strict, 2 partners")


@pytest.mark.parametrize(
    ("run", "problem"),
    [
        ("exchange.min_cohort = 3", "exchange.min_cohort = 3"),
        ('exchange.scheme = "clear"', "protects nothing"),
        ("trainer.model.embedding_dim = 48", "profile strict cannot be run"),
    ],
)
def test_a_run_that_cannot_be_is_a_failure(node: NodeMaker, run: str, problem: str) -> None:
    finding = check_run(seen(node(Role.COORDINATOR, f"[run]\n{run}\n")))
    assert finding.outcome is Outcome.FAILED
    assert problem in finding.detail


def test_a_run_needs_a_roster_to_be_checked(node: NodeMaker) -> None:
    file = node(Role.COORDINATOR)
    (file.parent / "roster.toml").unlink()
    assert check_run(seen(file)).outcome is Outcome.SKIPPED


def test_installed_versions_are_those_this_program_was_made_for(node: NodeMaker) -> None:
    finding = check_versions(seen(node(Role.PARTNER)))
    assert finding.outcome is Outcome.PASSED
    assert {"flwr", "tenseal", "torch"} <= set(finding.detail.replace(",", "").split())


@pytest.mark.parametrize(
    ("due", "found"),
    [("flwr==0.0.1", "flwr 1."), ("torch==99.0", "torch 2."), ("tenseal==9", "tenseal 0.")],
)
def test_another_version_is_a_failure_with_the_command(
    node: NodeMaker, due: str, found: str
) -> None:
    limits = CheckLimits(requirements=["numpy>=2", due])
    finding = check_versions(seen(node(Role.PARTNER), limits))
    assert finding.outcome is Outcome.FAILED
    assert found in finding.detail
    assert finding.remedy == f"pip install {due}"


def test_a_table_that_cannot_be_read_is_a_failure_and_no_crash(node: NodeMaker) -> None:
    file = node(Role.PARTNER)
    (file.parent / "users.csv").unlink()
    # A file that even root cannot read from its beginning.
    (file.parent / "users.csv").symlink_to("/proc/self/mem")
    finding = check_data(seen(file))
    assert finding.outcome is Outcome.FAILED
    assert finding.remedy
