"""Histories of a made world, and who in it has several tastes."""

from types import MappingProxyType

import numpy as np

from parties.listening import places
from simulations.data.sequences import MIN_ITEMS, Sequences
from simulations.histories import in_order
from simulations.world import WorldConfig, generate

MULTI_TASTE = "multi-taste"


def world_sequences(config: WorldConfig) -> Sequences:
    """Each listener's songs in the order of their first plays; the truth says who is who.

    Users with fewer than three songs are left out.
    """
    world = generate(config)
    plays = world.events.sort_values("timestamp", kind="stable")
    plays = plays.drop_duplicates(["user_id", "item_id"])
    users, songs = world.truth.user_ids.tolist(), world.truth.item_ids.tolist()
    histories = in_order(*places(plays, users, songs), plays["timestamp"], users=len(users))
    kept = np.array([len(history) >= MIN_ITEMS for history in histories])
    listener = np.flatnonzero(kept)
    tastes = (world.truth.user_weight[kept] > 0).sum(axis=1)
    return Sequences(
        name=config.name,
        histories=tuple(history for history, keep in zip(histories, kept, strict=True) if keep),
        items=config.songs,
        groups=MappingProxyType({MULTI_TASTE: tastes > 1}),
        chances=lambda rows: world.truth.play_probability(listener[rows]),
    )
