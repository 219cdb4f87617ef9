import json
from pathlib import Path

import faiss
import numpy as np
import pytest

from federation.errors import SettingError
from recall import CompactIndex, Kind
from recall.index import Publisher
from recall.index.stored import DATA
from simulations.bench.figures import Bound, Wanted
from simulations.bench.index import WANTED, run_index_bench
from simulations.bench.index_peers import Bare, has_hnswlib, has_milvus
from simulations.bench.index_rivals import MAPPED, WORDS, left_out, rivals
from simulations.bench.index_tuning import Tuning
from simulations.bench.index_vectors import make_vectors

SMALL = {"size": 21_000, "dim": 8, "k": 10}


@pytest.fixture(scope="module")
def report() -> dict[str, object]:
    return run_index_bench(**SMALL)


def test_the_report_is_json_and_names_what_was_measured(report: dict[str, object]) -> None:
    assert json.loads(json.dumps(report)) == report
    assert {name: report[name] for name in SMALL} == SMALL
    ours = report["default"]
    assert isinstance(ours, dict)
    assert ours["kind"] == ours["tried"][-1] == "ivf-sq8"
    assert ours["recall"] > 0.94
    assert 16 < ours["bytes_per_vector_on_disk"] < 25
    assert 16 < ours["bytes_per_vector_in_memory"] < 30


def test_peers_that_can_try_harder_find_at_least_as_much(report: dict[str, object]) -> None:
    ours, peers = report["default"], report["peers"]
    assert isinstance(ours, dict)
    assert isinstance(peers, dict)
    assert peers["faiss_hnsw32"]["recall"] >= ours["recall"]
    assert peers["bare_faiss_same_file"]["recall"] == ours["recall"]


def test_every_peer_is_compared_with_and_bare_faiss_in_batches_too(
    report: dict[str, object],
) -> None:
    peers = report["peers"]
    assert isinstance(peers, dict)
    for name, peer in peers.items():
        over = peer["default_over_it"]
        low, high = over["cpu_speed_interval"]
        assert 0 < low <= over["cpu_speed"] <= high
        assert over["speed"] > 0
        assert over["users_a_call"] == 1
        assert ("default_over_it_in_batches" in peer) == name.startswith("bare_faiss")
    same = peers["bare_faiss_same_file"]
    assert same["default_over_it_in_batches"]["users_a_call"] == 64


def test_bare_faiss_is_in_memory_where_the_default_is_and_mapped_where_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make_vectors(2_000, dim=8, queries=20, seed=0)
    ours = CompactIndex.build(made.items, kind=Kind.IVF_SQ8)
    Publisher(tmp_path).publish(ours)
    whole, opened = faiss.read_index, []

    def read_index(path: str, flags: int) -> object:
        opened.append((Path(path).name, flags))
        return whole(path, flags)

    monkeypatch.setattr(faiss, "read_index", read_index)
    for rival in rivals(made.items, ours, tmp_path, lambda stage: None):
        if rival.name in (WORDS, MAPPED):
            opened.clear()
            rival.opening()
            flags = faiss.IO_FLAG_MMAP_IFC if rival.name == MAPPED else 0
            assert opened == [(DATA, flags), ("bare.index", flags)]


def test_peers_that_are_not_installed_are_said_to_be_left_out(report: dict[str, object]) -> None:
    here = {"hnswlib": has_hnswlib(), "milvus_lite": has_milvus()}
    assert report["left_out"] == {name: "not installed" for name in here if not here[name]}
    assert all((name in report["peers"]) is installed for name, installed in here.items())


def test_slow_peers_are_left_out_of_large_catalogues() -> None:
    assert set(left_out(1_000_000)) == {"hnswlib", "milvus_lite"}
    assert not {why for why in left_out(100_000).values()} - {"not installed"}


def test_small_catalogues_are_measured_too() -> None:
    told: list[str] = []
    report = run_index_bench(size=200, dim=4, k=5, prior=True, progress=told.append)
    assert report["default"]["kind"] == "flat-inner-product"
    assert {"bare_faiss_same_words", "faiss_hnsw32"} == {
        name for name in report["peers"] if name.startswith(("bare", "faiss"))
    }
    assert report["default"]["recall"] == 1.0
    assert (report["prior"], report["figures"]) == (True, {})
    assert "choosing the default index" in told


@pytest.mark.parametrize("wrong", [{"size": 5, "k": 6}, {"k": 0}, {"dim": 1}])
def test_sizes_that_cannot_be_measured_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(SettingError, match="k"):
        run_index_bench(**wrong)


def test_the_figures_to_reach_are_those_that_were_set() -> None:
    bare = [name for name in WANTED[100_000] if name.startswith("bare_faiss")]
    assert len(bare) == 3
    assert {WANTED[100_000][name] for name in bare} == {Wanted(Bound.AT_LEAST, 0.95)}
    assert WANTED[100_000]["hnswlib"] == Wanted(Bound.AT_LEAST, 1.2)
    assert WANTED[1_000_000]["bytes_on_disk"] == Wanted(Bound.AT_MOST, 75.0)


def test_a_tunable_peer_is_set_to_the_least_effort_that_reaches_a_recall() -> None:
    made = make_vectors(2_000, dim=8, queries=60, seed=0)
    best = np.argsort(-(made.queries[:50] @ made.items.T), axis=1)[:, :10]
    tuning = Tuning(made.queries[:50], best)
    peer = Bare.built("HNSW4", made.items, "efSearch", tunable=True)
    found = tuning.settled(peer, wanted=0.95)
    assert found >= 0.95
    assert peer.effort is not None
    if peer.effort > 10:
        peer.set_effort(peer.effort - 1)
        peer.tunable = False
        assert tuning.settled(peer) < 0.95


def test_a_peer_that_cannot_reach_it_is_set_to_the_most() -> None:
    made = make_vectors(2_000, dim=8, queries=60, seed=0, prior=True)
    best = np.argsort(-(made.queries[:50] @ made.items.T), axis=1)[:, :10]
    peer = Bare.built("HNSW4", made.items, "efSearch", tunable=True)
    assert Tuning(made.queries[:50], best).settled(peer, wanted=1.1) < 1.1
    assert peer.effort == 80


def test_made_vectors_are_clustered_and_of_few_directions_and_noise_is_not() -> None:
    made = make_vectors(4_000, dim=32, queries=50, seed=1)
    spectrum = np.linalg.svd(made.items, compute_uv=False)
    noise = np.random.default_rng(0).normal(size=made.items.shape)
    flat = np.linalg.svd(noise, compute_uv=False)
    assert spectrum[16:].sum() < 0.45 * spectrum.sum()
    assert flat[16:].sum() > 0.45 * flat.sum()
    near = np.sort(made.items[:200] @ made.items.T, axis=1)[:, -11:-1].mean()
    unit = noise / np.linalg.norm(noise, axis=1, keepdims=True)
    assert near > 1.2 * np.sort(unit[:200] @ unit.T, axis=1)[:, -11:-1].mean()


def test_the_same_seed_makes_the_same_vectors_and_a_prior_is_the_last_number() -> None:
    one, same, other = (make_vectors(500, dim=8, queries=5, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.items, same.items)
    np.testing.assert_array_equal(one.queries, same.queries)
    assert not np.array_equal(one.items, other.items)
    priored = make_vectors(500, dim=8, queries=5, seed=1, prior=True)
    assert priored.items.shape == (500, 8)
    np.testing.assert_array_equal(priored.queries[:, -1], 1)
    np.testing.assert_allclose(np.linalg.norm(priored.items[:, :-1], axis=1), 1, rtol=1e-5)
    assert priored.items.dtype == priored.queries.dtype == one.items.dtype == np.float32
