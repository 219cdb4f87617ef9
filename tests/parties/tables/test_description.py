from pathlib import Path

import pytest

from parties.errors import DescriptionError, EncodingError, MissingFileError
from parties.tables import ColumnKind, read_description
from parties.tables.description import check_partner_name
from tests.parties.tables.folder import DESCRIPTION, make_folder


def refusal(folder: Path, description: str) -> DescriptionError:
    make_folder(folder, description=description)
    with pytest.raises(DescriptionError) as caught:
        read_description(folder)
    assert caught.value.file == folder / "federation.toml"
    return caught.value


def test_a_description_names_every_partys_files(tmp_path: Path) -> None:
    description = read_description(make_folder(tmp_path))
    assert description.name == "example"
    assert description.item_party.events == tmp_path / "events.csv"
    assert description.item_party.items is None
    assert [partner.name for partner in description.partners] == ["social", "bank"]
    assert description.partners[1].users == tmp_path / "bank.csv"
    assert description.partners[1].sensitive == ("age",)


def test_column_kinds_can_be_declared_for_every_table(tmp_path: Path) -> None:
    text = DESCRIPTION.replace(
        'events = "events.csv"',
        'events = "events.csv"\nitems = "items.csv"\n'
        '[item_party.item_columns]\ngenre = "multi"\n'
        '[item_party.user_columns]\nyear = "numeric"',
    )
    text += '[partner.columns]\nplan = "categorical"\n'
    description = read_description(make_folder(tmp_path, description=text))
    assert description.item_party.item_columns == {"genre": ColumnKind.MULTI}
    assert description.item_party.user_columns == {"year": ColumnKind.NUMERIC}
    assert description.partners[0].columns == {}
    assert description.partners[1].columns == {"plan": ColumnKind.CATEGORICAL}


def test_a_folder_without_a_description_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"federation\.toml"):
        read_description(tmp_path)


def test_a_toml_syntax_error_is_reported_with_its_line(tmp_path: Path) -> None:
    error = refusal(tmp_path, DESCRIPTION.replace('users = "social.csv"', "users = social.csv"))
    assert error.line == 8
    assert "line 8" in str(error)


def test_an_unfinished_toml_file_is_refused(tmp_path: Path) -> None:
    assert "not valid TOML" in str(refusal(tmp_path, 'name = "exam'))


def test_a_description_that_is_not_utf_8_is_refused_with_its_line(tmp_path: Path) -> None:
    make_folder(tmp_path, description=b'[item_party]\nevents = "\xe9.csv"\n')
    with pytest.raises(EncodingError) as caught:
        read_description(tmp_path)
    assert caught.value.line == 2


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('name = "example"', 'name = "example"\ncolour = 1', "'colour'"),
        ('events = "events.csv"', 'events = "events.csv"\nlog = "x.csv"', "'log'"),
        ('users = "bank.csv"', 'users = "bank.csv"\nsensitve = []', "'sensitve'"),
        ('name = "example"', "", "'name' is missing"),
        ('name = "example"', "name = 7", "'name' must be a non-empty string"),
        ('events = "events.csv"', "", "'events' is missing"),
        ("[item_party]", "[item-party]", "'item-party'"),
        ('name = "bank"', 'name = "social"', "two partners are named 'social'"),
        ('name = "bank"', 'name = "The Bank"', "'The Bank' is not a partner name"),
        ('name = "bank"', 'name = "-bank"', "'-bank' is not a partner name"),
        ('name = "bank"', 'name = "bank\\n"', "is not a partner name"),
        ('name = "bank"', 'name = "hub"', "'hub' is reserved"),
        ('users = "bank.csv"', 'users = "social.csv"', "'social.csv' is named twice"),
        ('users = "bank.csv"', 'users = "events.csv"', "'events.csv' is named twice"),
        ('users = "bank.csv"', 'users = "../bank.csv"', "leaves the folder"),
        ('users = "bank.csv"', 'users = "/etc/passwd"', "leaves the folder"),
        ('sensitive = ["age"]', 'sensitive = "age"', "'sensitive' must be a list"),
        ('sensitive = ["age"]', "sensitive = [1]", "'sensitive' must be a list"),
        ('sensitive = ["age"]', 'columns.age = "number"', "columns.age = 'number'"),
        ('sensitive = ["age"]', "columns.age = []", "the kinds are numeric"),
        ('sensitive = ["age"]', "columns = 1", "'columns' must be a table"),
    ],
)
def test_what_a_description_may_not_say_is_named(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    assert old in DESCRIPTION
    assert said in str(refusal(tmp_path, DESCRIPTION.replace(old, new)))


def test_a_description_without_item_party_is_refused(tmp_path: Path) -> None:
    error = refusal(tmp_path, 'name = "x"\n[[partner]]\nname = "a"\nusers = "a.csv"\n')
    assert "[item_party] is missing" in str(error)


@pytest.mark.parametrize("partners", ["", "partner = []", "partner = 1"])
def test_a_description_without_partners_is_refused(tmp_path: Path, partners: str) -> None:
    text = f'name = "x"\n{partners}\n[item_party]\nevents = "events.csv"\n'
    assert "at least one [[partner]]" in str(refusal(tmp_path, text))


def test_a_partner_that_is_no_table_is_refused(tmp_path: Path) -> None:
    text = 'name = "x"\npartner = [1]\n[item_party]\nevents = "events.csv"\n'
    assert "must be tables" in str(refusal(tmp_path, text))


def test_a_link_that_leaves_the_folder_is_refused(tmp_path: Path) -> None:
    outside = tmp_path / "outside.csv"
    outside.write_text("user_id,a\n1,2\n")
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "link.csv").symlink_to(outside)
    error = refusal(folder, DESCRIPTION.replace("bank.csv", "link.csv"))
    assert "leaves the folder" in str(error)


@pytest.mark.parametrize("name", ["a", "telecom-2", "x" * 32])
def test_short_lower_case_names_are_partner_names(name: str) -> None:
    assert check_partner_name(name) is None


@pytest.mark.parametrize(
    "name", ["", "x" * 33, "Bank", "a b", "a/b", "a\n", "item", "coordinator", "hub"]
)
def test_other_names_are_not(name: str) -> None:
    assert check_partner_name(name) is not None
