"""How well channels and their fusion find warm users' hidden songs, and how fast.

Every user has a share of the songs hidden; channels rank the whole catalogue without what the
user is known to play. Fusion's weights are fitted, and peers' settings chosen, on songs that are
hidden from what is left; what is judged on is seen by nobody before.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import fmean
from types import MappingProxyType
from typing import Any, Final, cast

import numpy as np

from federation.errors import SettingError
from recall import (
    Candidates,
    Catalogue,
    Channel,
    Example,
    Fuser,
    FusionConfig,
    FusionWeights,
    Method,
    Query,
    UserKind,
    fetch,
    fit_weights,
)
from simulations.bench.channel_makers import MAKERS, Maker
from simulations.bench.channel_race import Peers
from simulations.bench.figures import Bound, Wanted
from simulations.bench.progress import Progress, silent
from simulations.bench.shaping import measure_shaping
from simulations.bench.warm import MEASURES, Warm, warm_splits
from simulations.data import load
from simulations.histories import played
from simulations.listening import listening_of

Report = dict[str, Any]
Lists = Mapping[str, Sequence[Candidates]]

DEPTH: Final = FusionConfig().depth
LENGTH: Final = 200
SIX: Final = 6  # lists of a fusion that is timed on its own

WANTED: Final[Mapping[str, Wanted]] = MappingProxyType(
    {
        "best_channel_recall@20": Wanted(Bound.AT_LEAST, 0.27),
        "best_channel_ndcg@20": Wanted(Bound.AT_LEAST, 0.26),
        "fusion_over_best_channel_recall@50": Wanted(Bound.AT_LEAST, 1.05),
        "fusion_median_ms": Wanted(Bound.AT_MOST, 1.0),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is measured.

    Args:
        data: name of a data set, or a folder.
        share: of each user's songs that is hidden.
        splits: how many, seeded from `seed` on; figures are their means.
        seed: of the first split.
        peer_python: an interpreter that has the peers; None measures none.
        makers: of the channels.

    Raises:
        SettingError: a number is out of range.
    """

    data: str = "lastfm-2k"
    share: float = 0.2
    splits: int = 1
    seed: int = 0
    peer_python: Path | None = None
    makers: Mapping[str, Maker] = field(default_factory=lambda: MAKERS, repr=False)

    def __post_init__(self) -> None:
        if not 0 < self.share < 1 or self.splits < 1 or self.seed < 0:
            raise SettingError(
                "share must lie between 0 and 1, splits be 1 or more, seed 0 or more"
            )


def run_channels_bench(asked: Asked, progress: Progress | None = None) -> Report:
    """Measure channels, fusion and peers on the same hidden songs.

    Args:
        asked: what.
        progress: told in a few words what runs next.

    Returns:
        What `json.dumps` takes. `figures` sums it up, each beside what it should be.

    Raises:
        SimulationError, PartiesError: the data or the peers cannot be used.
        NoTruthError: the data have too few users to fit fusion.
    """
    tell = progress or silent
    data = load(asked.data)
    listening = listening_of(data.tables)
    runs = []
    for seed in range(asked.seed, asked.seed + asked.splits):
        pair = warm_splits(data, listening, share=asked.share, seed=seed)
        runs.append(_one_split(asked, pair, partial(_say, tell, seed)))
    report = {
        "bench": "channels",
        "data": asked.data,
        "users": len(listening.users),
        "items": len(listening.items),
        "hidden_share": asked.share,
        "seeds": [*range(asked.seed, asked.seed + asked.splits)],
        **_mean(runs),
        "six_lists_ms": _six_lists_ms(len(listening.items)),
    }
    return report | {"figures": _figures(report)}


def _one_split(asked: Asked, pair: tuple[Warm, Warm], tell: Progress) -> Report:
    validation, test = pair
    tell("channels on validation songs")
    fitting = {name: lists for name, (lists, _) in _recalled(asked.makers, validation).items()}
    tell("fitting fusion")
    weights = _fitted(fitting, validation)
    tell("channels on test songs")
    recalled = _recalled(asked.makers, test)
    tell("fusion")
    lists = {name: found for name, (found, _) in recalled.items()}
    report: Report = {
        "channels": {
            name: {**each, **test.judge(lists[name])} for name, (_, each) in recalled.items()
        },
        "fusion": {m.value: _fused(m, lists, weights, test) for m in Method},
        "weights": dict(weights[UserKind.WARM].worth()),
        "shaping": measure_shaping(lists, weights, test),
    }
    if asked.peer_python is not None:
        peers = Peers(asked.peer_python)
        for peer in peers.grids:
            tell(f"peer {peer}")
            report.setdefault("peers", {})[peer] = peers.measure(peer, validation, test)
    return report


def _recalled(
    makers: Mapping[str, Maker], warm: Warm
) -> Mapping[str, tuple[list[Candidates], Report]]:
    """Each channel's lists for all users, and what they cost."""
    queries = warm.queries()
    found = {}
    for name, make in makers.items():
        began = time.perf_counter()
        channel = make(warm)
        built = time.perf_counter() - began
        if channel is not None:
            lists, times = _timed(channel, queries)
            found[name] = (lists, {"build_seconds": built, "ms": times})
    return found


def _timed(channel: Channel, queries: Sequence[Query]) -> tuple[list[Candidates], Report]:
    lists, seconds = [], []
    for query in queries:
        began = time.perf_counter()
        lists.append(fetch(channel, query, DEPTH))
        seconds.append(time.perf_counter() - began)
    return lists, _milliseconds(seconds)


def _fitted(lists: Lists, warm: Warm) -> Mapping[UserKind, FusionWeights]:
    examples = [
        Example(
            lists={name: each[user] for name, each in lists.items()},
            played=played(warm.hidden, user),
            kind=UserKind.WARM,
        )
        for user in range(warm.known.shape[0])
    ]
    return fit_weights(examples, catalogue=Catalogue(popularity=warm.popularity()))


def _fused(
    method: Method, lists: Lists, weights: Mapping[UserKind, FusionWeights], warm: Warm
) -> Report:
    fuser = Fuser(
        config=FusionConfig(method=method),
        catalogue=Catalogue(popularity=warm.popularity()),
        learned=weights,
    )
    fused, seconds = [], []
    for user in range(warm.known.shape[0]):
        own = {name: each[user] for name, each in lists.items()}
        began = time.perf_counter()
        found = fuser.fuse(own, LENGTH)
        seconds.append(time.perf_counter() - began)
        fused.append(found.candidates())
    return {**warm.judge(fused), "ms": _milliseconds(seconds)}


def _six_lists_ms(items: int, rounds: int = 300) -> Report:
    """Time of fusing six lists of 400 into one of 200 by reciprocal ranks."""
    rng, fuser, seconds = np.random.default_rng(0), Fuser(), []
    length = min(DEPTH, items)
    scores = np.linspace(1, 0, length, dtype=np.float32)
    for _ in range(rounds):
        lists = {str(n): Candidates(rng.permutation(items)[:length], scores) for n in range(SIX)}
        began = time.perf_counter()
        fuser.fuse(lists, LENGTH)
        seconds.append(time.perf_counter() - began)
    return _milliseconds(seconds)


def _milliseconds(seconds: Sequence[float]) -> Report:
    values = np.array(seconds) * 1e3
    return {"median": float(np.median(values)), "p95": float(np.quantile(values, 0.95))}


def _mean(reports: Sequence[Report]) -> Report:
    """One report whose numbers are the means of several; what is no number is the first's."""
    return {key: _middle([each[key] for each in reports]) for key in reports[0]}


def _middle(values: Sequence[object]) -> object:
    match values[0]:
        case dict():
            return _mean(cast(Sequence[Report], values))
        case float():
            return fmean(cast(Sequence[float], values))
        case first:
            return first


def _figures(report: Report) -> Report:
    channels, learned = report["channels"], report["fusion"][Method.LEARNED.value]
    best = {name: max(each[name] for each in channels.values()) for name in MEASURES}
    measured = {
        "best_channel_recall@20": best["recall@20"],
        "best_channel_ndcg@20": best["ndcg@20"],
        "fusion_over_best_channel_recall@50": learned["recall@50"] / best["recall@50"],
        "fusion_median_ms": report["six_lists_ms"]["median"],
    }
    return {name: WANTED[name].compared(value) for name, value in measured.items()}


def _say(tell: Progress, seed: int, what: str) -> None:
    tell(f"split {seed}: {what}")
