import json
import os
import sys
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest
import scipy.sparse as sp

from federation.errors import SettingError
from recall import Method
from simulations.bench import channel_peers
from simulations.bench.channel_makers import MAKERS, tags
from simulations.bench.channel_race import GRIDS, Peers
from simulations.bench.channels import Asked, Report, _mean, run_channels_bench
from simulations.bench.warm import MEASURES, Warm, warm_splits
from simulations.data import load
from simulations.errors import PeerMissingError
from simulations.listening import Listening
from tests.simulations.data.published import published

PEER_VARIABLE = "FEDRECALL_PEER_PYTHON"


@pytest.fixture(scope="module")
def report(tiny: Path) -> Report:
    return run_channels_bench(Asked(data=str(tiny), share=0.3, splits=2))


def test_a_report_survives_json(report: Report) -> None:
    assert json.loads(json.dumps(report)) == report
    assert (report["bench"], report["seeds"], report["users"]) == ("channels", [0, 1], 240)


def test_every_channel_that_has_its_data_is_judged_and_timed(report: Report) -> None:
    assert set(report["channels"]) == set(MAKERS) - {"tags"}
    for each in report["channels"].values():
        assert all(0 < each[name] <= 1 for name in MEASURES)
        assert 0 < each["ms"]["median"] <= each["ms"]["p95"]
        assert each["build_seconds"] > 0


def test_every_way_to_fuse_is_judged(report: Report) -> None:
    assert set(report["fusion"]) == {method.value for method in Method}
    best = max(each["recall@50"] for each in report["channels"].values())
    assert report["fusion"]["learned"]["recall@50"] > 0.9 * best
    assert set(report["weights"]) == {*report["channels"], "fame"}


def test_shaped_lists_are_more_varied_and_no_song_is_in_too_many(report: Report) -> None:
    plain, varied, capped = (report["shaping"][w] for w in ("as_it_is", "varied", "capped"))
    assert varied["diversity@50"] >= plain["diversity@50"]
    assert capped["largest_share"] <= 0.1 < plain["largest_share"]


def test_figures_are_measured_beside_what_they_should_be(report: Report) -> None:
    figure = report["figures"]["best_channel_recall@20"]
    best = max(each["recall@20"] for each in report["channels"].values())
    assert figure == {"measured": best, "at_least": 0.27, "reached": best >= 0.27}


def test_what_runs_next_is_told(tiny: Path) -> None:
    told: list[str] = []
    makers = MappingProxyType({"popularity": MAKERS["popularity"], "recent": MAKERS["recent"]})
    few = Asked(data=str(tiny), share=0.3, seed=4, makers=makers)
    assert set(run_channels_bench(few, told.append)["channels"]) == set(makers)
    assert told[0] == "split 4: channels on validation songs"


def test_numbers_of_several_splits_are_averaged_and_words_are_the_firsts() -> None:
    reports = [{"a": {"x": 1.0}, "word": "one", "n": 3}, {"a": {"x": 2.0}, "word": "two", "n": 4}]
    assert _mean(reports) == {"a": {"x": 1.5}, "word": "one", "n": 3}


@pytest.mark.parametrize("wrong", [{"share": 0.0}, {"share": 1.0}, {"splits": 0}, {"seed": -1}])
def test_numbers_that_make_no_split_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(SettingError, match="share"):
        Asked(**wrong)  # type: ignore[arg-type]


def test_songs_with_tags_in_common_are_neighbours() -> None:
    table = sp.csr_array(np.array([[1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 0, 1]]))
    plays = sp.csr_array(np.array([[1.0, 0, 0, 1]]))
    warm = Warm(known=plays, hidden=sp.csr_array((1, 4)), tags=table, titles=list("abcd"))
    channel = tags(warm)
    assert channel is not None
    found = channel.recall(warm.queries()[0], 4)
    assert found.items.tolist() == [1]
    assert found.reasons == ("listeners of a also play this",)


@pytest.fixture
def pair(tiny: Path, listening: Listening) -> tuple[Warm, Warm]:
    return warm_splits(load(str(tiny)), listening, share=0.3, seed=0)


@pytest.mark.parametrize("python", [Path(sys.executable), Path("/nowhere/python")])
def test_peers_that_are_not_there_are_one_clear_error(
    python: Path, pair: tuple[Warm, Warm]
) -> None:
    with pytest.raises(PeerMissingError, match=str(python)):
        Peers(python).measure("implicit", *pair)


@pytest.mark.parametrize("leaves", ["", 'for last; do :; done; echo rubbish > "$last"'])
def test_a_peer_that_leaves_no_lists_is_refused(
    leaves: str, pair: tuple[Warm, Warm], tmp_path: Path
) -> None:
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\n{leaves}\n", encoding="utf-8")
    python.chmod(0o700)
    with pytest.raises(PeerMissingError, match=r"implicit in .* left no lists"):
        Peers(python).measure("implicit", *pair)


def test_a_peers_lists_leave_out_what_was_played_and_come_best_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    plays = sp.csr_matrix(rng.random((6, 80)) < 0.3)
    scores = rng.random((6, 80)).astype(np.float32)
    monkeypatch.setitem(channel_peers.PEERS, "scored", lambda _plays, _settings: scores.copy())  # type: ignore[arg-type]
    sp.save_npz(tmp_path / "plays.npz", plays.astype(np.float32))
    lists = tmp_path / "lists.npy"
    channel_peers.main("scored", "{}", str(tmp_path / "plays.npz"), str(lists))
    for row, known, fit in zip(np.load(lists), plays.toarray(), scores, strict=True):
        best = [item for item in np.argsort(-fit, kind="stable") if not known[item]]
        assert row.tolist() == best[: channel_peers.K]


@pytest.mark.parametrize("peer", GRIDS)
def test_a_peer_beats_popularity(peer: str, pair: tuple[Warm, Warm]) -> None:
    python = os.environ.get(PEER_VARIABLE)
    if not python:
        pytest.skip(f"{PEER_VARIABLE} names no interpreter with the peers")
    found = Peers(Path(python), {peer: GRIDS[peer][:1]}).measure(peer, *pair)
    popular = MAKERS["popularity"](pair[1])
    assert popular is not None
    assert found["recall@50"] > 0.2
    assert json.loads(found["settings"]) == GRIDS[peer][0]


@pytest.mark.slow
def test_on_lastfm_2k_the_best_channel_reaches_its_figures() -> None:
    published("lastfm-2k")
    figures = run_channels_bench(Asked())["figures"]
    assert figures["best_channel_recall@20"]["reached"]
    assert figures["best_channel_ndcg@20"]["reached"]
    assert figures["fusion_over_best_channel_recall@50"]["measured"] > 1.02
