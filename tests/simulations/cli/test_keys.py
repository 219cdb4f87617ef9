"""`fedrecall keys …`, as people type it."""

import base64
import datetime as dt
import json
import os
import shutil
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

from parties.keys import (
    Terms,
    fingerprint,
    grouped,
    load_keys,
    make_federation_keys,
    read_roster,
    request_of,
    sign_request,
)
from simulations.cli.program import run

NOW = dt.datetime.now(dt.UTC)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("federation")
    make_federation_keys(folder, ["social"], hosts=["fed.example.org"])
    return folder


@pytest.fixture
def keys(made: Path, tmp_path: Path) -> Path:
    return shutil.copytree(made, tmp_path / "federation")


def said(capfd: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    """Run `fedrecall keys` and give what it printed."""
    assert run(["keys", *map(str, arguments)]) == 0
    out, err = capfd.readouterr()
    assert err == ""
    return out


def refused(
    capfd: pytest.CaptureFixture[str], *arguments: str | Path, code: int = 1
) -> tuple[str, str]:
    """Run it, expect one line on stderr, and give both outputs."""
    assert run(["keys", *map(str, arguments)]) == code
    out, err = capfd.readouterr()
    assert err.startswith("error: ")
    assert err.count("\n") == 1, err
    return out, err


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def secrets_of(folder: Path) -> list[str]:
    """Lines of secret key files that must never be seen anywhere."""
    lines: list[str] = []
    for path in folder.rglob("*.key"):
        lines += [line for line in path.read_text().splitlines() if "-----" not in line]
    return lines


def test_the_ceremony_of_two_organisations_ends_in_keys_that_can_be_used(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    said(capfd, "new", "coordinator", "--role", "coordinator", "--host", "10.0.0.1")
    said(capfd, "new", "item", "--role", "item")
    told = said(capfd, "new", "social", "--role", "partner", "--name", "social")
    value = grouped(fingerprint(Path("social")).value)
    assert value in told
    assert "fedrecall keys show social" in told
    told = said(capfd, "new", "authority", "--authority", "--name", "our run")
    assert grouped(fingerprint(Path("authority")).value) in told
    for party in ("coordinator", "item", "social"):
        out = said(capfd, "fingerprint", party)
        heard = out.rpartition("  ")[0]
        out = said(capfd, "sign", "authority", f"{party}/tls.csr", "--fingerprint", heard)
        assert f"signed {party}" in out
        assert "call the party" not in out
        shutil.copyfile("authority/authority.crt", f"{party}/authority.crt")
    cards = [f"{party}/card.toml" for party in ("coordinator", "item", "social")]
    out = said(capfd, "roster", *cards, "--out", "roster.toml")
    assert grouped(read_roster(Path("roster.toml")).fingerprint()) in out
    assert said(capfd, "fingerprint", "roster.toml").strip() == (
        f"{grouped(read_roster(Path('roster.toml')).fingerprint())}  roster"
    )
    for party in ("coordinator", "item", "social"):
        assert load_keys(Path(party)).name == party


def test_everything_that_is_printed_is_public(
    keys: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    social, authority = keys / "social", keys / "authority"
    (keys / "social" / "tls.csr").unlink()
    outputs = [
        said(capfd, "show", social),
        said(capfd, "show", social, "--json"),
        said(capfd, "show", authority),
        said(capfd, "show", authority, "--json"),
        said(capfd, "csr", social),
        said(capfd, "fingerprint", social),
        said(capfd, "sign", authority, social / "tls.csr", "--out", keys / "new.crt"),
        said(capfd, "new", social, "--rotate"),
        said(capfd, "new", keys / "other", "--role", "item"),
        said(capfd, "new", keys / "ca", "--authority", "--name", "other"),
        *refused(capfd, "fingerprint", social / "tls.key"),
        *refused(capfd, "sign", authority, social / "tls.key"),
        *refused(capfd, "roster", social / "tls.key"),
    ]
    known = secrets_of(keys)
    assert len(known) > 10
    assert not [line for line in known if any(line in output for output in outputs)]


def test_the_card_that_is_shown_can_be_pasted_into_a_roster(
    keys: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    pasted = "".join(
        said(capfd, "show", keys / party) for party in ("coordinator", "item", "social")
    )
    (keys / "pasted.toml").write_text(pasted)
    assert read_roster(keys / "pasted.toml") == read_roster(keys / "roster.toml")


def test_a_state_for_people_and_for_machines(
    keys: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = keys / "social"
    shown = said(capfd, "show", folder)
    assert f"# fingerprint  {grouped(fingerprint(folder).value)}" in shown
    assert f"# certificate  valid until {load_keys(folder).expires:%Y-%m-%d %H:%M} UTC" in shown
    told = json.loads(said(capfd, "show", folder, "--json"))
    card = tomllib.loads(told.pop("card"))["party"][0]
    assert base64.b64decode(card["exchange"]) == load_keys(folder).identity.public
    assert told == {
        "name": "social",
        "role": "partner",
        "fingerprint": fingerprint(folder).value.hex(),
        "signed": True,
        "expires": load_keys(folder).expires.isoformat(),
        "warnings": [],
        "problem": None,
    }


def test_a_certificate_that_has_not_come_yet_is_no_failure(
    keys: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (keys / "social" / "tls.crt").unlink()
    assert f"none yet: let {keys}/social/tls.csr be signed" in said(capfd, "show", keys / "social")
    told = json.loads(said(capfd, "show", keys / "social", "--json"))
    assert (told["signed"], told["expires"], told["problem"]) == (False, None, None)


@pytest.mark.parametrize("as_json", [True, False])
def test_keys_that_cannot_be_used_are_shown_and_fail(
    keys: Path, capfd: pytest.CaptureFixture[str], as_json: bool
) -> None:
    (keys / "social" / "tls.key").chmod(0o644)
    out, err = refused(capfd, "show", keys / "social", *(["--json"] if as_json else []))
    assert f"chmod 600 {keys}/social/tls.key" in err
    if as_json:
        assert "chmod 600" in json.loads(out)["problem"]
    else:
        assert "# certificate  cannot be used now" in out


def test_the_last_days_of_a_certificate_are_shown(
    keys: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    _, signed = sign_request(keys / "authority", keys / "social" / "tls.csr", Terms(days=9))
    (keys / "social" / "tls.crt").write_bytes(signed)
    assert "# warning      " in said(capfd, "show", keys / "social")
    (warning,) = json.loads(said(capfd, "show", keys / "social", "--json"))["warnings"]
    assert "in 8 days" in warning


def test_an_authority_shows_what_it_has_signed(
    keys: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    shown = said(capfd, "show", keys / "authority")
    assert grouped(fingerprint(keys / "authority").value) in shown
    told = json.loads(said(capfd, "show", keys / "authority", "--json"))
    assert [one["name"] for one in told["signed"]] == ["coordinator", "item", "social"]
    for one in told["signed"]:
        assert f"signed       {one['name']}  {grouped(bytes.fromhex(one['tls']))}" in shown
    assert told["fingerprint"] == fingerprint(keys / "authority").value.hex()


def test_a_request_is_printed_as_it_is_and_made_anew_for_new_hosts(
    keys: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = keys / "coordinator"
    assert said(capfd, "csr", folder) == (folder / "tls.csr").read_text()
    assert request_of(folder).hosts == ("fed.example.org",)
    printed = said(capfd, "csr", folder, "--host", "b.example.org", "--host", "::1")
    assert printed == (folder / "tls.csr").read_text()
    assert request_of(folder).hosts == ("b.example.org", "::1")
    assert request_of(folder).pin == fingerprint(folder).value


def test_a_damaged_request_is_not_printed(keys: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (keys / "social" / "tls.csr").write_text("-----BEGIN CERTIFICATE REQUEST-----\n")
    out, err = refused(capfd, "csr", keys / "social")
    assert out == ""
    assert "tls.csr is no certificate request" in err


def test_a_certificate_goes_beside_its_request_and_overwrites_nothing(
    keys: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    csr = shutil.copyfile(keys / "social" / "tls.csr", keys / "from-social.csr")
    out = said(capfd, "sign", keys / "authority", csr)
    assert "call the party and compare" in out
    assert grouped(fingerprint(csr).value) in out
    assert fingerprint(keys / "from-social.crt").value == fingerprint(csr).value
    before = files(keys)
    assert "exists already" in refused(capfd, "sign", keys / "authority", csr)[1]
    assert files(keys) == before  # not even the list of what was signed


def test_the_coordinators_hosts_are_shown_to_whoever_signs_them(
    keys: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    csr = keys / "coordinator" / "tls.csr"
    out = said(capfd, "sign", keys / "authority", csr, "--out", keys / "c.crt", "--days", "9")
    assert "signed coordinator at fed.example.org" in out
    assert "9 days" in out


def test_a_request_that_was_swapped_on_its_way_is_not_signed(
    keys: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    heard = grouped(fingerprint(keys / "social").value)
    make_federation_keys(keys / "attacker", ["social"])
    before = files(keys)
    _, err = refused(
        capfd,
        "sign",
        keys / "authority",
        keys / "attacker" / "social" / "tls.csr",
        "--fingerprint",
        heard,
        "--out",
        keys / "new.crt",
        "--replace",
    )
    assert "is not the fingerprint given; call the party" in err
    assert files(keys) == before


def test_a_rotation_needs_the_word_of_whoever_signs(
    keys: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = keys / "social"
    before = fingerprint(folder)
    out = said(capfd, "new", folder, "--rotate")
    (old,) = folder.glob("old-*")
    assert str(old) in out
    assert fingerprint(old) == before != fingerprint(folder)
    _, err = refused(capfd, "sign", keys / "authority", folder / "tls.csr")
    assert "--replace" in err
    assert not (folder / "tls.crt").exists()
    said(capfd, "sign", keys / "authority", folder / "tls.csr", "--replace")
    assert load_keys(folder).name == "social"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "--role is needed"),
        (["--name", "social"], "--role is needed"),
        (["--role", "partner"], "a partner needs a name"),
        (["--role", "partner", "--name", "a", "--days", "9"], "--days goes with --authority"),
        (["--authority"], "--authority needs a name"),
        (["--authority", "--name", "a", "--role", "item"], "--role does not go with --authority"),
        (["--authority", "--name", "a", "--host", "b"], "--host does not go with --authority"),
        (["--authority", "--name", "a", "--rotate"], "--rotate does not go with --authority"),
        (["--rotate", "--name", "a"], "--name does not go with --rotate"),
        (["--rotate", "--role", "item"], "--role does not go with --rotate"),
    ],
)
def test_options_that_do_not_go_together_are_wrong_usage(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    _, err = refused(capfd, "new", tmp_path / "keys", *arguments, code=2)
    assert says in err
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--role", "item", "--name", "video"], "called 'item'"),
        (["--role", "partner", "--name", "hub"], "reserved"),
        (["--role", "partner", "--name", "a", "--host", "b"], "may not name hosts"),
        (["--role", "coordinator"], "give --host"),
        (["--authority", "--name", "a", "--days", "9999"], "--days 9999 is out of range"),
        (["--authority", "--name", "a", "--days", "0"], "--days 0 is out of range"),
        (["--rotate"], "is no folder"),
    ],
)
def test_keys_that_could_not_be_used_are_not_made(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    _, err = refused(capfd, "new", tmp_path / "keys", *arguments)
    assert says in err
    assert not any(tmp_path.iterdir())


def test_keys_are_not_overwritten(keys: Path, capfd: pytest.CaptureFixture[str]) -> None:
    before = files(keys)
    assert "exists already" in refused(capfd, "new", keys / "item", "--role", "item")[1]
    again = ("new", keys / "authority", "--authority", "--name", "a")
    assert "exists already" in refused(capfd, *again)[1]
    assert files(keys) == before


def test_a_roster_is_printed_with_its_fingerprint_as_a_comment(
    keys: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    cards = [keys / name / "card.toml" for name in ("coordinator", "item", "social")]
    out = said(capfd, "roster", *cards)
    (keys / "printed.toml").write_text(out)
    made = read_roster(keys / "printed.toml")
    assert made == read_roster(keys / "roster.toml")
    assert out.splitlines()[-1] == f"# fingerprint  {grouped(made.fingerprint())}"


def test_a_roster_that_cannot_be_is_not_written(
    keys: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = keys / "new.toml"
    cards = [keys / name / "card.toml" for name in ("coordinator", "item")]
    assert "at least one partner" in refused(capfd, "roster", *cards, "--out", out)[1]
    twice = [*cards, keys / "social" / "card.toml", keys / "social" / "card.toml"]
    assert "the same name" in refused(capfd, "roster", *twice, "--out", out)[1]
    assert not out.exists()
    _, err = refused(capfd, "roster", *twice[:3], "--out", keys / "roster.toml")
    assert "roster.toml exists already" in err


def test_a_fingerprint_for_machines(keys: Path, capfd: pytest.CaptureFixture[str]) -> None:
    told = json.loads(said(capfd, "fingerprint", keys / "social" / "tls.csr", "--json"))
    assert told == {
        "kind": "certificate request of social",
        "fingerprint": fingerprint(keys / "social").value.hex(),
    }


def test_the_defaults_that_help_states_are_those_of_the_package() -> None:
    module = import_module("simulations.cli.keys")
    assert module.AUTHORITY_DAYS == 1825
    assert module.CERTIFICATE_DAYS == 365


def test_nothing_is_left_for_others_to_read_whatever_the_umask(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = os.umask(0)
    try:
        said(capfd, "new", tmp_path / "item", "--role", "item")
        said(capfd, "new", tmp_path / "ca", "--authority", "--name", "our run")
    finally:
        os.umask(before)
    for path in tmp_path.rglob("*"):
        mode = path.stat().st_mode & 0o777
        secret = path.is_dir() or path.suffix == ".key"
        assert mode & (0o077 if secret else 0o022) == 0, (path, oct(mode))
