import json
from pathlib import Path

import faiss
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from recall import CorruptIndexError, FlatIndex, ForeignIndexError, Manifest, ShapeError
from recall.index.flat import MANIFEST


def made_index(count: int = 40, dim: int = 5, *, seed: int = 0) -> FlatIndex:
    rng = np.random.default_rng(seed)
    return FlatIndex(rng.normal(size=(count, dim)), ids=rng.permutation(10 * count)[:count])


def queries(batch: int = 7, dim: int = 5) -> np.ndarray:
    return np.random.default_rng(9).normal(size=(batch, dim)).astype(np.float32)


@given(
    st.integers(1, 30),
    st.integers(1, 9),
    st.integers(0, 25),
    st.integers(1, 40),
    st.integers(0, 99),
)
@settings(deadline=None, max_examples=50)
def test_search_finds_the_highest_inner_products(
    count: int, dim: int, batch: int, k: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(count, dim)).astype(np.float32)
    asked = rng.normal(size=(batch, dim)).astype(np.float32)
    ids, scores = FlatIndex(vectors).search(asked, k)
    every = asked @ vectors.T
    assert ids.shape == scores.shape == (batch, min(k, count))
    assert (ids.dtype, scores.dtype) == (np.int64, np.float32)
    best = -np.sort(-every, axis=1)[:, :k]
    np.testing.assert_allclose(scores, best, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(np.take_along_axis(every, ids, 1), best, rtol=1e-4, atol=1e-5)


def test_item_numbers_are_the_callers() -> None:
    index = FlatIndex(np.eye(3), ids=[70, 50, 60])
    assert index.search(np.array([[0, 0, 1]], dtype=np.float32), 1)[0].tolist() == [[60]]


def test_a_saved_index_answers_as_before(tmp_path: Path) -> None:
    index = made_index()
    manifest = index.save(tmp_path / "new" / "folder")
    again = FlatIndex.load(tmp_path / "new" / "folder", threads=2)
    assert (manifest.count, manifest.dim) == (again.count, again.dim) == (40, 5)
    for before, after in zip(index.search(queries(), 9), again.search(queries(), 9), strict=True):
        np.testing.assert_array_equal(before, after)


def test_saving_again_replaces_the_index_and_leaves_nothing_behind(tmp_path: Path) -> None:
    made_index(seed=1).save(tmp_path)
    manifest = made_index(30, seed=2).save(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {MANIFEST, manifest.data_name}
    assert FlatIndex.load(tmp_path).count == 30


def test_a_save_cut_short_leaves_the_old_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_index(seed=1).save(tmp_path)

    def disk_full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", disk_full)
    with pytest.raises(OSError, match="No space"):
        made_index(30, seed=2).save(tmp_path)
    assert FlatIndex.load(tmp_path).count == 40
    assert len(list(tmp_path.iterdir())) == 2


@given(st.data())
@settings(deadline=None, max_examples=40)
def test_a_flipped_bit_in_the_data_is_refused(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("flipped")
    path = folder / made_index(4, 2).save(folder).data_name
    content = bytearray(path.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content)
    with pytest.raises(CorruptIndexError, match="hash"):
        FlatIndex.load(folder)


@pytest.mark.parametrize("change", [-1, 1])
def test_data_of_another_length_are_refused_unread(tmp_path: Path, change: int) -> None:
    path = tmp_path / made_index().save(tmp_path).data_name
    path.write_bytes((path.read_bytes() + b"x")[: path.stat().st_size + change])
    with pytest.raises(CorruptIndexError, match="bytes, not"):
        FlatIndex.load(tmp_path)


def test_missing_data_are_refused(tmp_path: Path) -> None:
    (tmp_path / made_index().save(tmp_path).data_name).unlink()
    with pytest.raises(CorruptIndexError, match="missing"):
        FlatIndex.load(tmp_path)


def test_a_folder_without_an_index_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ForeignIndexError, match="no index here"):
        FlatIndex.load(tmp_path)
    (tmp_path / MANIFEST).write_bytes(b"\xff\xfe")
    with pytest.raises(ForeignIndexError, match="no index here"):
        FlatIndex.load(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"kind": "hnsw"},
        {"dim": 0},
        {"count": True},
        {"count": -3},
        {"sha256": "../../etc/passwd"},
        {"sha256": "A" * 64},
        {"extra": 1},
        {"dim": "5"},
    ],
)
def test_a_foreign_manifest_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    made_index().save(tmp_path)
    path = tmp_path / MANIFEST
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(ForeignIndexError, match=MANIFEST):
        FlatIndex.load(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "null", "{", '{"version": 1}'])
def test_a_manifest_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ForeignIndexError):
        Manifest.from_json(text)


@pytest.mark.parametrize(
    ("asked", "k", "reason"),
    [
        (np.zeros((1, 4)), 1, "4 numbers"),
        (np.zeros(5), 1, "matrix"),
        (np.full((1, 5), np.nan), 1, "NaN"),
        (np.zeros((1, 5)), 0, "k must be"),
    ],
)
def test_queries_that_do_not_fit_are_refused(asked: np.ndarray, k: int, reason: str) -> None:
    with pytest.raises(ShapeError, match=reason):
        made_index().search(asked, k)


@pytest.mark.parametrize(
    ("vectors", "ids", "threads"),
    [
        (np.empty((0, 3)), None, 1),
        (np.empty((3, 0)), None, 1),
        (np.zeros(3), None, 1),
        (np.full((2, 2), np.inf), None, 1),
        (np.zeros((2, 2)), [1, 1], 1),
        (np.zeros((2, 2)), [1], 1),
        (np.zeros((2, 2)), None, 0),
    ],
)
def test_vectors_that_make_no_index_are_refused(
    vectors: np.ndarray, ids: list[int] | None, threads: int
) -> None:
    with pytest.raises(ShapeError):
        FlatIndex(vectors, ids=ids, threads=threads)


def test_a_search_leaves_the_processs_thread_setting_alone() -> None:
    before = faiss.omp_get_max_threads()
    FlatIndex(np.eye(5), threads=before + 1).search(queries(), 2)
    assert faiss.omp_get_max_threads() == before


@given(hnp.arrays(np.float32, (6, 3), elements=st.floats(-8, 8, width=32)))
@settings(deadline=None, max_examples=25)
def test_any_finite_vectors_survive_the_disk(
    tmp_path_factory: pytest.TempPathFactory, vectors: np.ndarray
) -> None:
    folder = tmp_path_factory.mktemp("saved")
    index = FlatIndex(vectors)
    assert index.save(folder) == FlatIndex.load(folder).save(folder)
