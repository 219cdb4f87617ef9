import numpy as np
import pytest

from recall import CompactIndex, FlatIndex, Kind, ShapeError
from recall.index.choosing import ChoiceConfig, choose_index
from recall.index.kinds import FLAT_ITEMS, cells, ladder
from recall.index.measuring import Judge
from simulations.bench.index_vectors import MadeVectors, make_vectors

SIZE, DIM = 4_000, 16


@pytest.fixture(scope="module")
def made() -> MadeVectors:
    return make_vectors(SIZE, dim=DIM, queries=400, seed=3)


def slow_recall(index: CompactIndex | FlatIndex, made: MadeVectors, k: int) -> float:
    """Shares of the exact best, query by query."""
    shares = []
    for query in made.queries:
        best = set(np.argsort(-(made.items @ query))[:k].tolist())
        found, _ = index.search(query[np.newaxis], k)
        shares.append(len(best & set(found[0].tolist())) / k)
    return float(np.mean(shares))


@pytest.mark.parametrize("kind", [Kind.IVF_SQ8, Kind.PQ_REFINED, Kind.HNSW])
def test_the_recall_asked_for_is_reached_on_users_that_tuning_never_saw(kind: Kind) -> None:
    made = make_vectors(SIZE, dim=DIM, queries=800, seed=4)
    seen, unseen = made.queries[:400], made.queries[400:]
    config = ChoiceConfig(k=20, recall=0.8, kinds=(kind,))
    choice = choose_index(made.items, queries=seen, config=config)
    assert choice.index.kind is kind
    assert choice.measured.low >= 0.8
    assert slow_recall(choice.index, MadeVectors(items=made.items, queries=unseen), 20) >= 0.79


def test_what_is_measured_is_the_share_of_the_exact_best(made: MadeVectors) -> None:
    index = CompactIndex.build(made.items, kind=Kind.IVF_SQ8)
    index.effort = 4
    measured = Judge.over(made.items, np.arange(SIZE), made.queries, k=20).measure(index)
    assert measured.recall == pytest.approx(slow_recall(index, made, 20))
    assert 0 < measured.low < measured.recall < 1
    assert (measured.k, measured.queries) == (20, 400)


def test_no_less_effort_would_do(made: MadeVectors) -> None:
    config = ChoiceConfig(k=20, recall=0.8, kinds=(Kind.IVF_SQ8,))
    choice = choose_index(made.items, queries=made.queries, config=config)
    judge = Judge.over(made.items, np.arange(SIZE), made.queries, k=20)
    assert judge.measure(choice.index).low >= 0.8
    choice.index.effort -= 1
    assert judge.measure(choice.index).low < 0.8


def test_a_kind_that_cannot_reach_it_gives_way_to_the_next(made: MadeVectors) -> None:
    config = ChoiceConfig(k=20, recall=0.9999, kinds=(Kind.IVF_SQ6, Kind.PQ_REFINED))
    choice = choose_index(made.items, queries=made.queries, config=config)
    assert choice.tried[0].kind is Kind.IVF_SQ6
    assert [tried.accepted for tried in choice.tried[:-1]] == [False] * (len(choice.tried) - 1)
    assert choice.tried[-1].accepted
    assert choice.index.kind is choice.tried[-1].kind
    assert slow_recall(choice.index, made, 20) >= 0.999


def test_exact_search_is_the_last_resort_and_needs_no_measuring(made: MadeVectors) -> None:
    config = ChoiceConfig(k=20, recall=1.0, kinds=(Kind.IVF_SQ6,))
    choice = choose_index(made.items, queries=made.queries, config=config)
    assert isinstance(choice.index, FlatIndex)
    assert choice.measured.recall == 1.0
    assert slow_recall(choice.index, made, 20) == 1.0


def test_the_graph_that_a_prior_misleads_is_refused_and_the_cells_are_not() -> None:
    made, with_prior = (
        make_vectors(8_000, dim=16, queries=200, seed=3, prior=prior) for prior in (False, True)
    )
    config = ChoiceConfig(k=50, recall=0.97, kinds=(Kind.HNSW, Kind.IVF_SQ8))
    led = choose_index(made.items, queries=made.queries, config=config)
    assert led.index.kind is Kind.HNSW
    misled = choose_index(with_prior.items, queries=with_prior.queries, config=config)
    assert [tried.accepted for tried in misled.tried] == [False, True]
    assert misled.index.kind is Kind.IVF_SQ8


def test_small_catalogues_are_searched_exactly() -> None:
    choice = choose_index(np.eye(5), ids=[9, 8, 7, 6, 5])
    assert isinstance(choice.index, FlatIndex)
    assert choice.index.search(np.eye(5, dtype=np.float32)[:1], 1)[0].tolist() == [[9]]


def test_item_numbers_survive_choosing_and_judging(made: MadeVectors) -> None:
    numbers = 2**40 + np.random.default_rng(0).permutation(SIZE)
    config = ChoiceConfig(k=10, recall=0.8, kinds=(Kind.IVF_SQ8,))
    choice = choose_index(made.items, ids=numbers, queries=made.queries, config=config)
    assert choice.measured.recall >= 0.8
    assert set(choice.index.ids.tolist()) == set(numbers.tolist())


def test_without_queries_items_are_asked_for(made: MadeVectors) -> None:
    config = ChoiceConfig(k=10, recall=0.8, queries=64, kinds=(Kind.IVF_SQ8,))
    choice = choose_index(made.items, config=config)
    assert choice.measured.queries == 64
    assert choice.index.kind is Kind.IVF_SQ8


def test_the_same_seed_chooses_the_same(made: MadeVectors) -> None:
    config = ChoiceConfig(k=10, recall=0.8, queries=100, kinds=(Kind.IVF_SQ8,))
    first, second = (
        choose_index(made.items, queries=made.queries, config=config) for _ in range(2)
    )
    assert first.tried == second.tried
    asked = made.queries[:20]
    for one, other in zip(
        first.index.search(asked, 9), second.index.search(asked, 9), strict=True
    ):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("kind", [Kind.PQ_REFINED, Kind.IVF_SQ8])
def test_more_effort_never_finds_less(made: MadeVectors, kind: Kind) -> None:
    index = CompactIndex.build(made.items, kind=kind)
    judge = Judge.over(made.items, np.arange(SIZE), made.queries, k=20)
    low, high = index.efforts(20)
    found = []
    for effort in sorted({low, (low + high) // 2, high}):
        index.effort = effort
        found.append(judge.measure(index).recall)
    assert found == sorted(found)
    assert found[0] < found[-1]


def test_a_kind_without_enough_vectors_is_passed_over() -> None:
    config = ChoiceConfig(k=2, kinds=(Kind.PQ_REFINED,))
    choice = choose_index(np.random.default_rng(0).normal(size=(100, 4)), config=config)
    assert [tried.kind for tried in choice.tried] == [Kind.FLAT_INNER_PRODUCT]


@pytest.mark.parametrize(
    ("count", "first"),
    [
        (1, Kind.FLAT_INNER_PRODUCT),
        (FLAT_ITEMS, Kind.FLAT_INNER_PRODUCT),
        (FLAT_ITEMS + 1, Kind.IVF_SQ8),
        (1_000_000, Kind.IVF_SQ8),
        (100_000_000, Kind.IVF_SQ6),
    ],
)
def test_the_size_decides_what_is_tried_first(count: int, first: Kind) -> None:
    assert ladder(count)[0] is first
    assert ladder(count)[-1] is Kind.FLAT_INNER_PRODUCT


@pytest.mark.parametrize(
    ("count", "expected"),
    [(1, 16), (100, 32), (100_000, 1024), (1_000_000, 4096), (100_000_000, 32768)],
)
def test_cells_grow_with_the_root_of_the_items(count: int, expected: int) -> None:
    assert cells(count) == expected


@pytest.mark.parametrize(
    "wrong",
    [{"recall": 0.0}, {"recall": 1.1}, {"k": 0}, {"queries": 0}, {"threads": 0}],
)
def test_settings_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ShapeError, match=next(iter(wrong))):
        ChoiceConfig(**wrong)  # type: ignore[arg-type]


def test_queries_of_another_width_are_refused(made: MadeVectors) -> None:
    with pytest.raises(ShapeError, match="15 numbers, the index 16"):
        choose_index(made.items, queries=made.queries[:, :-1])


def test_recall_without_queries_is_refused(made: MadeVectors) -> None:
    with pytest.raises(ShapeError, match="cannot be measured"):
        choose_index(made.items, queries=made.queries[:0])
