from pathlib import Path

import pytest

from simulations import data
from simulations.data import DATA_SETS, DataSet, LoadedData, data_root, load
from simulations.errors import DataSetMissingError
from tests.parties.tables.folder import make_folder


def test_a_folder_is_loaded_by_its_path(tmp_path: Path) -> None:
    loaded = load(str(make_folder(tmp_path)))
    assert loaded.name == "example"
    assert loaded.tables.item.triples is None
    assert loaded.tags is None


def test_triples_of_a_folder_are_given_as_they_are(tmp_path: Path) -> None:
    make_folder(tmp_path, triples="head,relation,tail\na,by,x\n")
    description = tmp_path / "federation.toml"
    text = description.read_text().replace('"events.csv"', '"events.csv"\ntriples = "triples.csv"')
    description.write_text(text)
    triples = load(str(tmp_path)).tables.item.triples
    assert triples is not None
    assert triples.to_numpy().tolist() == [["a", "by", "x"]]


@pytest.mark.parametrize("name", DATA_SETS)
def test_a_data_set_that_is_not_here_says_how_to_get_it(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataSetMissingError, match=f"fedrecall data fetch {name}") as caught:
        load(name, root=tmp_path)
    assert "FEDRECALL_DATA" in str(caught.value)


def test_what_is_neither_name_nor_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataSetMissingError, match=r"neither a data set \(lastfm-2k, lastfm-15k\)"):
        load(str(tmp_path))


def test_data_lies_where_the_variable_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEDRECALL_DATA", "/somewhere")
    assert data_root() == Path("/somewhere")


@pytest.mark.parametrize("value", [None, ""])
def test_data_lies_in_the_working_directory_otherwise(
    monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    monkeypatch.delenv("FEDRECALL_DATA", raising=False)
    if value is not None:
        monkeypatch.setenv("FEDRECALL_DATA", value)
    assert data_root() == Path("data")


def test_the_variable_is_where_data_sets_are_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FEDRECALL_DATA", str(tmp_path))
    with pytest.raises(DataSetMissingError, match=str(tmp_path)):
        load("lastfm-2k")


def test_a_data_set_can_be_added(tmp_path: Path) -> None:
    make_folder(tmp_path)

    def read(root: Path) -> LoadedData:
        return load(str(root))

    added = DataSet(name="mine", summary="three users", terms="mine", read=read)
    assert load("mine", data_sets={**DATA_SETS, "mine": added}, root=tmp_path).name == "example"


def test_what_the_package_exports_exists() -> None:
    assert len(set(data.__all__)) == len(data.__all__)
    for name in data.__all__:
        assert hasattr(data, name)
