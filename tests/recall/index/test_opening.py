import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from recall import (
    CompactIndex,
    ExtraMissingError,
    FlatIndex,
    ForeignIndexError,
    IndexAddressError,
    IndexServerError,
    Kind,
)
from recall.index.following import FollowingIndex
from recall.index.opening import COLLECTION, create_index, open_index
from recall.index.publishing import Publisher
from recall.index.stored import store_index
from tests.docs.pages import ROOT
from tests.recall.index.contract import COUNT, made_items, without_milvus

ASKED = made_items(3, seed=5)


def test_a_folder_with_versions_is_followed(tmp_path: Path) -> None:
    publisher = Publisher(tmp_path)
    publisher.publish(FlatIndex(made_items()))
    index = open_index(str(tmp_path))
    assert isinstance(index, FollowingIndex)
    publisher.publish(FlatIndex(made_items(9)))
    index.refresh()
    assert index.count == 9


@pytest.mark.parametrize("form", ["{}", "file://{}", "file://localhost{}"])
def test_a_folder_with_one_index_is_read(form: str, tmp_path: Path) -> None:
    folder = tmp_path / "with a space"
    store_index(CompactIndex.build(made_items(), kind=Kind.IVF_SQ8), folder)
    address = form.format(str(folder).replace(" ", "%20") if "file" in form else folder)
    index = open_index(address, threads=2)
    assert isinstance(index, CompactIndex)
    assert index.count == COUNT


def test_what_the_flat_index_saved_by_itself_is_read_too(tmp_path: Path) -> None:
    saved = FlatIndex(made_items())
    saved.save(tmp_path)
    index = open_index(str(tmp_path))
    for before, after in zip(saved.search(ASKED, 9), index.search(ASKED, 9), strict=True):
        np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "s3://bucket/index",
        "file://elsewhere/index",
        "milvus://",
        "milvus://user:secret@host:1/items",
        "milvus://host:1/items?timeout=1",
    ],
)
def test_an_address_that_means_nothing_is_refused_and_no_secret_repeated(address: str) -> None:
    with pytest.raises(IndexAddressError, match="address must be") as refused:
        open_index(address)
    assert "secret" not in str(refused.value)


def test_a_folder_without_an_index_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ForeignIndexError, match="no index here"):
        open_index(str(tmp_path))
    (tmp_path / "manifest.json").write_bytes(b"\xff")
    with pytest.raises(ForeignIndexError):
        open_index(str(tmp_path))


def test_only_milvus_makes_an_empty_index(tmp_path: Path) -> None:
    with pytest.raises(IndexAddressError, match="only Milvus"):
        create_index(str(tmp_path), dim=3)


@pytest.mark.skipif(find_spec("pymilvus") is not None, reason="pymilvus is installed")
@pytest.mark.parametrize("address", ["songs.db", "milvus://host:19530/songs"])
def test_without_pymilvus_the_extra_is_named(address: str) -> None:
    with pytest.raises(ExtraMissingError, match=r"fedrecall\[milvus\]"):
        open_index(address)


def test_nobody_imports_milvus_who_did_not_ask_for_it() -> None:
    asking = "import sys, recall, recall.index.opening; sys.exit('pymilvus' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", asking], cwd=ROOT, check=False, timeout=120)
    assert done.returncode == 0


@without_milvus
def test_a_collection_of_milvus_is_found_again_by_its_address(tmp_path: Path) -> None:
    for address in (f"{tmp_path}/songs.db", f"{tmp_path}/songs.db#others"):
        made = create_index(address, dim=4)
        made.add(made_items(20, 4), np.arange(20))
        made.close()  # type: ignore[attr-defined]
        with pytest.raises(ForeignIndexError, match="already"):
            create_index(address, dim=4)
        with open_index(address) as index:  # type: ignore[attr-defined]
            assert (index.count, index.dim) == (20, 4)
            best = FlatIndex(made_items(20, 4)).search(made_items(2, 4, seed=3), 5)
            found = index.search(made_items(2, 4, seed=3), 5)
            assert found[0].tolist() == best[0].tolist()
            np.testing.assert_allclose(found[1], best[1], rtol=1e-4)


@without_milvus
def test_a_collection_that_is_not_there_or_holds_something_else_is_refused(tmp_path: Path) -> None:
    address = f"{tmp_path}/songs.db"
    made = create_index(address, dim=4)
    client = made._client  # type: ignore[attr-defined]
    with pytest.raises(ForeignIndexError, match="no collection other"):
        open_index(f"{address}#other")
    client.create_collection("words", dimension=4, id_type="string", max_length=9)
    with pytest.raises(ForeignIndexError, match="other fields"):
        open_index(f"{address}#words")
    made.close()  # type: ignore[attr-defined]


@without_milvus
def test_a_server_that_does_not_answer_is_an_error_of_ours() -> None:
    with pytest.raises(IndexServerError, match="Milvus"):
        open_index(f"milvus://localhost:1/{COLLECTION}")


@without_milvus
def test_an_empty_collection_finds_nothing_and_takes_more_than_one_call(tmp_path: Path) -> None:
    index = create_index(f"{tmp_path}/songs.db", dim=2)
    assert index.count == 0
    assert index.search(np.ones((3, 2), np.float32), 5)[0].shape == (3, 0)
    index.add(np.ones((12_000, 2)), np.arange(12_000))
    assert index.count == 12_000
    index.remove(np.arange(11_000))
    assert index.count == 1_000
    index.close()  # type: ignore[attr-defined]
