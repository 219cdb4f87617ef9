"""The platform's own channels beside the federated one, as a part of report.json."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

import numpy as np

from simulations.channels.names import FEDERATED, FUSION, FUSION_WITHOUT, NEW_SONGS
from simulations.lift import Interval, Pooled, SplitResult, Study, Undefined
from simulations.report.record import ChannelsRecord

Json = dict[str, Any]

BEST_BY: Final = "recall@50"


def channels_section(
    record: ChannelsRecord, *, items: int, rng: np.random.Generator, samples: int
) -> Json:
    """Every comparison with its intervals and lifts.

    Args:
        record: what was measured.
        items: size of the catalogue, for what drawing songs at random would find.
        rng: where the draws come from.
        samples: number of draws.
    """
    comparisons = {
        name: _comparison(splits, rng=rng, samples=samples)
        for name, splits in record.groups.items()
    }
    section: Json = {
        "comparisons": comparisons,
        "fitting_users": dict(record.fitting_users),
        "weights": list(record.weights),
    }
    if NEW_SONGS in comparisons:
        section["new_songs"] = _new_songs(comparisons[NEW_SONGS], record.new_songs, items)
    return section


def _comparison(splits: Sequence[SplitResult], *, rng: np.random.Generator, samples: int) -> Json:
    pooled = Pooled.of(splits)
    study = Study.of(pooled, rng=rng, samples=samples)
    found: Json = {
        "users": len(np.unique(pooled.users)),
        "systems": {
            name: {metric: asdict(study.mean(name, metric)) for metric in pooled.metrics}
            for name in pooled.systems
        },
        "lists": _lists(splits),
        "lift": {},
    }
    if FUSION in pooled.systems:
        best = _best_channel(study)
        found["best_channel"] = best
        for base in dict.fromkeys((best, FUSION_WITHOUT)):
            found["lift"][f"{FUSION}_vs_{base}"] = {
                metric: lift(study, FUSION, base, metric) for metric in pooled.metrics
            }
    return found


def _best_channel(study: Study) -> str:
    """The single channel of highest mean recall, chosen on the users it is judged on."""
    single = [name for name in study.pooled.systems if not name.startswith(FUSION)]
    return max(single, key=lambda name: study.mean(name, BEST_BY).mean)


def _lists(splits: Sequence[SplitResult]) -> Json:
    """Coverage, novelty and Gini of every system, averaged over the splits."""
    same = zip(*(split.systems for split in splits), strict=True)
    return {
        systems[0].name: {
            metric: float(np.mean([system.lists[metric] for system in systems]))
            for metric in systems[0].lists
        }
        for systems in same
    }


def _new_songs(comparison: Json, songs: int, items: int) -> Json:
    """Recall of new songs against a list of songs drawn at random, at every length."""
    scores = comparison["systems"][FEDERATED]
    cutoffs = [int(name.partition("@")[2]) for name in scores if name.startswith("recall@")]
    return {
        "songs": songs,
        "random": {f"recall@{k}": k / items for k in cutoffs},
        "times_random": {
            f"recall@{k}": scores[f"recall@{k}"]["mean"] * items / k for k in cutoffs
        },
    }


def lift(study: Study, name: str, base: str, metric: str) -> Json:
    """How much better a system is than another, relative and in the metric's unit."""
    return {
        **ratio(study.relative(name, base, metric), "relative"),
        "absolute": asdict(study.difference(name, base, metric)),
    }


def ratio(value: Interval | Undefined, key: str) -> Json:
    """A ratio under `key`, or nulls and the reason why there is none."""
    if isinstance(value, Undefined):
        return {key: None, "low": None, "high": None, "reason": value.reason}
    return {key: value.mean, "low": value.low, "high": value.high}
