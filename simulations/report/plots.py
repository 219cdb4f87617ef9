"""Where the marks of a line chart go; the template draws them as inline SVG.

The drawing is made here, on the page's side of the network: a report is a file somebody
opens years later without a network, on a phone or on paper, and a plotting library would
add megabytes of script that none of these needs.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 460, 280
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 132, 14, 40
_LABEL_GAP = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One line to draw.

    Args:
        label: printed at its end.
        style: CSS class that gives colour and dashes.
        points: (x, y, text shown when pointed at), in order of x.
    """

    label: str
    style: str
    points: tuple[tuple[float, float, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """How values become positions.

    Args:
        low: smallest value.
        high: largest value; above `low`.
        logarithmic: equal ratios take equal room.
    """

    low: float
    high: float
    logarithmic: bool = False

    def part(self, value: float) -> float:
        """Where `value` lies between low (0) and high (1)."""
        low, high, at = self.low, self.high, value
        if self.logarithmic:
            low, high, at = math.log(low), math.log(high), math.log(at)
        return (at - low) / (high - low)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """A mark on an axis: its place in pixels and its text."""

    at: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A point: its place in pixels and the text shown when pointed at."""

    x: float
    y: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A drawn series: its path, its points, and where its label goes."""

    label: str
    style: str
    path: str
    marks: tuple[Mark, ...]
    label_y: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A chart ready to be drawn.

    Args:
        ident: unique in the page; its title and description are found by it.
        title: what it shows.
        description: what a person who cannot see it should know.
    """

    ident: str
    title: str
    description: str
    x_label: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    lines: tuple[Line, ...]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = _LEFT
    right: int = WIDTH - _RIGHT
    top: int = _TOP
    bottom: int = HEIGHT - _BOTTOM


def nice_ticks(low: float, high: float, *, about: int = 4) -> tuple[float, ...]:
    """Round values that cover `low` … `high`, about `about` steps apart."""
    # Values that are equal but for rounding get an axis as wide as they are large.
    scale = max(abs(low), abs(high), 1e-6)
    span = high - low if high - low > 1e-6 * scale else scale
    step = 10.0 ** math.floor(math.log10(span / about))
    step *= next(m for m in (1, 2, 5, 10) if span / (m * step) <= about)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return tuple(round(i * step, 12) for i in range(first, max(last, first + 1) + 1))


def place_lines(series: Sequence[Series], x: Axis, y: Axis) -> tuple[Line, ...]:
    """Turn values into pixels, with labels pushed apart so that none covers another."""
    drawn = [_marks(line, x, y) for line in series]
    ends = spread([marks[-1].y for marks in drawn], gap=_LABEL_GAP)
    return tuple(
        Line(
            label=line.label,
            style=line.style,
            path="M" + " L".join(f"{mark.x} {mark.y}" for mark in marks),
            marks=marks,
            label_y=round(end, 1),
        )
        for line, marks, end in zip(series, drawn, ends, strict=True)
    )


def x_ticks(values: Sequence[float], axis: Axis) -> tuple[Tick, ...]:
    """Marks along the bottom."""
    return tuple(Tick(at=_x(axis.part(v)), text=f"{v:g}") for v in values)


def y_ticks(values: Sequence[float], axis: Axis, *, percent: bool) -> tuple[Tick, ...]:
    """Marks along the left side."""
    return tuple(
        Tick(at=_y(axis.part(v)), text=f"{v * 100:g}\u00a0%" if percent else f"{v:g}")
        for v in values
    )


def spread(places: Sequence[float], *, gap: float) -> list[float]:
    """Move places apart, in their order, until neighbours are `gap` apart.

    Each crowded run of places is laid out around its own mean, so labels stay near their
    lines.
    """
    order = sorted(range(len(places)), key=lambda i: places[i])
    runs: list[list[int]] = []
    for index in order:
        runs.append([index])
        while len(runs) > 1 and _first(runs[-1], places, gap) < (
            _first(runs[-2], places, gap) + gap * len(runs[-2])
        ):
            runs[-2:] = [runs[-2] + runs[-1]]
    moved = [0.0] * len(places)
    for run in runs:
        for step, index in enumerate(run):
            moved[index] = _first(run, places, gap) + gap * step
    return moved


def _first(run: Sequence[int], places: Sequence[float], gap: float) -> float:
    """Where the first of a run goes when the run is centred on its mean."""
    return sum(places[i] for i in run) / len(run) - gap * (len(run) - 1) / 2


def _marks(line: Series, x: Axis, y: Axis) -> tuple[Mark, ...]:
    return tuple(
        Mark(x=_x(x.part(at)), y=_y(y.part(value)), text=text) for at, value, text in line.points
    )


def _x(part: float) -> float:
    return round(_LEFT + part * (WIDTH - _LEFT - _RIGHT), 1)


def _y(part: float) -> float:
    return round(HEIGHT - _BOTTOM - part * (HEIGHT - _TOP - _BOTTOM), 1)
