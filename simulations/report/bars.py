"""Rows of a table that carry a bar: the table is the plot and the plot the table."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from simulations.report.plots import nice_ticks
from simulations.report.wording import (
    change,
    change_range,
    count,
    share,
    share_range,
    system_label,
    system_meaning,
)

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One row: what it is, its value in words, and its bar in percent of the full width.

    Args:
        label: the row's name.
        note: half a sentence under it; may be empty.
        value: the number as text.
        detail: the interval, or another second number, as text.
        lift: change against the popularity list as text; may be empty.
        end: where the bar ends, 0 … 100.
        low: where the interval starts; None without an interval.
        high: where it ends.
        base: where the popularity list ends; None where there is nothing to compare with.
        main: the row the report is about.
    """

    label: str
    value: str
    end: float
    note: str = ""
    detail: str = ""
    lift: str = ""
    low: float | None = None
    high: float | None = None
    base: float | None = None
    main: bool = False


def system_bars(report: Json, metric: str) -> tuple[Bar, ...]:
    """All systems by one metric, against the popularity list."""
    scores = {name: by_metric[metric] for name, by_metric in report["systems"].items()}
    full = full_width(s["high"] for s in scores.values())
    base = scores["popularity"]["mean"] / full * 100
    return tuple(
        Bar(
            label=system_label(name),
            note=system_meaning(name),
            value=share(score["mean"]),
            detail=share_range(score["low"], score["high"]),
            lift=_lift_text(report["lift"].get(f"{name}_vs_popularity", {}).get(metric)),
            end=score["mean"] / full * 100,
            low=score["low"] / full * 100,
            high=score["high"] / full * 100,
            base=None if name == "popularity" else base,
            main=name == "federated",
        )
        for name, score in scores.items()
    )


def cohort_bars(groups: Json) -> tuple[Bar, ...]:
    """The federated system in every cohort of one family that may be shown."""
    visible = {name: group for name, group in groups.items() if group["users"] is not None}
    full = full_width(group["systems"]["federated"]["high"] for group in visible.values())
    return tuple(
        Bar(
            label=name,
            note=f"{count(group['users'])} people",
            value=share(group["systems"]["federated"]["mean"]),
            detail=_range(group["systems"]["federated"]),
            lift=_lift_text(group["lift"]),
            end=group["systems"]["federated"]["mean"] / full * 100,
            low=group["systems"]["federated"]["low"] / full * 100,
            high=group["systems"]["federated"]["high"] / full * 100,
            base=group["systems"]["popularity"]["mean"] / full * 100,
            main=True,
        )
        for name, group in visible.items()
    )


def amount_bars(amounts: Sequence[tuple[str, str, float, str]]) -> tuple[Bar, ...]:
    """Bars for (label, note, amount, amount as text), the largest over the full width."""
    full = max((amount for _, _, amount, _ in amounts), default=0) or 1
    total = sum(amount for _, _, amount, _ in amounts) or 1
    return tuple(
        Bar(
            label=label,
            note=note,
            value=text,
            detail=share(amount / total),
            end=amount / full * 100,
        )
        for label, note, amount, text in amounts
    )


def full_width(highs: Iterable[float]) -> float:
    """The value at the right end: the first round number above all intervals."""
    return nice_ticks(0.0, max(highs, default=1.0) or 1.0, about=8)[-1]


def _range(score: Json) -> str:
    return share_range(score["low"], score["high"])


def _lift_text(lift: Json | None) -> str:
    if lift is None or lift["relative"] is None:
        return ""
    return f"{change(lift['relative'])} ({change_range(lift['low'], lift['high'])})"
