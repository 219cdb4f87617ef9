from pathlib import Path

import pytest

from federation.crypto.cipher import Scheme
from federation.crypto.fixed_point import Rounding
from federation.protocol.profile import Profile
from parties.config import RunConfig
from parties.errors import PartiesError, PartyFileError
from parties.node.party_file import (
    PARTY_VARIABLE,
    Endpoint,
    Experiment,
    own_party_file,
    party_file_at,
    read_party_file,
)
from parties.node.policy import Policy
from parties.role import Role
from parties.tables.description import ItemPartyDescription, PartnerDescription
from parties.tables.features import ColumnKind
from tests.parties.node.files import COORDINATOR, ITEM, PARTNER, write

FLAG_IN_QUOTES = "[policy]\naccept_single_partner = 'no'"
ROLES = {Role.COORDINATOR: COORDINATOR, Role.ITEM: ITEM, Role.PARTNER: PARTNER}


def test_a_short_partner_file_is_filled_up_with_defaults(tmp_path: Path) -> None:
    party = read_party_file(write(tmp_path, PARTNER))
    assert (party.name, party.role) == ("social", Role.PARTNER)
    assert party.coordinator == Endpoint(host="127.0.0.1", flower_port=9092, hub_port=9093)
    assert party.listen is None
    assert party.data == PartnerDescription(name="social", users=tmp_path / "users.csv")
    assert party.policy == Policy()
    assert party.experiment == Experiment()
    assert (party.state, party.keys) == (tmp_path / "state", tmp_path / "keys")
    assert party.roster == tmp_path / "roster.toml"
    assert party.health_port == 9100
    assert (party.own, party.run) == ({}, {})


def test_a_short_coordinator_file_listens_everywhere_and_has_no_data(tmp_path: Path) -> None:
    text = COORDINATOR.replace('[listen]\nhost = "127.0.0.1"\n', "")
    party = read_party_file(write(tmp_path, text))
    assert party.listen == Endpoint(host="0.0.0.0")  # noqa: S104 - what it does by default
    assert (party.data, party.coordinator) == (None, None)
    assert party.run_config() == RunConfig()


def test_the_names_of_the_roles_that_exist_once_may_be_left_out(tmp_path: Path) -> None:
    text = ITEM.replace('name = "item"\n', "")
    assert read_party_file(write(tmp_path, text)).name == "item"


def test_everything_an_item_party_can_say_is_read(tmp_path: Path) -> None:
    text = """
role = "item"
state = "/var/lib/fedrecall"
keys = "secrets/keys"
roster = "shared/roster.toml"
[coordinator]
host = "hub.example.org"
flower_port = 443
hub_port = 444
[data]
events = "/data/events.parquet"
items = "items.csv"
users = "users.csv"
triples = "triples.csv"
item_columns = { genre = "multi" }
[data.user_columns]
age = "numeric"
[policy]
profiles = ["plain"]
schemes = ["ckks", "bfv"]
accept_single_partner = true
min_cohort = 3
apps = ["%s"]
max_epochs = 7
[own]
exchange.rounding = "stochastic"
exchange.timeout_s = 30
[own.alignment]
workers = 2
[experiment]
repeatable = true
cold_share = 0.25
[health]
port = 9200
""" % ("0a" * 32)
    party = read_party_file(write(tmp_path, text))
    assert party.state == Path("/var/lib/fedrecall")
    assert party.keys == tmp_path / "secrets/keys"
    assert party.roster == tmp_path / "shared/roster.toml"
    assert party.coordinator == Endpoint(host="hub.example.org", flower_port=443, hub_port=444)
    assert party.data == ItemPartyDescription(
        events=Path("/data/events.parquet"),
        items=tmp_path / "items.csv",
        users=tmp_path / "users.csv",
        triples=tmp_path / "triples.csv",
        item_columns={"genre": ColumnKind.MULTI},
        user_columns={"age": ColumnKind.NUMERIC},
    )
    assert party.policy == Policy(
        profiles=(Profile.PLAIN,),
        schemes=(Scheme.CKKS, Scheme.BFV),
        accept_single_partner=True,
        min_cohort=3,
        apps=("0a" * 32,),
        max_epochs=7,
    )
    assert party.own == {
        "exchange.rounding": "stochastic",
        "exchange.timeout_s": 30,
        "alignment.workers": 2,
    }
    assert party.experiment == Experiment(repeatable=True, cold_share=0.25)
    assert party.health_port == 9200


def test_a_partner_declares_its_columns(tmp_path: Path) -> None:
    text = PARTNER + 'sensitive = ["age"]\ncolumns = { age = "categorical" }\n'
    assert read_party_file(write(tmp_path, text)).data == PartnerDescription(
        name="social",
        users=tmp_path / "users.csv",
        sensitive=("age",),
        columns={"age": ColumnKind.CATEGORICAL},
    )


def test_a_coordinator_describes_the_run_by_the_keys_of_the_settings(tmp_path: Path) -> None:
    text = COORDINATOR + '[run]\nprofile = "frozen"\nseed = 7\ntraining.epochs = 3\n'
    run = read_party_file(write(tmp_path, text)).run_config()
    assert (run.profile, run.seed, run.training.epochs) == (Profile.FROZEN, 7, 3)
    assert run.exchange == RunConfig().exchange


def test_a_link_in_the_folder_may_lead_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "state").symlink_to("/var/lib/elsewhere")
    assert read_party_file(write(tmp_path, PARTNER)).state == tmp_path / "state"


def test_a_folder_stands_for_the_file_in_it(tmp_path: Path) -> None:
    file = write(tmp_path, PARTNER)
    assert party_file_at(tmp_path) == party_file_at(file) == file


def test_a_relative_path_to_the_file_still_gives_complete_paths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, PARTNER)
    monkeypatch.chdir(tmp_path)
    assert read_party_file(Path("party.toml")).state == tmp_path / "state"


@pytest.mark.parametrize(
    ("role", "changed", "key", "problem"),
    [
        (Role.PARTNER, ('role = "partner"', ""), "role", 'is missing; write role = "…"'),
        (Role.PARTNER, ('"partner"', '"partners"'), "role", "coordinator, item, partner"),
        (Role.PARTNER, ('"partner"', "3"), "role", "must be a non-empty string"),
        (Role.PARTNER, ('"social"', '""'), "name", "must be a non-empty string"),
        (Role.PARTNER, ('"social"', '"So cial"'), "name", "not a partner name"),
        (Role.PARTNER, ('"social"', '"hub"'), "name", "reserved"),
        (Role.PARTNER, ('name = "social"\n', ""), "name", "is missing"),
        (Role.ITEM, ('"item"', '"shop"'), "name", 'write name = "item"'),
        (Role.COORDINATOR, ('"coordinator"', '"hub"'), "name", 'write name = "coordinator"'),
        (Role.PARTNER, ("role", "stat = 's'\nrole"), "stat", "close: state"),
        (Role.PARTNER, ("role", "zzz = 1\nrole"), "zzz", "the keys are name, role"),
        (Role.PARTNER, ("role", "policy = 1\nrole"), "policy", "must be a table: write [policy]"),
        (Role.PARTNER, ("role", 'state = "../s"\nrole'), "state", "leaves the folder"),
        (Role.PARTNER, ('[coordinator]\nhost = "127.0.0.1"', ""), "coordinator", "is missing"),
        (Role.PARTNER, ('[data]\nusers = "users.csv"', ""), "data", "is missing"),
        (Role.PARTNER, ('host = "127.0.0.1"', ""), "coordinator.host", "is missing"),
        (Role.PARTNER, ('"127.0.0.1"', '"https://x"'), "coordinator.host", "without scheme"),
        (Role.PARTNER, ('"127.0.0.1"', '"x y"'), "coordinator.host", "not a host name"),
        (Role.PARTNER, ("[data]", "port = 1\n[data]"), "coordinator.port", "close: hub_port"),
        (Role.PARTNER, ("[data]", "hub_port = 0\n[data]"), "coordinator.hub_port", "1 to 65535"),
        (Role.PARTNER, ("[data]", "hub_port = 65536\n[data]"), "coordinator.hub_port", "65535"),
        (Role.PARTNER, ("[data]", "hub_port = true\n[data]"), "coordinator.hub_port", "whole"),
        (Role.PARTNER, ("[data]", "hub_port = '1'\n[data]"), "coordinator.hub_port", "whole"),
        (Role.PARTNER, ("[data]", "hub_port = 9092\n[data]"), "coordinator.hub_port", "its own"),
        (Role.PARTNER, ("users =", "user ="), "data.user", "close: users"),
        (Role.PARTNER, ("users =", "sensitive = 'age'\nusers ="), "data.sensitive", "a list"),
        (Role.PARTNER, ("users =", "sensitive = [1]\nusers ="), "data.sensitive", "a list"),
        (Role.PARTNER, ("users =", "columns = 1\nusers ="), "data.columns", "must be a table"),
        (
            Role.PARTNER,
            ("users =", "columns = { age = 'number' }\nusers ="),
            "data.columns.age",
            "one of numeric, categorical",
        ),
        (Role.PARTNER, ("users.csv", "../users.csv"), "data.users", "write an absolute path"),
        (Role.PARTNER, ("users =", "events = 'e'\nusers ="), "data.events", "is not a key"),
        (Role.ITEM, ("events =", "sensitive = []\nevents ="), "data.sensitive", "is not a key"),
        (Role.ITEM, ("events =", "items ="), "data.events", "is missing"),
    ],
)
def test_a_wrong_key_is_named_with_what_to_write(
    tmp_path: Path, role: Role, changed: tuple[str, str], key: str, problem: str
) -> None:
    assert changed[0] in ROLES[role]
    file = write(tmp_path, ROLES[role].replace(*changed, 1))
    with pytest.raises(PartyFileError) as caught:
        read_party_file(file)
    assert (caught.value.file, caught.value.key) == (file, key)
    assert problem in caught.value.problem
    assert str(caught.value) == f"{file}, {key}: {caught.value.problem}"


@pytest.mark.parametrize(
    ("role", "section", "key", "problem"),
    [
        (Role.PARTNER, "[listen]", "listen", "only at coordinator"),
        (Role.ITEM, "[run]", "run", "only at coordinator"),
        (Role.COORDINATOR, "[data]", "data", "only at item and partner"),
        (Role.COORDINATOR, "[coordinator]", "coordinator", "only at item and partner"),
        (Role.COORDINATOR, "[policy]", "policy", "no place at the role coordinator"),
        (Role.COORDINATOR, "[own]", "own", "no place"),
        (Role.COORDINATOR, "[experiment]", "experiment", "no place"),
        (Role.PARTNER, "[experiment]\ncold_share = 0.1", "experiment.cold_share", "item party's"),
        (Role.ITEM, "[experiment]\ncold_share = 1.0", "experiment.cold_share", "below 1"),
        (Role.ITEM, "[experiment]\ncold_share = -0.1", "experiment.cold_share", "from 0"),
        (Role.ITEM, "[experiment]\ncold_share = nan", "experiment.cold_share", "from 0"),
        (Role.ITEM, "[experiment]\ncold_share = true", "experiment.cold_share", "a number"),
        (Role.ITEM, "[experiment]\nrepeatable = 1", "experiment.repeatable", "true or false"),
        (Role.ITEM, "[experiment]\nrepeat = true", "experiment.repeat", "close: repeatable"),
        (Role.ITEM, "[health]\nport = 70000", "health.port", "1 to 65535"),
        (Role.ITEM, "[health]\nhost = '0.0.0.0'", "health.host", "is not a key"),
        (Role.ITEM, "[policy]\nprofile = ['strict']", "policy.profile", "close: profiles"),
        (Role.ITEM, "[policy]\nprofiles = ['sealed']", "policy.profiles", "strict, frozen, plain"),
        (Role.ITEM, "[policy]\nprofiles = []", "policy.profiles", "is empty"),
        (Role.ITEM, "[policy]\nprofiles = 'strict'", "policy.profiles", "a list of strings"),
        (Role.ITEM, "[policy]\nschemes = ['aes']", "policy.schemes", "bfv, ckks"),
        (Role.ITEM, FLAG_IN_QUOTES, "policy.accept_single_partner", "without quotes"),
        (Role.ITEM, "[policy]\nmin_cohort = 0", "policy.min_cohort", "from 1 to 64"),
        (Role.ITEM, "[policy]\nmax_epochs = 1.5", "policy.max_epochs", "a whole number"),
        (Role.ITEM, "[policy]\napps = ['abc']", "policy.apps", "64 digits"),
        (Role.ITEM, f"[policy]\napps = ['{'A0' * 32}']", "policy.apps", "64 digits"),
        (Role.ITEM, "[own]\nexchange.bits = 8", "own.exchange.bits", "no choice of one party"),
        (Role.ITEM, "[own]\nexchange.roundin = 1", "own", "close: exchange.rounding"),
        (Role.ITEM, "[own]\nexchange.rounding = 'up'", "own", "nearest, stochastic"),
        (Role.ITEM, "[own]\nexchange.cache_mib = '512'", "own", "not of the type"),
        (Role.ITEM, "[own]\nexchange.timeout_s = -1", "own", "must be above 0"),
        (Role.COORDINATOR, "[run]\ntraining.epoch = 1", "run", "close: training.epochs"),
        (Role.COORDINATOR, "[run]\nepochs = 1", "run", "docs/settings.md"),
        (Role.COORDINATOR, "[run]\ntraining.epochs = '20'", "run", "not of the type"),
        (Role.COORDINATOR, "[run]\ntraining.epochs = 0", "run", "at least 1"),
        (Role.COORDINATOR, "[run]\nexchange = 5", "run", "unknown setting exchange"),
        (Role.COORDINATOR, "[run]\nprofile = 'sealed'", "run", "strict, frozen, plain"),
        (Role.COORDINATOR, "[run]\nexchange.accept_single_partner = 1", "run", "type"),
        (Role.COORDINATOR, "[run]\nseed = 1979-05-27", "run", "of a type no setting has"),
    ],
)
def test_a_wrong_section_is_named_with_what_to_write(
    tmp_path: Path, role: Role, section: str, key: str, problem: str
) -> None:
    file = write(tmp_path, f"{ROLES[role]}{section}\n")
    with pytest.raises(PartyFileError) as caught:
        read_party_file(file)
    assert problem in str(caught.value)
    assert caught.value.key == key


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(PartyFileError, match=r"party\.toml: does not exist; `fedrecall node init"):
        read_party_file(tmp_path / "party.toml")


def test_a_folder_in_place_of_a_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PartyFileError, match="cannot be read: Is a directory"):
        read_party_file(tmp_path)


def test_invalid_toml_is_refused_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(PartyFileError, match=r"not valid TOML: .*line 2"):
        read_party_file(write(tmp_path, 'name = "x"\nrole =\n'))


def test_other_encodings_are_refused_with_the_line(tmp_path: Path) -> None:
    file = tmp_path / "party.toml"
    file.write_bytes('role = "item"\n# Größe\n'.encode("latin-1"))
    with pytest.raises(PartyFileError, match="not UTF-8 in line 2"):
        read_party_file(file)


def test_a_process_finds_its_own_party_in_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PARTY_VARIABLE, str(write(tmp_path, PARTNER)))
    assert own_party_file().name == "social"


def test_a_process_of_no_node_is_told_how_to_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PARTY_VARIABLE, raising=False)
    with pytest.raises(PartyFileError, match=r"FEDRECALL_PARTY.*fedrecall node up"):
        own_party_file()


def test_own_choices_go_into_the_run_as_it_is_adopted(tmp_path: Path) -> None:
    party = read_party_file(write(tmp_path, PARTNER + "[own]\nexchange.rounding = 'stochastic'\n"))
    assert party.adopt({}).exchange.rounding is Rounding.STOCHASTIC


def test_one_handler_catches_whatever_is_wrong_with_a_file_or_an_order() -> None:
    assert issubclass(PartyFileError, PartiesError)


def test_a_run_has_its_folders_below_the_state_folder(tmp_path: Path) -> None:
    paths = read_party_file(write(tmp_path, PARTNER)).paths
    job = bytes(range(16))
    state = tmp_path / "state"
    assert paths.job(job) == state / "jobs" / job.hex()
    assert paths.ledger(job) == state / "jobs" / job.hex() / "ledger.jsonl"
    assert paths.result(job) == state / "jobs" / job.hex() / "result"
    assert (paths.status, paths.log) == (state / "status.json", state / "log")
    assert paths.flower == state / "flower"
    assert not state.exists()


def test_a_job_that_is_no_16_bytes_never_becomes_a_path(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        read_party_file(write(tmp_path, PARTNER)).paths.job(b"../..")
