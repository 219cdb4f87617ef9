"""What every index promises that can be changed, wherever its vectors are."""

from collections.abc import Iterator
from contextlib import closing, nullcontext
from pathlib import Path

import numpy as np
import pytest

from recall import EditableIndex, ItemNumberError, RecallError, ShapeError
from tests.recall.index.contract import CASES, COUNT, DIM, FAR, Maker, made_items, made_numbers


@pytest.fixture(params=CASES)
def index(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[EditableIndex]:
    make: Maker = request.param
    made = make(tmp_path)
    with closing(made) if hasattr(made, "close") else nullcontext():
        yield made


def queries(batch: int = 9) -> np.ndarray:
    return made_items(batch, seed=5)


def answers(index: EditableIndex, k: int = 20) -> list[list[int]]:
    return index.search(queries(), k)[0].tolist()


def test_it_says_what_it_holds(index: EditableIndex) -> None:
    assert (index.dim, index.count) == (DIM, COUNT)


def test_lists_are_of_different_known_items_best_first(index: EditableIndex) -> None:
    ids, scores = index.search(queries(), 20)
    assert ids.shape == scores.shape == (9, 20)
    assert (ids.dtype, scores.dtype) == (np.int64, np.float32)
    assert np.isin(ids, made_numbers()).all()
    assert all(len(set(row)) == 20 for row in ids.tolist())
    assert (np.diff(scores, axis=1) <= 1e-6).all()


def test_scores_are_inner_products(index: EditableIndex) -> None:
    ids, scores = index.search(queries(), 20)
    place = {number: row for row, number in enumerate(made_numbers().tolist())}
    items = made_items()[[[place[number] for number in row] for row in ids.tolist()]]
    exact = np.einsum("qd,qkd->qk", queries(), items)
    # A six-bit number is off by 1/128 of its range at most.
    bound = 1e-4 + np.abs(queries()).sum(axis=1) * np.ptp(made_items(), axis=0).max() / 100
    assert (np.abs(scores - exact) <= bound[:, np.newaxis]).all()


def test_most_of_the_best_items_are_found(index: EditableIndex) -> None:
    exact = queries() @ made_items().T
    best = made_numbers()[np.argsort(-exact, axis=1)[:, :20]]
    found = [np.isin(row, true).mean() for row, true in zip(answers(index), best, strict=True)]
    assert np.mean(found) > 0.5  # untuned; of what tuning reaches, see test_choosing.py


def test_more_than_there_are_gives_every_item_once(index: EditableIndex) -> None:
    ids, _ = index.search(queries(2), COUNT + 50)
    assert ids.shape == (2, COUNT)
    assert all(sorted(row) == sorted(made_numbers().tolist()) for row in ids.tolist())


def test_no_queries_get_no_lists(index: EditableIndex) -> None:
    ids, scores = index.search(np.empty((0, DIM), np.float32), 5)
    assert ids.shape == scores.shape == (0, 5)


def test_a_new_item_is_found_without_training_again(index: EditableIndex) -> None:
    towards = queries(1) / np.linalg.norm(queries(1))
    index.add(7 * towards, [2])
    assert index.count == COUNT + 1
    assert index.search(queries(1), 3)[0][0, 0] == 2


def test_a_removed_item_is_never_found_again(index: EditableIndex) -> None:
    gone = answers(index)[0][:7]
    index.remove(gone)
    assert index.count == COUNT - 7
    everything, _ = index.search(queries(1), COUNT)
    assert not np.isin(everything, gone).any()


def test_what_stays_keeps_its_scores(index: EditableIndex) -> None:
    before = dict(zip(*(each[0].tolist() for each in index.search(queries(), COUNT)), strict=True))
    gone = made_numbers()[::3]
    index.remove(gone)
    ids, scores = (each[0] for each in index.search(queries(), COUNT))
    assert set(ids.tolist()) == set(made_numbers().tolist()) - set(gone.tolist())
    np.testing.assert_allclose(scores, [before[number] for number in ids.tolist()], atol=1e-4)


def test_an_item_may_come_back(index: EditableIndex) -> None:
    number = int(made_numbers()[0])
    index.remove([number])
    index.add(made_items()[:1], [number])
    assert index.count == COUNT
    assert number in index.search(made_items()[:1], COUNT)[0]


def test_adding_and_removing_nothing_changes_nothing(index: EditableIndex) -> None:
    before = answers(index)
    index.add(np.empty((0, DIM)), np.empty(0, np.int64))
    index.remove([])
    assert answers(index) == before


@pytest.mark.parametrize(
    ("vectors", "ids", "error", "reason"),
    [
        (
            np.zeros((1, DIM)),
            [FAR],
            ItemNumberError,
            "in the index already, such as 1099511627776",
        ),
        (np.zeros((2, DIM)), [1, FAR], ItemNumberError, "1 items are in the index"),
        (np.zeros((2, DIM)), [1, 1], ShapeError, "different item numbers"),
        (np.zeros((2, DIM)), [1], ShapeError, "different item numbers"),
        (np.zeros((1, DIM)), [-1], ShapeError, "at least 0"),
        (np.zeros((1, DIM)), [1.0], ShapeError, "64-bit integers"),
        (np.zeros((1, DIM)), np.array([2**63], np.uint64), ShapeError, "64-bit integers"),
        (np.zeros((1, DIM + 1)), [1], ShapeError, "8 numbers, the index 7"),
        (np.zeros(DIM), [1], ShapeError, "matrix"),
        (np.full((1, DIM), np.nan), [1], ShapeError, "NaN"),
        (np.full((1, DIM), -np.inf), [1], ShapeError, "infinity"),
    ],
)
def test_items_that_do_not_fit_are_refused_and_change_nothing(
    index: EditableIndex,
    vectors: np.ndarray,
    ids: list[int],
    error: type[RecallError],
    reason: str,
) -> None:
    before = answers(index)
    with pytest.raises(error, match=reason):
        index.add(vectors, ids)
    assert index.count == COUNT
    assert answers(index) == before


@pytest.mark.parametrize(
    ("ids", "error", "reason"),
    [
        ([5], ItemNumberError, "not in the index, such as 5"),
        ([FAR, 5], ItemNumberError, "1 items are not in the index"),
        ([FAR, FAR], ItemNumberError, "once only"),
        ([-1], ItemNumberError, "not in the index"),
        (made_numbers(), ItemNumberError, "at least one item"),
        ([[FAR]], ShapeError, "vector of item numbers"),
        ([0.5], ShapeError, "64-bit integers"),
    ],
)
def test_removals_that_do_not_fit_are_refused_and_change_nothing(
    index: EditableIndex, ids: list[int], error: type[RecallError], reason: str
) -> None:
    before = answers(index)
    with pytest.raises(error, match=reason):
        index.remove(ids)
    assert index.count == COUNT
    assert answers(index) == before


@pytest.mark.parametrize(
    ("asked", "k", "reason"),
    [
        (np.zeros((1, DIM + 1)), 1, "8 numbers"),
        (np.zeros(DIM), 1, "matrix"),
        (np.full((1, DIM), np.nan), 1, "NaN"),
        (np.zeros((1, DIM)), 0, "k must be"),
    ],
)
def test_queries_that_do_not_fit_are_refused(
    index: EditableIndex, asked: np.ndarray, k: int, reason: str
) -> None:
    with pytest.raises(ShapeError, match=reason):
        index.search(asked, k)
