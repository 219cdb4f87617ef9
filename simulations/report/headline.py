"""The first sentence of a report: what changed for people, in words anybody reads."""

from dataclasses import dataclass
from enum import Enum

from simulations.lift import Interval, Undefined

_COLD = "People the platform had never heard a play from"


class Verdict(Enum):
    """Which way the lift goes, judged by its whole interval."""

    UP = "up"
    DOWN = "down"
    UNCLEAR = "unclear"


@dataclass(frozen=True, slots=True, kw_only=True)
class Headline:
    """A sentence, and the verdict it states."""

    verdict: Verdict
    sentence: str


def headline(lift: Interval | Undefined, *, cutoff: int, noun: str) -> Headline:
    """Say what the federated list brought over the popularity list.

    Args:
        lift: relative lift; 0.6 is 60 % more.
        cutoff: length of the list that was looked at.
        noun: what the items are called, plural.
    """
    what = f"of the {noun} they really play in their first {cutoff}"
    if isinstance(lift, Undefined):
        return Headline(
            verdict=Verdict.UNCLEAR,
            sentence=f"The lift over the popularity list cannot be stated: {lift.reason}.",
        )
    interval = f"95 % interval {_percent(lift.low)} to {_percent(lift.high)}."
    if lift.covers(0):
        return Headline(
            verdict=Verdict.UNCLEAR,
            sentence=f"{_COLD} found about as many {what} as with the popularity list: the "
            f"measured difference is {_percent(lift.mean)}, and zero lies inside its {interval}",
        )
    more, verdict = ("more", Verdict.UP) if lift.mean > 0 else ("fewer", Verdict.DOWN)
    return Headline(
        verdict=verdict,
        sentence=f"{_COLD} found {_percent(abs(lift.mean))} {more} {what} than with the "
        f"popularity list; {interval}",
    )


def _percent(share: float) -> str:
    """A share with a real minus sign and a space before the sign: 61 %."""
    text = f"{abs(share) * 100:.0f}\u00a0%"
    return f"\u2212{text}" if round(share * 100) < 0 else text
