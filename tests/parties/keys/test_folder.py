import datetime as dt
import errno
import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import load_ssh_private_key, load_ssh_public_key

from parties.errors import (
    ExposedKeyError,
    KeyFormatError,
    KeyMismatchError,
    KeysError,
    KeysExistError,
    KeysMissingError,
    RosterError,
    SigningRefusedError,
)
from parties.keys import (
    NewParty,
    fingerprint,
    make_keys,
    read_card,
    renew_request,
    request_of,
    rotate_keys,
)
from parties.keys.folder import read_private_key, read_tls_key
from parties.role import Role
from tests.parties.keys.test_roster import openssh

SOCIAL = NewParty(name="social", role=Role.PARTNER)
COORDINATOR = NewParty(name="coordinator", role=Role.COORDINATOR, hosts=("10.0.0.1",))
NOW = dt.datetime(2027, 3, 4, 5, 6, 7, tzinfo=dt.UTC)
SECRETS = {"exchange.key", "tls.key", "node.key"}


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_a_party_gets_all_its_keys_and_nobody_else_may_read_the_secret_ones(
    tmp_path: Path,
) -> None:
    entry = make_keys(tmp_path / "keys", SOCIAL)
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "keys").iterdir()}
    assert modes.keys() == SECRETS | {"tls.csr", "node.pub", "card.toml"}
    assert {name for name, mode in modes.items() if mode == 0o600} >= SECRETS
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o700
    assert read_card(tmp_path / "keys" / "card.toml") == entry
    assert (entry.name, entry.role) == ("social", Role.PARTNER)


def test_the_coordinator_gets_no_node_key_and_is_named_at_its_hosts(tmp_path: Path) -> None:
    entry = make_keys(tmp_path / "keys", COORDINATOR)
    assert not entry.node
    assert not {path.name for path in (tmp_path / "keys").glob("node*")}
    assert request_of(tmp_path / "keys").hosts == ("10.0.0.1",)


def test_the_nodes_key_is_read_by_openssh_and_is_the_one_on_the_card(tmp_path: Path) -> None:
    entry = make_keys(tmp_path, SOCIAL)
    private = load_ssh_private_key((tmp_path / "node.key").read_bytes(), None)
    assert openssh(private) == entry.node  # type: ignore[arg-type]  # P-384, as the card checks
    load_ssh_public_key((tmp_path / "node.pub").read_bytes())


def test_no_two_makings_share_a_key(tmp_path: Path) -> None:
    for name in "ab":
        make_keys(tmp_path / name, SOCIAL)
    first, second = (contents(tmp_path / name) for name in "ab")
    assert all(first[name] != second[name] for name in first)


@pytest.mark.parametrize("name", ["exchange.key", "tls.key", "node.key", "tls.csr", "card.toml"])
def test_keys_are_never_overwritten(tmp_path: Path, name: str) -> None:
    make_keys(tmp_path, SOCIAL)
    for path in tmp_path.iterdir():
        if path.name != name:
            path.unlink()
    kept = contents(tmp_path)
    with pytest.raises(KeysExistError, match=f"{name} exists already"):
        make_keys(tmp_path, SOCIAL)
    assert contents(tmp_path) == kept


@pytest.mark.parametrize(
    ("party", "says"),
    [
        (NewParty(name="item", role=Role.PARTNER), "reserved"),
        (NewParty(name="social", role=Role.ITEM), "called 'item'"),
        (NewParty(name="../up", role=Role.PARTNER), "not a partner name"),
        (NewParty(name="coordinator", role=Role.COORDINATOR), "must name a host"),
        (NewParty(name="social", role=Role.PARTNER, hosts=("a.org",)), "may not name hosts"),
    ],
)
def test_a_party_that_cannot_be_leaves_nothing(tmp_path: Path, party: NewParty, says: str) -> None:
    with pytest.raises(KeysError, match=says):
        make_keys(tmp_path / "keys", party)
    assert not any(tmp_path.iterdir())


def test_a_rotation_makes_all_keys_new_and_keeps_the_old_ones(keys: Path) -> None:
    folder = keys / "social"
    before = contents(folder)
    entry, old = rotate_keys(folder, now=NOW)
    after = contents(folder)
    assert contents(old) == {
        name: data for name, data in before.items() if name != "authority.crt"
    }
    assert old.name.startswith("old-20270304T050607")
    assert old.stat().st_mode & 0o777 == 0o700
    assert after.keys() == before.keys() - {"tls.crt"}  # it was for the old key
    assert all(after[name] != before[name] for name in after.keys() - {"authority.crt"})
    assert after["authority.crt"] == before["authority.crt"]
    assert entry == read_card(folder / "card.toml")
    assert (entry.name, entry.role) == ("social", Role.PARTNER)
    assert {path.name for path in folder.iterdir() if path.is_dir()} == {old.name}


def test_rotations_in_one_second_keep_each_others_keys(keys: Path) -> None:
    folders = {rotate_keys(keys / "item", now=NOW)[1] for _ in range(3)}
    assert len(folders) == 3
    assert len({(folder / "tls.key").read_bytes() for folder in folders}) == 3


def test_a_rotated_coordinator_keeps_its_hosts_unless_it_gets_others(keys: Path) -> None:
    folder = keys / "coordinator"
    rotate_keys(folder)
    assert request_of(folder).hosts == ("fed.example.org", "10.0.0.1")
    rotate_keys(folder, hosts=["b.example.org"])
    assert request_of(folder).hosts == ("b.example.org",)


def test_only_keys_can_be_rotated(keys: Path, tmp_path: Path) -> None:
    with pytest.raises(KeysMissingError, match="is no folder"):
        rotate_keys(tmp_path / "nowhere")
    (keys / "social" / "card.toml").unlink()
    kept = contents(keys / "social")
    with pytest.raises(KeysMissingError, match=r"card\.toml is not there; make keys with"):
        rotate_keys(keys / "social")
    assert contents(keys / "social") == kept


def test_a_rotation_for_which_there_is_no_room_changes_nothing(
    keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = contents(keys / "social")

    def refuse(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(KeysError, match="No space left"):
        rotate_keys(keys / "social")
    assert contents(keys / "social") == kept
    assert not [path for path in (keys / "social").iterdir() if path.is_dir()]


def test_a_rotation_that_stops_half_way_loses_no_key_and_says_where_all_are(
    keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = keys / "social"
    before = contents(folder)
    rename = Path.rename

    def break_at(path: Path, target: Path) -> Path:
        if path.name == "tls.csr":
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", break_at)
    with pytest.raises(KeysError, match=r"rotation stopped.*old keys are in .*/old-.*/\.new-"):
        rotate_keys(folder)
    (old,), (new,) = folder.glob("old-*"), folder.glob(".new-*")
    assert {**contents(folder), **contents(old)} == before
    assert contents(new).keys() >= SECRETS


def test_a_request_is_made_anew_under_the_same_key(keys: Path) -> None:
    folder = keys / "coordinator"
    pin = request_of(folder).pin
    renew_request(folder, hosts=["b.example.org"])
    assert request_of(folder).hosts == ("b.example.org",)
    assert request_of(folder).pin == pin == fingerprint(folder).value


def test_a_request_is_not_made_for_a_key_that_is_not_the_cards(keys: Path) -> None:
    (keys / "social" / "tls.key").write_bytes((keys / "forum" / "tls.key").read_bytes())
    with pytest.raises(KeyMismatchError, match=r"tls\.key is not the key that card\.toml"):
        renew_request(keys / "social", hosts=[])


def test_a_party_other_than_the_coordinator_is_certified_at_no_host(keys: Path) -> None:
    kept = contents(keys / "social")
    with pytest.raises(KeyFormatError, match="may not name hosts"):
        renew_request(keys / "social", hosts=["a.example.org"])
    assert contents(keys / "social") == kept


def test_a_request_that_is_gone_or_damaged_is_named(keys: Path) -> None:
    path = keys / "social" / "tls.csr"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(SigningRefusedError, match=r"tls\.csr is no certificate request"):
        request_of(keys / "social")
    path.unlink()
    with pytest.raises(KeysMissingError, match="make it anew with: fedrecall keys csr"):
        request_of(keys / "social")


def test_a_card_that_was_spoilt_is_named(keys: Path) -> None:
    path = keys / "social" / "card.toml"
    path.write_text(path.read_text().replace("partner", "parter"))
    with pytest.raises(RosterError, match=r"card\.toml, party 1 \('social'\): 'role' must be"):
        rotate_keys(keys / "social")


@pytest.mark.parametrize("data", [b"", b"-----BEGIN PRIVATE KEY-----\nTOPSECRET", b"\xff" * 99])
def test_a_damaged_key_is_refused_without_quoting_it(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "tls.key"
    path.write_bytes(data)
    path.chmod(0o600)
    with pytest.raises(KeyFormatError, match=r"tls\.key is no unencrypted") as caught:
        read_private_key(path)
    assert "TOPSECRET" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_key_of_another_kind_is_refused(keys: Path) -> None:
    exchange = keys / "social" / "exchange.key"
    with pytest.raises(KeyFormatError, match=r"exchange\.key must be a P-256 key"):
        read_tls_key(exchange)
    exchange.chmod(0o640)
    with pytest.raises(ExposedKeyError):
        read_tls_key(exchange)


def test_an_encrypted_key_is_refused_since_nobody_could_type_the_password(tmp_path: Path) -> None:
    from_openssl = (
        b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAc"
        b"BAhLr\n-----END ENCRYPTED PRIVATE KEY-----\n"
    )
    (tmp_path / "tls.key").write_bytes(from_openssl)
    (tmp_path / "tls.key").chmod(0o600)
    with pytest.raises(KeyFormatError, match="no unencrypted private key"):
        read_tls_key(tmp_path / "tls.key")
