"""What a listening world is made of: sizes, behaviour and partners."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from numbers import Integral, Real
from types import MappingProxyType


class PartnerKind(Enum):
    """Which facet of its users a partner sees."""

    SOCIAL = "social"
    VIDEO = "video"
    TELECOM = "telecom"
    DEMOGRAPHICS = "demographics"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """The closed range of a setting, and whether it must be a whole number."""

    low: float
    high: float
    whole: bool = False

    def check(self, setting: str, value: float) -> None:
        """Refuse a value of the wrong type or outside the range; the message names the setting."""
        kind, noun = (Integral, "a whole number") if self.whole else (Real, "a number")
        if isinstance(value, bool) or not isinstance(value, kind):
            raise ValueError(f"{setting} must be {noun}, not {value!r}")
        if not self.low <= value <= self.high:
            form = ",.0f" if self.whole else "g"
            range_ = f"{self.low:{form}} and {self.high:{form}}"
            raise ValueError(f"{setting} must lie between {range_}, not {value!r}")


def _check_name(setting: str, value: object) -> None:
    if not isinstance(value, str) or not value.isidentifier() or not value.isascii():
        raise ValueError(f"{setting} must be ASCII letters, digits and underscores, not {value!r}")


SHARE = Bounds(low=0.0, high=1.0)
PARTNER_BOUNDS: Mapping[str, Bounds] = MappingProxyType({"coverage": SHARE, "signal": SHARE})
WORLD_BOUNDS: Mapping[str, Bounds] = MappingProxyType(
    {
        "seed": Bounds(low=0, high=2**63 - 1, whole=True),
        "users": Bounds(low=20, high=10_000_000, whole=True),
        "songs": Bounds(low=20, high=10_000_000, whole=True),
        "days": Bounds(low=1, high=3650, whole=True),
        "mean_sessions": Bounds(low=1.0, high=10_000.0),
        "mean_session_songs": Bounds(low=1.0, high=200.0),
        "activity_spread": Bounds(low=0.0, high=2.0),
        "silent_users": Bounds(low=0.0, high=0.9),
        "outsiders": Bounds(low=0.0, high=10.0),
        "multi_taste": SHARE,
        "genres": Bounds(low=2, high=40, whole=True),
        "scenes": Bounds(low=1, high=20, whole=True),
        "languages": Bounds(low=1, high=20, whole=True),
        "songs_per_artist": Bounds(low=1.0, high=1000.0),
        "zipf": Bounds(low=0.0, high=2.0),
        "taste": Bounds(low=0.0, high=20.0),
        "repeats": Bounds(low=0.0, high=0.9),
        "like_rate": SHARE,
        "own_signal": SHARE,
        "signal": SHARE,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PartnerSpec:
    """One partner: its name, what it sees, of how many users, and how clearly.

    Raises:
        ValueError: a setting is out of range; the message names it.
    """

    name: str
    kind: PartnerKind
    coverage: float = 0.8  # share of the people, platform users and outsiders, it knows
    signal: float = 0.8  # share of its observations that taste decides; the rest is chance

    def __post_init__(self) -> None:
        _check_name("partners.name", self.name)
        if not isinstance(self.kind, PartnerKind):
            raise ValueError(f"partners.{self.name}.kind must be a PartnerKind, not {self.kind!r}")
        for setting, bounds in PARTNER_BOUNDS.items():
            bounds.check(f"partners.{self.name}.{setting}", getattr(self, setting))


SOCIAL = PartnerSpec(name="social", kind=PartnerKind.SOCIAL)
VIDEO = PartnerSpec(name="video", kind=PartnerKind.VIDEO)
TELECOM = PartnerSpec(name="telecom", kind=PartnerKind.TELECOM)
DEMOGRAPHICS = PartnerSpec(name="demographics", kind=PartnerKind.DEMOGRAPHICS)
PARTNERS: Mapping[str, PartnerSpec] = MappingProxyType(
    {spec.name: spec for spec in (SOCIAL, VIDEO, TELECOM, DEMOGRAPHICS)}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldConfig:
    """Every setting of a world; the same settings give the same world.

    Raises:
        ValueError: a setting is out of range; the message names it.
    """

    name: str = "world"
    seed: int = 0
    users: int = 3000  # people on the platform
    songs: int = 4000
    partners: tuple[PartnerSpec, ...] = (SOCIAL, VIDEO)
    days: int = 90  # length of the log
    mean_sessions: float = 10.0  # sessions a listening user has in the log
    mean_session_songs: float = 8.0
    activity_spread: float = 1.0  # deviation of the log of the number of sessions
    silent_users: float = 0.05  # share of platform users without a single event
    outsiders: float = 0.3  # people only partners know, per platform user
    multi_taste: float = 0.4  # share of people with more than one interest
    genres: int = 12
    scenes: int = 4  # sub-genres of a genre
    languages: int = 6
    songs_per_artist: float = 8.0
    zipf: float = 0.65  # exponent of song popularity over rank
    taste: float = 9.0  # weight of taste against popularity in what is played
    repeats: float = 0.3  # share of plays that repeat an earlier play of the same user
    like_rate: float = 0.15  # probability that a song heard to the end by its best user is liked
    own_signal: float = 0.5  # how clearly the platform's own `country` follows language
    signal: float = 1.0  # multiplies every partner's signal; 0 leaves partners without information

    def __post_init__(self) -> None:
        _check_name("name", self.name)
        for setting, bounds in WORLD_BOUNDS.items():
            bounds.check(setting, getattr(self, setting))
        self._check_partners()

    def _check_partners(self) -> None:
        if not isinstance(self.partners, tuple) or not self.partners:
            raise ValueError("partners must be a tuple of at least one PartnerSpec")
        for partner in self.partners:
            if not isinstance(partner, PartnerSpec):
                raise ValueError(f"partners must hold PartnerSpec only, not {partner!r}")
        names = [partner.name.casefold() for partner in self.partners]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(
                f"partners must have different names; given twice: {', '.join(twice)}"
            )
        if taken := RESERVED_NAMES.intersection(names):
            raise ValueError(f"partners must not be named {', '.join(sorted(taken))}")


# These tables of the item party lie in the same folder.
RESERVED_NAMES = frozenset({"events", "items", "users", "triples", "truth", "federation"})

PRESETS: Mapping[str, WorldConfig] = MappingProxyType(
    {
        "small": WorldConfig(users=400, songs=300, genres=6, scenes=2, languages=3),
        "demo": WorldConfig(users=3000, songs=2000),
        "medium": WorldConfig(users=20_000, songs=10_000),
        "large": WorldConfig(users=100_000, songs=100_000),
    }
)
