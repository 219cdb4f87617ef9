"""Histories of a made world, and who in it has several tastes."""

from types import MappingProxyType

import numpy as np
import pandas as pd

from simulations.data.sequences import MIN_ITEMS, Sequences
from simulations.world import WorldConfig, generate

MULTI_TASTE = "multi-taste"


def world_sequences(config: WorldConfig) -> Sequences:
    """Each listener's songs in the order of their first plays; the truth says who is who.

    Users with fewer than three songs are left out.
    """
    world = generate(config)
    plays = world.events.sort_values(["user_id", "timestamp"], kind="stable")
    plays = plays.drop_duplicates(["user_id", "item_id"])
    song = pd.Index(world.truth.item_ids).get_indexer(pd.Index(plays["item_id"]))
    owner = pd.Index(world.truth.user_ids).get_indexer(pd.Index(plays["user_id"]))
    order = np.argsort(owner, kind="stable")
    user, starts = np.unique(owner[order], return_index=True)
    histories = np.split(song[order].astype(np.int64), starts[1:])
    kept = np.array([len(history) >= MIN_ITEMS for history in histories])
    tastes = (world.truth.user_weight[user[kept]] > 0).sum(axis=1)
    return Sequences(
        name=config.name,
        histories=tuple(history for history, keep in zip(histories, kept, strict=True) if keep),
        items=config.songs,
        groups=MappingProxyType({MULTI_TASTE: tastes > 1}),
    )
