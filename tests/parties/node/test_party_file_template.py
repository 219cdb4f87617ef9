"""The first party.toml of a node says what it is told to say, and can be read."""

import stat
from pathlib import Path

import pytest

from parties.config import RunConfig
from parties.errors import CheckpointError, PartyFileError
from parties.node.party_file import Endpoint, Experiment, read_party_file
from parties.node.policy import Policy
from parties.node.template import NewNode, endpoint_of, party_file_text, write_party_file
from parties.role import Role
from parties.tables.description import ItemPartyDescription, PartnerDescription

FAR = Endpoint(host="hub.example.org", flower_port=443, hub_port=444)
NODES = {
    Role.COORDINATOR: NewNode(role=Role.COORDINATOR),
    Role.ITEM: NewNode(role=Role.ITEM, coordinator=FAR),
    Role.PARTNER: NewNode(role=Role.PARTNER, name="social", coordinator=FAR),
}


@pytest.mark.parametrize("role", Role)
def test_a_new_file_can_be_read_and_holds_the_defaults(tmp_path: Path, role: Role) -> None:
    party = read_party_file(write_party_file(tmp_path / "new", NODES[role]))
    assert party.role is role
    assert (party.policy, party.own, party.experiment) == (Policy(), {}, Experiment())
    assert party.run_config() == RunConfig()
    assert party.coordinator == (None if role is Role.COORDINATOR else FAR)


def uncommented(text: str) -> str:
    """The file with every key that it only shows."""
    lines = []
    for line in text.splitlines():
        shown = line.removeprefix("# ")
        key = shown.partition(" = ")[0]
        lines.append(shown if shown != line and key and " " not in key else line)
    return "\n".join(lines)


@pytest.mark.parametrize("role", Role)
def test_every_key_that_is_only_shown_can_be_taken_into_use(tmp_path: Path, role: Role) -> None:
    text = party_file_text(tmp_path, NODES[role])
    whole = uncommented(text).replace('"…"', f'"{"0" * 64}"')
    assert whole.count("\n# ") < text.count("\n# ")
    file = tmp_path / "party.toml"
    file.write_text(whole)
    party = read_party_file(file)
    if role is not Role.COORDINATOR:
        assert party.policy.apps == ("0" * 64,)
        assert len(party.own) == 4
    else:
        assert party.run_config() == RunConfig()


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("users.parquet", "DIR/users.parquet"),
        ("DIR/tables/users.csv", "DIR/tables/users.csv"),
        ("/data/users.csv", "/data/users.csv"),
        ("DIR/../users.csv", "DIR/../users.csv"),
        ('/data/a "b" \\ ü.csv', '/data/a "b" \\ ü.csv'),
        ("/data/\x7f\n.csv", "/data/\x7f\n.csv"),
    ],
)
def test_data_is_found_wherever_it_lies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str, read: str
) -> None:
    monkeypatch.chdir(tmp_path)
    data = Path(given.replace("DIR", str(tmp_path)))
    node = NewNode(role=Role.PARTNER, name="social", coordinator=FAR, data=data)
    description = read_party_file(write_party_file(tmp_path, node)).data
    assert isinstance(description, PartnerDescription)
    assert description.users == Path(read.replace("DIR", str(tmp_path)))


def test_an_item_partys_data_are_its_events(tmp_path: Path) -> None:
    node = NewNode(role=Role.ITEM, coordinator=FAR, data=tmp_path / "plays.parquet")
    description = read_party_file(write_party_file(tmp_path, node)).data
    assert description == ItemPartyDescription(events=tmp_path / "plays.parquet")


def test_a_new_file_is_its_owners_alone_to_change(tmp_path: Path) -> None:
    file = write_party_file(tmp_path / "new" / "node", NODES[Role.ITEM])
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("dangling", [False, True])
def test_nothing_is_ever_overwritten(tmp_path: Path, dangling: bool) -> None:
    file = tmp_path / "party.toml"
    if dangling:
        file.symlink_to(tmp_path / "nowhere")
    else:
        file.write_text("mine")
    with pytest.raises(PartyFileError, match="exists already; nothing was written"):
        write_party_file(tmp_path, NODES[Role.ITEM])
    assert dangling or file.read_text() == "mine"
    assert file.is_symlink() is dangling


@pytest.mark.parametrize(
    ("node", "key"),
    [
        (NewNode(role=Role.PARTNER, coordinator=FAR), "name"),
        (NewNode(role=Role.PARTNER, name="Not a name", coordinator=FAR), "name"),
        (NewNode(role=Role.ITEM, name="shop", coordinator=FAR), "name"),
        (NewNode(role=Role.ITEM, coordinator=Endpoint(host="a b")), "coordinator.host"),
        (NewNode(role=Role.ITEM, coordinator=Endpoint(host="")), "coordinator.host"),
        (
            NewNode(role=Role.ITEM, coordinator=Endpoint(host="a", flower_port=0)),
            "coordinator.flower_port",
        ),
        (
            NewNode(role=Role.COORDINATOR, coordinator=Endpoint(host="::", hub_port=9092)),
            "listen.hub_port",
        ),
    ],
)
def test_what_could_not_be_read_is_not_written(tmp_path: Path, node: NewNode, key: str) -> None:
    with pytest.raises(PartyFileError) as caught:
        write_party_file(tmp_path / "new", node)
    assert caught.value.key == key
    assert not (tmp_path / "new").exists()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PartyFileError, match="its folder cannot be made: Not a directory"):
        write_party_file(tmp_path / "file" / "node", NODES[Role.ITEM])


def test_a_disk_that_refuses_is_named() -> None:
    with pytest.raises((PartyFileError, CheckpointError), match=r"/proc/self.*cannot be"):
        write_party_file(Path("/proc/self"), NODES[Role.ITEM])


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("10.0.0.1", Endpoint(host="10.0.0.1")),
        ("hub.example.org:443", Endpoint(host="hub.example.org", flower_port=443)),
        ("a:1:2", Endpoint(host="a", flower_port=1, hub_port=2)),
        ("::1", Endpoint(host="::1")),
        ("fe80::1:2", Endpoint(host="fe80::1:2")),
        ("[::1]", Endpoint(host="::1")),
        ("[::1]:443", Endpoint(host="::1", flower_port=443)),
        ("[::1]:443:444", Endpoint(host="::1", flower_port=443, hub_port=444)),
    ],
)
def test_a_coordinator_is_named_as_people_name_hosts(text: str, endpoint: Endpoint) -> None:
    assert endpoint_of(text) == endpoint


@pytest.mark.parametrize("text", ["a:b", "a:1:2:3", "[::1]:x", "https://a:1"])
def test_a_coordinator_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"port|int"):
        endpoint_of(text)
