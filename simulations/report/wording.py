"""Numbers and names as a person reads them."""

import math

NONE = "\u2013"
_SPACE = "\u00a0"
_MINUS = "\u2212"

_UNITS = ("kB", "MB", "GB")

_SYSTEMS = {
    "popularity": "Popularity list",
    "own": "Platform\u2019s own features",
    "federated": "Federated",
    "central": "All data pooled, unprotected",
    "shuffled": "Federated, users mixed up",
}
_SHORT = {
    "popularity": "Popularity list",
    "own": "Platform\u2019s own",
    "central": "All data pooled",
    "shuffled": "Users mixed up",
}
_MEANINGS = {
    "popularity": "everybody gets the same most played list",
    "own": "only what the platform itself knows of the user",
    "federated": "all partners together",
    "central": "the ceiling: what one company holding everything would reach",
    "shuffled": "the control: partners\u2019 features go to the wrong people and may add nothing",
}
_PARTNER = "partner:"
_FAMILIES = {
    "partners": "By the partners that know them",
    "activity": "By how much they listen",
    "entry point": "By where most of their plays begin",
    "segment": "By what the platform\u2019s user table says",
}
_STAGES = {
    "data": "reading tables",
    "alignment": "finding shared users",
    "training": "learning together",
    "serving": "embedding every user",
    "evaluation": "judging lists",
    "baselines": "systems to compare with",
    "channels": "the platform\u2019s own channels",
}
_PHASES = {
    "alignment": "finding shared users",
    "forward": "embeddings to the platform",
    "backward": "corrections to partners",
    "control": "keys and order",
}
_PARTIES = {"item": "platform (item party)"}


def system_label(name: str) -> str:
    """A system's name in plain words."""
    if name.startswith(_PARTNER):
        return f"{name.removeprefix(_PARTNER)} alone"
    return _SYSTEMS.get(name, name)


def system_short(name: str) -> str:
    """A system's name where there is little room, as beside a line."""
    return _SHORT.get(name, system_label(name))


def system_meaning(name: str) -> str:
    """What a system is, in half a sentence; empty for one this program does not know."""
    if name.startswith(_PARTNER):
        return "one partner and nobody else"
    return _MEANINGS.get(name, "")


def family_label(name: str) -> str:
    """How a family of cohorts is headed."""
    return _FAMILIES.get(name, name)


def stage_meaning(name: str) -> str:
    """What a stage of a run does; empty for one this program does not know."""
    return _STAGES.get(name, "")


def phase_meaning(name: str) -> str:
    """What crosses between parties in a phase; empty for one this program does not know."""
    return _PHASES.get(name, "")


def party_label(name: str) -> str:
    """A party as the page calls it."""
    return _PARTIES.get(name, name)


def share(value: float | None) -> str:
    """A part of a whole with one digit: 25.5 %."""
    return NONE if value is None else f"{value * 100:.1f}{_SPACE}%"


def change(value: float | None) -> str:
    """A relative change with its sign: +61 %."""
    if value is None:
        return NONE
    return f"{_signed(round(value * 100))}{_SPACE}%"


def change_range(low: float | None, high: float | None) -> str:
    """A range of changes: +52 to +70 %."""
    if low is None or high is None:
        return NONE
    return f"{_signed(round(low * 100))} to {change(high)}"


def share_range(low: float, high: float) -> str:
    """A range of shares: 24.1 to 27.0 %."""
    return f"{low * 100:.1f} to {share(high)}"


def count(value: int) -> str:
    """A whole number with thin groups: 17 632."""
    return f"{value:,}".replace(",", "\u202f")


def size(amount: float | None) -> str:
    """Bytes in the unit that leaves one to three digits before the point."""
    if amount is None:
        return NONE
    if amount < 1000:
        return f"{amount:.0f}{_SPACE}B"
    thousands = min(int(math.log10(amount) / 3), len(_UNITS))
    return f"{_three_digits(amount / 1000**thousands)}{_SPACE}{_UNITS[thousands - 1]}"


def duration(seconds: float | None) -> str:
    """Seconds, or minutes and hours when there are many."""
    if seconds is None:
        return NONE
    if seconds < 120:
        return f"{_three_digits(seconds)}{_SPACE}s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}{_SPACE}min {rest:02d}{_SPACE}s"
    return f"{minutes // 60}{_SPACE}h {minutes % 60:02d}{_SPACE}min"


def number(value: float | None) -> str:
    """A number without a unit, three digits that matter."""
    return NONE if value is None else _three_digits(value)


def _signed(value: int) -> str:
    sign = {True: "+", False: _MINUS}[value > 0] if value else ""
    return f"{sign}{abs(value)}"


def _three_digits(value: float) -> str:
    if abs(value) >= 100:
        return count(round(value))
    digits = 1 if abs(value) >= 10 else 2
    return f"{value:.{digits}f}".replace("-", _MINUS)
