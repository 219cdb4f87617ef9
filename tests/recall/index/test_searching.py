"""What a search checks, shares and gives back, whatever is done to make it quick."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import faiss
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recall import CompactIndex, FlatIndex, Kind, ShapeError
from recall.index import FollowingIndex, Publisher, load_index, store_index
from recall.index.arrays import require_finite
from recall.index.engine import FlatEngine, sum_of_squares
from recall.index.stored import DATA
from tests.recall.index.contract import COUNT, DIM, made_items, made_numbers

BAD = (np.nan, np.inf, -np.inf)
COMPACT = [kind for kind in Kind if kind is not Kind.FLAT_INNER_PRODUCT]


@pytest.fixture(scope="module")
def index() -> CompactIndex:
    return thorough(Kind.IVF_SQ8)


def thorough(kind: Kind, *, dim: int = DIM) -> CompactIndex:
    """An index whose lists do not come out short, so that no search has to be made again."""
    made = CompactIndex.build(made_items(dim=dim), kind=kind, ids=made_numbers())
    made.effort = made.efforts(20)[-1]
    return made


@given(
    shape=st.tuples(st.integers(0, 5), st.integers(1, 70)),
    bad=st.sampled_from(BAD),
    data=st.data(),
)
def test_one_bad_number_anywhere_shows_in_the_sum(
    shape: tuple[int, int], bad: float, data: st.DataObject
) -> None:
    rows = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    assert sum_of_squares(rows) == pytest.approx(np.square(rows).sum(), rel=1e-4)
    if rows.size:
        rows.flat[data.draw(st.integers(0, rows.size - 1))] = bad
        assert not np.isfinite(sum_of_squares(rows))
        with pytest.raises(ShapeError, match="hold NaN or infinity"):
            require_finite(rows, "queries")


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("bad", BAD)
def test_a_bad_number_at_any_place_of_a_query_is_refused(
    index: CompactIndex, batch: int, bad: float
) -> None:
    for place in np.ndindex(batch, DIM):
        asked = made_items(batch, seed=5)
        asked[place] = bad
        with pytest.raises(ShapeError, match="queries hold NaN or infinity"):
            index.search(asked, 5)


def test_two_infinities_that_cancel_are_refused_too(index: CompactIndex) -> None:
    asked = made_items(1, seed=5)
    asked[0, :2] = np.inf, -np.inf
    with pytest.raises(ShapeError, match="NaN or infinity"):
        index.search(asked, 5)


def test_large_numbers_whose_squares_overflow_are_answered(index: CompactIndex) -> None:
    asked = made_items(4, seed=5)
    ids, scores = index.search(asked, 20)
    large = np.float32(2.0**100)
    assert not np.isfinite(sum_of_squares(large * asked))
    many, high = index.search(large * asked, 20)
    np.testing.assert_array_equal(many, ids)
    np.testing.assert_allclose(high / large, scores, rtol=1e-5)


@pytest.mark.parametrize(
    "written",
    [
        np.ndarray.tolist,
        np.asfortranarray,
        lambda rows: rows.astype(np.float64),
        lambda rows: rows.astype(">f4"),
        lambda rows: np.repeat(rows, 2, axis=1)[:, ::2],
        lambda rows: np.frombuffer(rows.tobytes(), np.float32).reshape(rows.shape),
    ],
    ids=["list", "columns first", "doubles", "big-endian", "strided", "read-only"],
)
def test_queries_may_be_any_array_of_numbers(
    index: CompactIndex, written: Callable[[np.ndarray], np.ndarray]
) -> None:
    asked = made_items(4, seed=5)
    expected = index.search(asked, 20)
    for one, other in zip(index.search(written(asked), 20), expected, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("kind", COMPACT)
@pytest.mark.parametrize("mapped", [True, False])
def test_answers_are_those_of_faiss_itself_over_the_same_file(
    kind: Kind, mapped: bool, tmp_path: Path
) -> None:
    store_index(thorough(kind, dim=8), tmp_path)
    ours = load_index(tmp_path, mapped=mapped)
    bare = faiss.read_index(str(tmp_path / DATA), faiss.IO_FLAG_MMAP_IFC if mapped else 0)
    asked, k = made_items(30, dim=8, seed=5), 15
    batched = ours.search(asked, k)
    for row in range(len(asked)):
        scores, found = bare.search(asked[row : row + 1], k)
        assert found[0, -1] >= 0  # a short list would be filled from all cells
        ids, values = ours.search(asked[row : row + 1], k)
        np.testing.assert_array_equal(ids, found)
        np.testing.assert_array_equal(values, scores)
        np.testing.assert_array_equal(batched[0][row : row + 1], found)


def test_an_answer_is_the_callers_own(index: CompactIndex) -> None:
    asked = made_items(1, seed=5)
    ids, scores = index.search(asked, 20)
    kept = ids.copy(), scores.copy()
    index.search(made_items(1, seed=6), 20)[0][:] = -7
    np.testing.assert_array_equal(ids, kept[0])
    np.testing.assert_array_equal(scores, kept[1])
    ids[:], scores[:] = -1, 0
    for one, other in zip(index.search(asked, 20), kept, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("kind", Kind)
def test_threads_that_share_an_index_get_what_one_alone_gets(kind: Kind, tmp_path: Path) -> None:
    made = (
        FlatIndex(made_items(), ids=made_numbers())
        if kind is Kind.FLAT_INNER_PRODUCT
        else thorough(kind)
    )
    store_index(made, tmp_path)
    index, asked = load_index(tmp_path), made_items(200, seed=5)
    alone = [index.search(asked[row : row + 1], 20) for row in range(len(asked))]

    def search(turn: int) -> bool:
        rows = np.random.default_rng(turn).permutation(len(asked))
        answers = ((row, index.search(asked[row : row + 1], 20)) for row in rows)
        return all(
            np.array_equal(one, other)
            for row, answer in answers
            for one, other in zip(answer, alone[row], strict=True)
        )

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(search, range(8)))


def test_threads_never_find_an_item_that_left_the_version_they_search(tmp_path: Path) -> None:
    """Items leave the publisher's own index; readers share the versions that it publishes."""
    mine = CompactIndex.build(made_items(), kind=Kind.IVF_SQ8, ids=made_numbers())
    publisher, asked = Publisher(tmp_path, keep=2), made_items(1, seed=5)
    held = {publisher.publish(mine).number: set(mine.ids.tolist())}
    index, over, searches, failures = FollowingIndex(tmp_path), threading.Event(), [], []

    def search() -> None:
        while not over.is_set():
            version = index.held
            found = version.index.search(asked, COUNT)[0][0].tolist()
            searches.append(version.manifest.number)
            if sorted(found) != sorted(held[version.manifest.number]):
                failures.append(version.manifest.number)

    threads = [threading.Thread(target=search) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(2, 22):
        mine.remove(made_numbers()[10 * number : 10 * number + 10])
        held[number] = set(mine.ids.tolist())
        assert publisher.publish(mine).number == number
        assert index.refresh()
    over.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(set(searches)) > 2
    assert index.count == mine.count == COUNT - 200


def test_an_index_counts_again_when_memory_runs_out_amid_a_change(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    index = FlatIndex(made_items(), ids=made_numbers())
    whole = FlatEngine.add

    def cut_short(engine: FlatEngine, vectors: np.ndarray, ids: np.ndarray) -> None:
        whole(engine, vectors[:1], ids[:1])
        raise MemoryError

    monkeypatch.setattr(FlatEngine, "add", cut_short)
    with pytest.raises(MemoryError):
        index.add(made_items(2, seed=9), [1, 2])
    assert index.count == len(index.ids) == COUNT + 1
    assert index.search(made_items(1), 2 * COUNT)[0].shape == (1, COUNT + 1)


@pytest.mark.parametrize("beyond", [0, 1])
def test_a_search_leaves_the_threads_of_the_process_as_they_were(
    index: CompactIndex, beyond: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1 + beyond)
    try:
        index.search(made_items(1), 5)
        assert faiss.omp_get_max_threads() == 1 + beyond
        monkeypatch.setattr(index._engine, "_native", None)
        with pytest.raises(AttributeError):
            index.search(made_items(1), 5)
        assert faiss.omp_get_max_threads() == 1 + beyond
    finally:
        faiss.omp_set_num_threads(before)
