"""The line charts of a report: recall against list length, and learning curves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from simulations.report.plots import (
    Axis,
    Chart,
    Series,
    nice_ticks,
    place_lines,
    x_ticks,
    y_ticks,
)
from simulations.report.wording import number, share, system_label, system_short

Json = Mapping[str, Any]

_STYLES = {
    "federated": "line-main",
    "popularity": "line-base",
    "central": "line-ceiling",
    "shuffled": "line-control",
}
_CURVES = {"validation_recall": "Validation recall", "loss": "Training loss"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Caption:
    """What is written on a chart, and how its values are."""

    ident: str
    title: str
    description: str
    x_label: str
    percent: bool
    from_zero: bool = False


def recall_chart(report: Json) -> Chart | None:
    """Recall of every system against list length; None with fewer than two lengths."""
    cutoffs = recall_cutoffs(report)
    if len(cutoffs) < 2:
        return None
    series = [
        Series(
            label=system_short(name),
            style=_STYLES.get(name, f"line-{place % 3}"),
            points=tuple(
                (k, scores[f"recall@{k}"]["mean"], _at_k(name, k, scores[f"recall@{k}"]))
                for k in cutoffs
            ),
        )
        for place, (name, scores) in enumerate(report["systems"].items())
    ]
    x = Axis(low=cutoffs[0], high=cutoffs[-1], logarithmic=True)
    caption = _Caption(
        ident="recall-k",
        title="Recall against list length",
        description="One line for each system; the table beside it holds the same numbers.",
        x_label=f"{report['item_noun']} shown (log scale)",
        percent=True,
        from_zero=True,
    )
    return _chart(caption, series, x, cutoffs)


def recall_cutoffs(report: Json) -> list[int]:
    """The list lengths at which recall was measured, shortest first."""
    return sorted(
        int(metric.removeprefix("recall@"))
        for metric in report["systems"]["federated"]
        if metric.startswith("recall@")
    )


def learning_charts(name: str, runs: Sequence[Json], *, place: int) -> tuple[Chart, ...]:
    """Validation recall and loss of one system, one line for each split.

    Args:
        name: the system.
        runs: its curves as in report.json.
        place: the system's number in the page, which keeps its charts' names apart.
    """
    charts = (_learning_chart(name, runs, key=key, place=place) for key in _CURVES)
    return tuple(chart for chart in charts if chart is not None)


def _learning_chart(name: str, runs: Sequence[Json], *, key: str, place: int) -> Chart | None:
    title, percent = _CURVES[key], key == "validation_recall"
    series = [
        Series(
            label=f"split {run['seed']}",
            style=f"line-split-{order % 4}",
            points=tuple(
                (e["epoch"], e[key], _at_epoch(e, share(e[key]) if percent else number(e[key])))
                for e in run["epochs"]
                if e[key] is not None
            ),
        )
        for order, run in enumerate(runs)
    ]
    series = [line for line in series if line.points]
    if not series:
        return None
    epochs = [point[0] for line in series for point in line.points]
    x = Axis(low=min(epochs), high=max(max(epochs), min(epochs) + 1))
    inside = [v for v in nice_ticks(x.low, x.high) if x.low <= v <= x.high and v == int(v)]
    caption = _Caption(
        ident=f"{key}-{place}",
        title=f"{title}: {system_label(name)}",
        description=f"{title} after each pass over the training users, a line for each split.",
        x_label="epoch",
        percent=percent,
    )
    return _chart(caption, series, x, inside or [x.low])


def _chart(
    caption: _Caption, series: Sequence[Series], x: Axis, x_values: Sequence[float]
) -> Chart:
    values = [point[1] for line in series for point in line.points]
    ticks = nice_ticks(0.0 if caption.from_zero else min(values), max(values))
    y = Axis(low=ticks[0], high=ticks[-1])
    return Chart(
        ident=caption.ident,
        title=caption.title,
        description=caption.description,
        x_label=caption.x_label,
        x_ticks=x_ticks(x_values, x),
        y_ticks=y_ticks(ticks, y, percent=caption.percent),
        lines=place_lines(series, x, y),
    )


def _at_k(name: str, k: int, score: Json) -> str:
    return f"{system_label(name)}, first {k}: {share(score['mean'])}"


def _at_epoch(epoch: Json, value: str) -> str:
    return f"epoch {epoch['epoch']}: {value}"
