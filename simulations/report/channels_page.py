"""What the page says of the platform's own channels, worked out from report.json."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from simulations.channels.names import (
    COLD,
    FEDERATED,
    FUSION,
    FUSION_WITHOUT,
    NEW_SONGS,
    WARM,
    ChannelName,
)
from simulations.report.bars import Bar, full_width
from simulations.report.wording import change, change_range, count, share, share_range

Json = Mapping[str, Any]

HEADS: Final = {WARM: "People with a history", COLD: "People without a history"}
LEADS: Final = {
    WARM: "A part of what each of them plays was hidden; every list leaves out what is known.",
    COLD: "The same people as above: only the popularity list and the federation know them, and "
    "here the federation says nothing of somebody whom no partner knows.",
}
LABELS: Final = {
    ChannelName.POPULARITY: "Popularity list",
    ChannelName.RECENT: "Neighbours of recent songs",
    ChannelName.LINEAR: "Linear model",
    ChannelName.FACTORS: "Factor model",
    ChannelName.SASREC: "SASRec (order of plays)",
    ChannelName.MIND: "MIND (several interests)",
    ChannelName.MEAN_POOLING: "Mean of songs",
    ChannelName.KG: "Song2Vec and knowledge graph",
    ChannelName.KG_PATHS: "Paths in the knowledge graph",
    FEDERATED: "Federated",
    FUSION: "All channels fused",
    FUSION_WITHOUT: "Fused without the federated",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelGroup:
    """One comparison: heading, what it is, a bar a channel, and what fusing them gained."""

    head: str
    lead: str
    bars: tuple[Bar, ...]
    gains: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelsPart:
    """The section on channels."""

    groups: tuple[ChannelGroup, ...]
    fitting: str
    new_songs: str


def channels_part(report: Json, metric: str) -> ChannelsPart | None:
    """The section's texts and bars; None where a run compared no channels."""
    section = report.get("channels")
    if section is None:
        return None
    groups = tuple(
        _group(name, section["comparisons"][name], metric)
        for name in HEADS
        if name in section["comparisons"]
    )
    fitted = section["fitting_users"]
    return ChannelsPart(
        groups=groups,
        fitting=f"Fusion learnt its weights on {count(fitted.get(WARM, 0))} other people with a "
        f"history and {count(fitted.get(COLD, 0))} treated as if they had none.",
        new_songs=_new_songs(section, metric, report["item_noun"]),
    )


def _group(name: str, comparison: Json, metric: str) -> ChannelGroup:
    scores = {system: each[metric] for system, each in comparison["systems"].items()}
    full = full_width(score["high"] for score in scores.values())
    bars = tuple(
        Bar(
            label=channel_label(system),
            value=share(score["mean"]),
            detail=share_range(score["low"], score["high"]),
            end=score["mean"] / full * 100,
            low=score["low"] / full * 100,
            high=score["high"] / full * 100,
            main=system == FUSION,
        )
        for system, score in sorted(scores.items(), key=lambda each: each[1]["mean"])
    )
    gains = tuple(
        f"{channel_label(FUSION)} over {channel_label(pair.partition('_vs_')[2])}: "
        f"{change(lift[metric]['relative'])} "
        f"({change_range(lift[metric]['low'], lift[metric]['high'])})."
        for pair, lift in comparison["lift"].items()
        if lift[metric]["relative"] is not None
    )
    lead = f"{count(comparison['users'])} people. {LEADS[name]}"
    return ChannelGroup(head=HEADS[name], lead=lead, bars=bars, gains=gains)


def _new_songs(section: Json, metric: str, noun: str) -> str:
    found = section.get("new_songs")
    if found is None:
        return ""
    score = section["comparisons"][NEW_SONGS]["systems"][FEDERATED][metric]
    return (
        f"{count(found['songs'])} {noun} were hidden from everybody, as if they had come out "
        f"today. Known by their features alone, {share(score['mean'])} "
        f"({share_range(score['low'], score['high'])}) of what people without a history play of "
        f"them is on their lists of {metric.partition('@')[2]}, drawn from the whole catalogue: "
        f"{found['times_random'][metric]:.1f} times what chance would put there."
    )


def channel_label(name: str) -> str:
    """A channel's name in plain words."""
    return LABELS.get(name, name)
