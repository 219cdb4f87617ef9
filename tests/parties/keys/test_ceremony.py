from pathlib import Path

import pytest

import parties.keys
from parties.errors import KeysError, KeysExistError, RosterError
from parties.keys import load_keys, make_federation_keys, read_roster, request_of


def test_everything_has_its_place(tmp_path: Path) -> None:
    path = make_federation_keys(tmp_path / "a" / "b", ["social", "forum"])
    assert path == tmp_path / "a" / "b" / "roster.toml"
    assert {one.name for one in path.parent.iterdir()} == {
        "authority",
        "coordinator",
        "item",
        "social",
        "forum",
        "roster.toml",
    }
    assert read_roster(path).names == ("coordinator", "item", "social", "forum")
    assert request_of(path.parent / "coordinator").hosts == ("localhost", "127.0.0.1")


def test_no_party_holds_what_is_anothers_or_the_authoritys(made: Path) -> None:
    secrets = {
        path.relative_to(made): path.read_bytes()
        for path in made.rglob("*")
        if path.suffix == ".key"
    }
    assert len(set(secrets.values())) == len(secrets) == 1 + 2 + 3 * 3
    for path in made.rglob("*"):
        if path.is_file() and path.suffix != ".key":
            assert b"PRIVATE" not in path.read_bytes()


def test_a_second_federation_does_not_overwrite_the_first(made: Path) -> None:
    before = load_keys(made / "item").identity.public
    with pytest.raises(KeysExistError):
        make_federation_keys(made, ["video"])
    assert load_keys(made / "item").identity.public == before
    assert not (made / "video").exists()


@pytest.mark.parametrize("names", [["authority"], ["item"], ["hub"], ["So cial"], ["a", "a"]])
def test_names_that_do_not_go_are_refused(tmp_path: Path, names: list[str]) -> None:
    with pytest.raises(KeysError):
        make_federation_keys(tmp_path / "federation", names)


def test_a_federation_without_partners_is_none(tmp_path: Path) -> None:
    with pytest.raises(RosterError, match="at least one partner"):
        make_federation_keys(tmp_path / "federation", [])
    assert not (tmp_path / "federation" / "roster.toml").exists()


def test_the_package_offers_what_it_lists() -> None:
    assert len(set(parties.keys.__all__)) == len(parties.keys.__all__)
    public = {name for name in vars(parties.keys) if not name.startswith("_")}
    modules = {path.stem for path in Path(str(parties.keys.__file__)).parent.glob("*.py")}
    assert public - modules <= set(parties.keys.__all__)
    assert all(hasattr(parties.keys, name) for name in parties.keys.__all__)
