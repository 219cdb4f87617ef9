"""The task of the platform's own channels: train each, and keep what it recalls for warm users."""

from collections.abc import Iterator

import numpy as np

from parties.events import Progress, Stage, Watcher
from recall import Query
from recall.fusion_config import FusionConfig
from simulations.channels.lists import ChannelLists, Recalled
from simulations.channels.training import TRAINED, ChannelConfig, Material
from simulations.data import load
from simulations.split import Split


def recall_lists(split: Split, watch: Watcher) -> ChannelLists:
    """Train every channel of a run and ask each for all warm users whose songs are hidden.

    Args:
        split: the data; its task names the channels.
        watch: told of every channel as it begins.

    Raises:
        SimulationError, DataError: the data cannot be read.
        RecallError, TowersError: a channel cannot be trained on them.
    """
    material = Material(split, load(split.task.data))
    holdout = split.holdout
    users = np.union1d(holdout.judged, holdout.fitting).astype(np.int64)
    histories = [material.histories[int(user)] for user in users]
    queries = [Query(history=songs, excluded=songs) for songs in histories]
    return ChannelLists(users=users, lists=dict(_recalled(material, queries, split, watch)))


def _recalled(
    material: Material, queries: list[Query], split: Split, watch: Watcher
) -> Iterator[tuple[str, Recalled]]:
    names, depth = split.task.channels, FusionConfig().depth
    for done, name in enumerate(names):
        watch(Progress(stage=Stage.CHANNELS, done=done, total=len(names), note=name.value))
        channel = TRAINED[name](material, ChannelConfig())
        yield name.value, Recalled.by(channel, queries, depth)
    watch(Progress(stage=Stage.CHANNELS, done=len(names), total=len(names)))
