"""Which channels a run compares, and what it calls what is compared."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from federation.errors import SettingError

ALL: Final = "all"
NONE: Final = "none"


class ChannelName(StrEnum):
    """A channel that the platform can serve by itself, under the name it has in reports."""

    POPULARITY = "popularity"
    RECENT = "recent"
    LINEAR = "linear"
    FACTORS = "factors"
    SASREC = "sasrec"
    MIND = "mind"
    MEAN_POOLING = "mean-pooling"
    KG = "kg"
    KG_PATHS = "kg-paths"


# Systems that are compared with them.
FEDERATED: Final = "federated"
FUSION: Final = "fusion"
FUSION_WITHOUT: Final = "fusion-without-federated"

# Comparisons: people with a history, people without one, and songs that nobody has played.
WARM: Final = "warm"
COLD: Final = "cold"
NEW_SONGS: Final = "new songs"


def parse_channels(text: str) -> tuple[ChannelName, ...]:
    """Read `all`, `none`, or names with commas between them.

    Popularity is always among the channels of a comparison: it is what somebody gets whom no
    other channel knows.

    Raises:
        SettingError: a name is unknown, or comes twice.
    """
    wanted = [part.strip() for part in text.split(",") if part.strip()]
    if wanted in ([ALL], [NONE]):
        return tuple(ChannelName) if wanted == [ALL] else ()
    unknown = [name for name in wanted if name not in set(ChannelName)]
    if unknown or not wanted or len(set(wanted)) != len(wanted):
        raise SettingError(
            f"--channels {text!r}: say {ALL}, {NONE}, or some of {', '.join(ChannelName)}, each "
            "once, with commas between them"
        )
    return ordered(ChannelName(name) for name in wanted)


def ordered(names: Iterable[ChannelName]) -> tuple[ChannelName, ...]:
    """The channels in one order, popularity included."""
    chosen = {*names, ChannelName.POPULARITY}
    return tuple(name for name in ChannelName if name in chosen)
