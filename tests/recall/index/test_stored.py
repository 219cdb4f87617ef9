import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import faiss
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recall import (
    CompactIndex,
    CorruptIndexError,
    FlatIndex,
    ForeignIndexError,
    Kind,
    ReadOnlyIndexError,
    ShapeError,
)
from recall.index.faiss_index import FaissIndex
from recall.index.measuring import Measured
from recall.index.stored import DATA, MANIFEST, About, StoredManifest, load_index, store_index
from tests.recall.index.contract import COUNT, DIM, made_items, made_numbers

ABOUT = About(
    model="tower 7", data="catalogue", measured=Measured(k=9, recall=0.97, low=0.96, queries=50)
)
INTEGERS = ("number", "effort", "dim", "count", "size")


def made(kind: Kind) -> FaissIndex:
    if kind is Kind.FLAT_INNER_PRODUCT:
        return FlatIndex(made_items(), ids=made_numbers())
    index = CompactIndex.build(made_items(), kind=kind, ids=made_numbers())
    index.effort = index.efforts(5)[1]
    return index


@pytest.mark.parametrize("mapped", [True, False])
@pytest.mark.parametrize("kind", Kind)
def test_an_index_answers_from_the_disk_as_before(
    kind: Kind, mapped: bool, tmp_path: Path
) -> None:
    index = made(kind)
    manifest = store_index(index, tmp_path / "new" / "folder", ABOUT, number=4)
    again = load_index(tmp_path / "new" / "folder", mapped=mapped)
    assert (again.kind, again.dim, again.count, again.effort) == (kind, DIM, COUNT, index.effort)
    assert (manifest.number, manifest.model, manifest.data) == (4, "tower 7", "catalogue")
    assert manifest.measured == ABOUT.measured
    asked = made_items(6, seed=3)
    for before, after in zip(index.search(asked, 30), again.search(asked, 30), strict=True):
        np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind is not Kind.FLAT_INNER_PRODUCT])
def test_a_mapped_index_cannot_be_changed(kind: Kind, tmp_path: Path) -> None:
    store_index(made(kind), tmp_path)
    index = load_index(tmp_path)
    with pytest.raises(ReadOnlyIndexError, match="unmapped"):
        index.add(made_items(1), [1])
    with pytest.raises(ReadOnlyIndexError, match="unmapped"):
        index.remove(made_numbers()[:1])
    assert index.count == COUNT


@pytest.mark.parametrize("kind", Kind)
def test_an_unmapped_index_takes_new_songs(kind: Kind, tmp_path: Path) -> None:
    store_index(made(kind), tmp_path)
    index = load_index(tmp_path, mapped=False)
    index.add(made_items(3, seed=9), [1, 2, 3])
    index.remove(made_numbers()[:5])
    assert index.count == COUNT - 2
    assert np.isin([1, 2, 3], index.search(made_items(1, seed=9), COUNT)[0]).all()


@pytest.mark.parametrize("kind", Kind)
def test_a_mapped_index_outlives_its_files(kind: Kind, tmp_path: Path) -> None:
    store_index(made(kind), tmp_path)
    index = load_index(tmp_path)
    before = index.search(made_items(3, seed=3), COUNT)[0].tolist()
    for path in tmp_path.iterdir():
        path.unlink()
    assert index.search(made_items(3, seed=3), COUNT)[0].tolist() == before


@given(st.data())
@settings(deadline=None, max_examples=40)
def test_a_flipped_bit_is_refused_before_faiss_parses_it(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("flipped")
    store_index(made(data.draw(st.sampled_from([Kind.IVF_SQ8, Kind.FLAT_INNER_PRODUCT]))), folder)
    content = bytearray((folder / DATA).read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    (folder / DATA).write_bytes(content)
    with pytest.raises(CorruptIndexError, match="hash"):
        load_index(folder)


def cut(folder: Path) -> None:
    (folder / DATA).write_bytes((folder / DATA).read_bytes()[:-1])


def lengthened(folder: Path) -> None:
    (folder / DATA).write_bytes((folder / DATA).read_bytes() + b"x")


def missing(folder: Path) -> None:
    (folder / DATA).unlink()


@pytest.mark.parametrize("kind", [Kind.FLAT_INNER_PRODUCT, Kind.PQ_REFINED])
@pytest.mark.parametrize(
    ("damage", "reason"), [(cut, "bytes, not"), (lengthened, "bytes, not"), (missing, "missing")]
)
def test_data_that_are_not_whole_are_refused(
    kind: Kind, damage: Callable[[Path], None], reason: str, tmp_path: Path
) -> None:
    store_index(made(kind), tmp_path)
    damage(tmp_path)
    with pytest.raises(CorruptIndexError, match=reason):
        load_index(tmp_path)


def changed(folder: Path, change: dict[str, object]) -> None:
    found = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps({**found, **change}))


@pytest.mark.parametrize(
    "change",
    [
        {"format": 1},
        {"kind": "tree"},
        {"sha256": "../../etc/passwd"},
        {"sha256": "A" * 64},
        {"extra": 1},
        {"measured": {}},
        {"measured": 5},
        {"measured": {"k": 1, "recall": 1, "low": 1.0, "queries": 1}},
        {"created": 5},
        *({name: True} for name in INTEGERS),
        *({name: -1} for name in INTEGERS),
        *({name: "1"} for name in INTEGERS),
    ],
    ids=str,
)
def test_a_foreign_manifest_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    store_index(made(Kind.FLAT_INNER_PRODUCT), tmp_path)
    changed(tmp_path, change)
    with pytest.raises(ForeignIndexError, match=MANIFEST):
        load_index(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "null", "{", "{}", "[" * 100_000, '{"format": 2}'])
def test_a_manifest_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ForeignIndexError):
        StoredManifest.from_json(text)


def test_a_folder_without_an_index_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ForeignIndexError, match="no index here"):
        load_index(tmp_path)


@pytest.mark.parametrize(
    ("stored", "change"),
    [
        (Kind.PQ_REFINED, {"kind": "ivf-sq8"}),
        (Kind.IVF_SQ8, {"kind": "hnsw32"}),
        (Kind.HNSW, {"kind": "pq4-refined-sq8"}),
        (Kind.IVF_SQ8, {"kind": "flat-inner-product"}),
        (Kind.FLAT_INNER_PRODUCT, {"kind": "ivf-sq8"}),
        (Kind.FLAT_INNER_PRODUCT, {"dim": DIM + 1}),
        (Kind.IVF_SQ8, {"dim": DIM + 1}),
        (Kind.IVF_SQ8, {"count": COUNT + 1}),
    ],
)
def test_a_manifest_of_another_index_is_refused(
    stored: Kind, change: dict[str, object], tmp_path: Path
) -> None:
    store_index(made(stored), tmp_path)
    changed(tmp_path, change)
    with pytest.raises(CorruptIndexError, match=DATA):
        load_index(tmp_path)


def test_a_faiss_index_without_item_numbers_is_refused(tmp_path: Path) -> None:
    manifest = store_index(made(Kind.HNSW), tmp_path)
    bare = faiss.IndexHNSWFlat(DIM, 32, faiss.METRIC_INNER_PRODUCT)
    bare.add(made_items())
    faiss.write_index(bare, str(tmp_path / DATA))
    content = (tmp_path / DATA).read_bytes()
    assert manifest.size != len(content)
    changed(tmp_path, {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()})
    with pytest.raises(CorruptIndexError, match="no index of GraphEngine"):
        load_index(tmp_path)


def test_no_threads_are_refused(tmp_path: Path) -> None:
    store_index(made(Kind.FLAT_INNER_PRODUCT), tmp_path)
    with pytest.raises(ShapeError, match="threads"):
        load_index(tmp_path, threads=0)
