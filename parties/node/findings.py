"""What a check of a node found, and what to mend."""

from dataclasses import dataclass
from enum import Enum


class Outcome(Enum):
    """How a check ended; the value is the sign in a table."""

    PASSED = "✓"
    WARNED = "!"
    FAILED = "✗"
    SKIPPED = "-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One check's end.

    Args:
        check: what was looked at.
        outcome: how it ended.
        detail: what was found.
        remedy: what to mend; empty when there is nothing.
    """

    check: str
    outcome: Outcome
    detail: str
    remedy: str = ""


def passed(check: str, detail: str) -> Finding:
    """It is as it should be."""
    return Finding(check=check, outcome=Outcome.PASSED, detail=detail)


def warned(check: str, detail: str, remedy: str) -> Finding:
    """It works, and someone should look at it."""
    return Finding(check=check, outcome=Outcome.WARNED, detail=detail, remedy=remedy)


def failed(check: str, detail: str, remedy: str) -> Finding:
    """It does not work."""
    return Finding(check=check, outcome=Outcome.FAILED, detail=detail, remedy=remedy)


def skipped(check: str, detail: str) -> Finding:
    """It could not be looked at, for a reason that another check names."""
    return Finding(check=check, outcome=Outcome.SKIPPED, detail=detail)
