"""What variety and caps on exposure do to fused lists, and what they cost."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from recall import (
    Candidates,
    Catalogue,
    DiversityConfig,
    Exposure,
    FactorModel,
    Fuser,
    FusionConfig,
    FusionWeights,
    Method,
    UserKind,
    intra_list_diversity,
    list_metrics,
    ranked_rows,
    user_metrics,
)
from recall.metrics import has_truth
from simulations.bench.warm import Warm

USERS: Final = 300  # the first so many; variety takes milliseconds a list
LENGTH: Final = 50
RELEVANCE: Final = 0.8
SHARE: Final = 0.1  # of the lists that a song may be in


def measure_shaping(
    lists: Mapping[str, Sequence[Candidates]],
    weights: Mapping[UserKind, FusionWeights],
    warm: Warm,
) -> dict[str, Any]:
    """Learned fusion of some users' lists as it is, with variety, and with a cap on exposure.

    Args:
        lists: channel → its candidates for every user.
        weights: of learned fusion.
        warm: the users.

    Returns:
        Measures at 50 of each way; `largest_share` is that of the lists the most shown song is in.
    """
    vectors = FactorModel.from_plays(warm.known).directions
    users = np.flatnonzero(has_truth(warm.hidden))[:USERS]
    catalogue = Catalogue(popularity=warm.popularity(), vectors=vectors)
    varied = DiversityConfig(relevance=RELEVANCE, among=4 * LENGTH)
    ways = {
        "as_it_is": (DiversityConfig(), None),
        "varied": (varied, None),
        "capped": (DiversityConfig(), Exposure(len(vectors), share=SHARE, window=len(users))),
    }
    report = {}
    for name, (diversity, exposure) in ways.items():
        fuser = Fuser(
            config=FusionConfig(method=Method.LEARNED, diversity=diversity),
            catalogue=catalogue,
            learned=weights,
            exposure=exposure,
        )
        fused = [
            fuser.fuse({channel: each[user] for channel, each in lists.items()}, LENGTH)
            for user in users
        ]
        rows = ranked_rows([each.candidates().items for each in fused], LENGTH)
        report[name] = _described(rows, warm, users, vectors)
    return report


def _described(
    rows: npt.NDArray[np.int64],
    warm: Warm,
    users: npt.NDArray[np.int64],
    vectors: npt.NDArray[np.float32],
) -> dict[str, float]:
    cutoffs = (LENGTH,)
    found = user_metrics(rows, warm.hidden[users], cutoffs=cutoffs)
    spread = intra_list_diversity(rows, vectors, cutoffs=cutoffs)
    whole = list_metrics(rows, warm.popularity(), cutoffs=cutoffs)
    shown = np.bincount(rows[rows >= 0])
    return {
        f"recall@{LENGTH}": float(found[f"recall@{LENGTH}"].mean()),
        f"diversity@{LENGTH}": float(spread[f"diversity@{LENGTH}"].mean()),
        **whole,
        "largest_share": float(shown.max() / len(rows)),
    }
