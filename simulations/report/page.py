"""What the page shows, worked out from report.json; the template only lays it out."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from simulations.report.bars import Bar, amount_bars, cohort_bars, system_bars
from simulations.report.channels_page import ChannelsPart, channels_part
from simulations.report.charts import learning_charts, recall_chart, recall_cutoffs
from simulations.report.glossary import GLOSSARY, Term
from simulations.report.plots import Chart
from simulations.report.wording import (
    NONE,
    change,
    change_range,
    count,
    duration,
    family_label,
    number,
    party_label,
    phase_meaning,
    share,
    share_range,
    size,
    stage_meaning,
    system_label,
)

Json = Mapping[str, Any]

# What a run of the federation alone takes; the other stages read data, compare and judge.
FEDERATION_STAGES: Final = ("alignment", "training", "serving")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """One figure of the row under the headline."""

    label: str
    value: str
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table of words: headings, and rows of as many cells."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cohorts:
    """One family of cohorts, and what had to stay hidden."""

    family: str
    bars: tuple[Bar, ...]
    hidden: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Curves:
    """How one system learned."""

    system: str
    charts: tuple[Chart, ...]
    table: Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Everything the template needs; all texts are plain and escaped there."""

    title: str
    facts: tuple[str, ...]
    banners: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]
    verdict: str
    figure: str
    figure_note: str
    sentence: str
    tiles: tuple[Tile, ...]
    cutoff: str
    systems: tuple[Bar, ...]
    recall: Chart | None
    recall_table: Table
    all_metrics: tuple[Table, ...]
    lists: Table
    cohorts: tuple[Cohorts, ...]
    channels: ChannelsPart | None
    curves: tuple[Curves, ...]
    seconds: tuple[Bar, ...]
    bytes: tuple[Bar, ...]
    parties: Table
    exposure: Table
    protection: tuple[tuple[str, str], ...]
    configuration: Table
    splits: Table
    split_count: str
    command: str
    notes: tuple[str, ...]
    glossary: tuple[Term, ...]
    noun: str


def lay_out(report: Json) -> Page:
    """Work out every text, bar and chart of the page."""
    metric = report["headline"]["metric"]
    lift = report["lift"]["federated_vs_popularity"][metric]
    return Page(
        title=f"Cold-start lift: {report['data']}",
        facts=_facts(report),
        banners=_banners(report),
        warnings=control_warnings(report, metric),
        verdict=report["headline"]["verdict"],
        figure=_figure(report, lift),
        figure_note=f"95 % interval {change_range(lift['low'], lift['high'])}",
        sentence=report["headline"]["sentence"],
        tiles=_tiles(report, metric),
        cutoff=metric.partition("@")[2],
        systems=system_bars(report, metric),
        recall=recall_chart(report),
        recall_table=_recall_table(report),
        all_metrics=_all_metrics(report),
        lists=_lists(report),
        cohorts=_cohorts(report),
        channels=channels_part(report, metric),
        curves=_curves(report),
        seconds=_seconds(report),
        bytes=_bytes(report),
        parties=_parties(report),
        exposure=_exposure(report),
        protection=_protection(report),
        configuration=_configuration(report),
        splits=_splits(report, metric),
        split_count=_split_count(report),
        command=report["command"],
        notes=tuple(report["notes"]),
        glossary=GLOSSARY,
        noun=report["item_noun"],
    )


def _facts(report: Json) -> tuple[str, ...]:
    return (
        report["data"],
        f"profile {report['profile']}",
        f"{count(report['users']['warm'])} users with a history, "
        f"{count(report['users']['cold'])} without",
        f"{count(report['items'])} {report['item_noun']}",
        f"partners: {', '.join(report['partners'])}",
        _split_count(report),
    )


def _split_count(report: Json) -> str:
    splits = len(report["seeds"])
    return f"{splits} splits" if splits > 1 else "1 split"


def _banners(report: Json) -> tuple[tuple[str, str], ...]:
    banners = []
    if report["profile"] == "plain":
        banners.append(
            (
                "This run was not protected.",
                "Under the profile plain the coordinator sees every embedding, and each partner "
                "the gradient of every user, which gives away what that user played. It is the "
                "baseline that other profiles are measured against, never a way to train on real "
                "people\u2019s data.",
            )
        )
    if report["privacy"]["accepted_single_partner"] and len(report["partners"]) == 1:
        banners.append(
            (
                "One partner: there is no sum to hide in.",
                "Somebody accepted this by hand. The item party saw this partner\u2019s embedding "
                "of every shared user, as if it had not been encrypted.",
            )
        )
    return tuple(banners)


def control_warnings(report: Json, metric: str) -> tuple[str, ...]:
    """What a lift of the control says of all other figures; nothing when it shows none.

    The control may do as well as the platform alone, whose own features it keeps.
    """
    bases = ("popularity", "own")
    lifts = [report["lift"].get(f"shuffled_vs_{base}", {}).get(metric) for base in bases]
    found = [lift for lift in lifts if lift is not None]
    if not found or any(lift["absolute"]["low"] <= 0 for lift in found):
        return ()
    return (
        "The control shows a lift: with users mixed up the system still beats the popularity "
        "list and the platform\u2019s own features. Something tells training about the cold "
        "users; do not use these figures.",
    )


def _figure(report: Json, lift: Json) -> str:
    if report["headline"]["verdict"] == "unclear":
        return "No clear lift"
    return change(lift["relative"])


def _tiles(report: Json, metric: str) -> tuple[Tile, ...]:
    cutoff = metric.partition("@")[2]
    mine, base = (report["systems"][name][metric] for name in ("federated", "popularity"))
    cost, splits = report["cost"], len(report["seeds"])
    return (
        Tile(
            label=f"Recall in the first {cutoff}",
            value=share(mine["mean"]),
            note=f"popularity list {share(base['mean'])}",
        ),
        _retained_tile(report, metric),
        Tile(
            label="Time of one federation",
            value=duration(sum(cost["seconds"].get(s, 0.0) for s in FEDERATION_STAGES) / splits),
            note="all parties on one machine; comparisons included: CPU "
            f"{duration(_each(cost['cpu_seconds'], splits))}, memory "
            f"{size(cost['peak_memory_bytes'])} a process",
        ),
        Tile(
            label="Sent in one federation",
            value=size(sum(cost["bytes"].values()) / splits),
            note=f"between all parties; a partner sends {number(cost['bytes_per_value'])} bytes "
            "for each number of its embeddings",
        ),
    )


def _each(total: float | None, splits: int) -> float | None:
    return None if total is None else total / splits


def _retained_tile(report: Json, metric: str) -> Tile:
    found = report["retained_lift_intervals"].get(metric)
    if found is None:
        return Tile(label="Retained lift", value=NONE, note="no pooled system was measured")
    if found["mean"] is None:
        return Tile(label="Retained lift", value=NONE, note=found["reason"])
    return Tile(
        label="Retained lift",
        value=f"{found['mean'] * 100:.0f}\u00a0%",
        note=f"of what pooling all data brings; {found['low'] * 100:.0f} to "
        f"{found['high'] * 100:.0f}\u00a0%",
    )


def _recall_table(report: Json) -> Table:
    cutoffs = recall_cutoffs(report)
    return Table(
        caption="Recall by list length",
        head=("System", *(f"first {k}" for k in cutoffs)),
        rows=tuple(
            (system_label(name), *(share(scores[f"recall@{k}"]["mean"]) for k in cutoffs))
            for name, scores in report["systems"].items()
        ),
    )


def _all_metrics(report: Json) -> tuple[Table, ...]:
    return tuple(
        Table(
            caption=system_label(name),
            head=("Metric", "Mean", "95 % interval", "Against the popularity list"),
            rows=tuple(_metric_row(report, name, metric) for metric in scores),
        )
        for name, scores in report["systems"].items()
    )


def _metric_row(report: Json, name: str, metric: str) -> tuple[str, ...]:
    score = report["systems"][name][metric]
    lift = report["lift"].get(f"{name}_vs_popularity", {}).get(metric)
    against = NONE
    if lift is not None and lift["relative"] is not None:
        against = f"{change(lift['relative'])} ({change_range(lift['low'], lift['high'])})"
    return metric, share(score["mean"]), share_range(score["low"], score["high"]), against


def _lists(report: Json) -> Table:
    names = list(dict.fromkeys(m for by_metric in report["lists"].values() for m in by_metric))
    return Table(
        caption="The lists as a whole",
        head=("System", *names),
        rows=tuple(
            (system_label(system), *(_list_value(m, by_metric.get(m)) for m in names))
            for system, by_metric in report["lists"].items()
        ),
    )


def _list_value(metric: str, value: float | None) -> str:
    return share(value) if metric.startswith("coverage") else number(value)


def _cohorts(report: Json) -> tuple[Cohorts, ...]:
    return tuple(
        Cohorts(
            family=family_label(family),
            bars=cohort_bars(groups),
            hidden=tuple(name for name, group in groups.items() if group["users"] is None),
        )
        for family, groups in report["cohorts"].items()
    )


def _curves(report: Json) -> tuple[Curves, ...]:
    # The system the report is about comes first and stays open; the others fold away.
    names = sorted(report["curves"], key=lambda name: name != "federated")
    return tuple(
        Curves(
            system=system_label(name),
            charts=learning_charts(name, report["curves"][name], place=place),
            table=_curve_table(report["curves"][name]),
        )
        for place, name in enumerate(names)
    )


def _curve_table(runs: list[Json]) -> Table:
    return Table(
        caption="Every epoch",
        head=("Split", "Epoch", "Loss", "Validation recall", "Time"),
        rows=tuple(
            (
                str(run["seed"]),
                str(epoch["epoch"]),
                number(epoch["loss"]),
                share(epoch["validation_recall"]),
                duration(epoch["seconds"]),
            )
            for run in runs
            for epoch in run["epochs"]
        ),
    )


def _seconds(report: Json) -> tuple[Bar, ...]:
    stages = report["cost"]["seconds"].items()
    return amount_bars(
        [(name, stage_meaning(name), amount, duration(amount)) for name, amount in stages]
    )


def _bytes(report: Json) -> tuple[Bar, ...]:
    phases = report["cost"]["bytes"].items()
    return amount_bars(
        [(name, phase_meaning(name), amount, size(amount)) for name, amount in phases]
    )


def _parties(report: Json) -> Table:
    phases = list(report["cost"]["bytes"])
    return Table(
        caption="Bytes sent by each party",
        head=("Party", *phases, "all"),
        rows=tuple(
            (party_label(party), *(size(sent.get(p, 0)) for p in phases), size(sum(sent.values())))
            for party, sent in report["cost"]["bytes_by_party"].items()
        ),
    )


def _exposure(report: Json) -> Table:
    return Table(
        caption="Who learned what",
        head=("Phase", "Platform (item party)", "Each partner", "Coordinator"),
        rows=tuple(
            (row["phase"], row["item_party"], row["partner"], row["coordinator"])
            for row in report["privacy"]["exposure"]
        ),
    )


def _protection(report: Json) -> tuple[tuple[str, str], ...]:
    privacy = report["privacy"]
    rows = [("Profile", report["profile"]), ("Cipher", privacy["cipher"])]
    if privacy["cipher_caveat"]:
        rows.append(("What the cipher does not do", privacy["cipher_caveat"]))
    rows += [(f"\u03b5 of {name}", privacy["epsilon_note"]) for name in privacy["epsilon"]]
    return (*rows, ("Attack audit", privacy["audit_note"]))


def _configuration(report: Json) -> Table:
    return Table(
        caption="Configuration",
        head=("Setting", "Value"),
        rows=tuple((name, _setting(value)) for name, value in report["configuration"].items()),
    )


def _setting(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(str(item) for item in value)
    return NONE if value is None else str(value)


def _splits(report: Json, metric: str) -> Table:
    names = list(report["systems"])
    return Table(
        caption=f"{metric} in each split",
        head=("Seed", "Users", *(system_label(name) for name in names)),
        rows=tuple(
            (
                str(split["seed"]),
                count(split["users"]),
                *(share(split["systems"][name][metric]) for name in names),
            )
            for split in report["splits"]
        ),
    )
