import faiss
import numpy as np
import pytest

from recall import CompactIndex, FlatIndex, Kind, ShapeError
from recall.index.compact import PQ_TRAINING
from recall.index.kinds import cells
from recall.index.measuring import Judge
from simulations.bench.index_vectors import make_vectors
from tests.recall.index.contract import COUNT, DIM, made_items, made_numbers

COMPACT = [kind for kind in Kind if kind is not Kind.FLAT_INNER_PRODUCT]


def test_cells_that_know_the_prior_find_what_those_of_faiss_miss() -> None:
    made = make_vectors(8_000, dim=32, queries=200, seed=1, prior=True)
    probes, count = 12, cells(8_000)
    ours = CompactIndex.build(made.items, kind=Kind.IVF_SQ8)
    ours.effort = probes
    theirs = faiss.index_factory(32, f"IVF{count},SQ8", faiss.METRIC_INNER_PRODUCT)
    theirs.cp.min_points_per_centroid = 1
    theirs.train(made.items)
    theirs.add(made.items)
    theirs.nprobe = probes
    judge = Judge.over(made.items, np.arange(8_000), made.queries, k=50)
    _, found = theirs.search(made.queries, 50)
    missed = np.mean([np.isin(row, best).mean() for row, best in zip(found, judge.best)])  # noqa: B905
    assert judge.measure(ours).recall > 0.9
    assert missed < 0.5


@pytest.mark.parametrize("kind", COMPACT)
def test_an_index_over_noise_finds_it_too_given_effort(kind: Kind) -> None:
    rng = np.random.default_rng(0)
    items, asked = (rng.normal(size=(n, 8)).astype(np.float32) for n in (900, 50))
    index = CompactIndex.build(items, kind=kind)
    index.effort = index.efforts(10)[1] if kind is not Kind.IVF_SQ6 else cells(900)
    if kind is Kind.IVF_SQ8:
        index.effort = cells(900)
    assert Judge.over(items, np.arange(900), asked, k=10).measure(index).recall > 0.85


def test_a_list_that_few_cells_cannot_fill_is_filled_from_all() -> None:
    index = CompactIndex.build(made_items(), kind=Kind.IVF_SQ8)
    index.effort = 1
    ids, scores = index.search(made_items(3, seed=8), COUNT)
    assert [sorted(row) for row in ids.tolist()] == [list(range(COUNT))] * 3
    assert np.isfinite(scores).all()


@pytest.mark.parametrize("kind", [*COMPACT])
def test_an_emptied_and_refilled_index_keeps_what_it_was_trained_on(kind: Kind) -> None:
    index = CompactIndex.build(made_items(), kind=kind, ids=made_numbers())
    index.add(made_items(1, seed=9), [1])
    index.remove(made_numbers())
    assert index.count == 1
    index.add(made_items(), made_numbers())
    fresh = CompactIndex.build(made_items(), kind=kind, ids=made_numbers())
    fresh.add(made_items(1, seed=9), [1])
    asked = made_items(20, seed=7)
    for one, other in zip(index.search(asked, COUNT), fresh.search(asked, COUNT), strict=True):
        if one.dtype == np.float32:
            np.testing.assert_allclose(one, other, atol=1e-4)
    assert set(index.ids.tolist()) == set(fresh.ids.tolist())


@pytest.mark.parametrize("kind", [Kind.PQ_REFINED, Kind.IVF_SQ8])
def test_many_rounds_of_coming_and_going_lose_no_precision(kind: Kind) -> None:
    index = CompactIndex.build(made_items(), kind=kind)
    asked = made_items(10, seed=7)
    ids, scores = index.search(asked, COUNT)
    before = [dict(zip(*row, strict=True)) for row in zip(ids.tolist(), scores, strict=True)]
    extra = made_items(10, seed=11)
    for _ in range(10):
        index.add(extra, np.arange(10_000, 10_010))
        index.remove(np.arange(10_000, 10_010))
    ids, scores = index.search(asked, COUNT)
    for row, values, known in zip(ids.tolist(), scores, before, strict=True):
        np.testing.assert_allclose(values, [known[number] for number in row], atol=1e-4)


@pytest.mark.parametrize("kind", COMPACT)
@pytest.mark.parametrize("dim", [1, 2, 33])
def test_any_width_will_do(kind: Kind, dim: int) -> None:
    items = made_items(dim=dim)
    index = CompactIndex.build(items, kind=kind)
    ids, scores = index.search(items[:4], COUNT)
    exact = FlatIndex(items).search(items[:4], COUNT)[1]
    assert index.dim == dim
    assert ids.shape == (4, COUNT)
    np.testing.assert_allclose(scores, exact, atol=0.02 * np.abs(exact).max() + 0.05)


def test_vectors_that_are_all_alike_are_indexed_too() -> None:
    same = np.full((PQ_TRAINING, 4), 0.25, np.float32)
    for kind in COMPACT:
        ids, scores = CompactIndex.build(same, kind=kind).search(same[:1], PQ_TRAINING)
        assert sorted(ids[0].tolist()) == list(range(PQ_TRAINING))
        np.testing.assert_allclose(scores, 0.25, atol=1e-3)


def test_a_new_song_a_little_out_of_range_is_not_clipped() -> None:
    index = CompactIndex.build(made_items(), kind=Kind.IVF_SQ8)
    reach = np.ptp(made_items(), axis=0)
    song = made_items().max(axis=0) + 0.04 * reach
    index.add(song[np.newaxis], [COUNT])
    ids, scores = index.search(np.eye(DIM, dtype=np.float32), COUNT + 1)
    np.testing.assert_allclose(scores[ids == COUNT], song, atol=0.01 * reach.max())


@pytest.mark.parametrize("kind", COMPACT)
def test_too_few_vectors_to_train_with_are_refused(kind: Kind) -> None:
    if kind is Kind.HNSW:
        assert CompactIndex.build(np.ones((1, 2)), kind=kind).count == 1
        return
    with pytest.raises(ShapeError, match="vectors, not 15"):
        CompactIndex.build(np.ones((15, 2)), kind=kind)


def test_exact_search_is_no_compact_index() -> None:
    with pytest.raises(ShapeError, match="no compact index"):
        CompactIndex.build(made_items(), kind=Kind.FLAT_INNER_PRODUCT)
    with pytest.raises(ShapeError, match="0 threads"):
        CompactIndex.build(made_items(), kind=Kind.HNSW, threads=0)


def test_effort_below_one_is_refused() -> None:
    index = CompactIndex.build(made_items(), kind=Kind.HNSW)
    with pytest.raises(ShapeError, match="effort"):
        index.effort = 0


def test_threads_are_the_indexs_own_and_leave_the_process_alone() -> None:
    before = faiss.omp_get_max_threads()
    one = CompactIndex.build(made_items(), kind=Kind.IVF_SQ8, threads=before)
    more = CompactIndex.build(made_items(), kind=Kind.IVF_SQ8, threads=before + 1)
    asked = made_items(9, seed=2)
    assert one.search(asked, 5)[0].tolist() == more.search(asked, 5)[0].tolist()
    assert faiss.omp_get_max_threads() == before
