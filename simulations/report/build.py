"""From a run record to report.json."""

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from simulations.channels.names import FEDERATED, ChannelName
from simulations.lift import Interval, Pooled, Study, shown
from simulations.report.channels import channels_section, lift, ratio
from simulations.report.errors import IncompleteRunError
from simulations.report.exposure import exposures
from simulations.report.headline import headline
from simulations.report.record import CostRecord, EpochRecord, RunRecord, SplitRecord
from simulations.report.schema import check

Json = dict[str, Any]

BASE = ChannelName.POPULARITY.value
OWN = "own"
CONTROL = "shuffled"
CUTOFF = 50
MAIN_METRIC = f"recall@{CUTOFF}"
SUPPRESSED = "not shown: too few users here, or in a cohort that could be worked out from it"
EPSILON_NOTE = "not yet accounted"
AUDIT_NOTE = "not run"


def build_report(run: RunRecord) -> Json:
    """Compute every comparison of a run and lay it out as report.json.

    The same record gives the same report: the draws come from `run.bootstrap_seed`.

    Returns:
        A JSON value that `simulations.report.schema.check` accepts.

    Raises:
        IncompleteRunError: popularity, federated or recall@50 was not measured.
        UnpairedError: the splits do not have the same systems and metrics.
    """
    pooled = Pooled.of([split.result for split in run.splits])
    if not {BASE, FEDERATED} <= set(pooled.systems) or MAIN_METRIC not in pooled.metrics:
        raise IncompleteRunError(f"a report needs {MAIN_METRIC} of {BASE} and {FEDERATED}")
    rng = np.random.default_rng(run.bootstrap_seed)
    study = Study.of(pooled, rng=rng, samples=run.bootstrap_samples)
    report = {
        **_description(run),
        **_comparisons(study),
        "headline": _headline(study, run),
        "lists": _lists(run.splits),
        "cohorts": _cohorts(pooled, rng=rng, samples=run.bootstrap_samples),
        "curves": _curves(run.splits),
        "splits": [_split(split) for split in run.splits],
        "cost": _cost(run.cost),
        "privacy": _privacy(run),
        "bootstrap": {
            "samples": run.bootstrap_samples,
            "seed": run.bootstrap_seed,
            "people": len(np.unique(pooled.users)),
        },
    }
    if run.channels is not None:
        report["channels"] = channels_section(
            run.channels, items=run.items, rng=rng, samples=run.bootstrap_samples
        )
    check(report)
    return report


def write_report(report: Json, path: Path) -> None:
    """Write `report` to `path`, whole or not at all.

    Raises:
        ReportFormatError: it does not follow the format; nothing is written.
        OSError: the disk refused; a report already there is untouched.
    """
    check(report)
    write_text(json.dumps(report, indent=2, allow_nan=False, ensure_ascii=False) + "\n", path)


def write_text(text: str, path: Path) -> None:
    """Put `text` at `path` whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes files for their owner alone; a report is there to be read.
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _description(run: RunRecord) -> Json:
    return {
        "version": 1,
        "data": run.data,
        "profile": run.profile.value,
        "runtime": run.runtime,
        "model": run.model,
        "seeds": [split.result.seed for split in run.splits],
        "users": {"warm": run.warm_users, "cold": run.cold_users},
        "items": run.items,
        "item_noun": run.item_noun,
        "partners": list(run.partners),
        "configuration": {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in run.configuration.items()
        },
        "command": run.command,
        "notes": list(run.notes),
    }


def _comparisons(study: Study) -> Json:
    names, metrics = study.pooled.systems, study.pooled.metrics
    pairs = [(name, BASE) for name in names if name != BASE]
    pairs += [(FEDERATED, name) for name in names if name not in {BASE, FEDERATED}]
    # The control keeps the platform's own features: only what it adds to them is suspicious.
    pairs += [(CONTROL, OWN)] if {CONTROL, OWN} <= set(names) else []
    retained = {metric: study.retained(metric) for metric in metrics if _has_ceiling(names)}
    return {
        "systems": {n: {m: asdict(study.mean(n, m)) for m in metrics} for n in names},
        "lift": {
            f"{name}_vs_{base}": {m: lift(study, name, base, m) for m in metrics}
            for name, base in pairs
        },
        "retained_lift": {
            m: value.mean if isinstance(value, Interval) else None for m, value in retained.items()
        },
        "retained_lift_intervals": {m: ratio(value, "mean") for m, value in retained.items()},
    }


def _has_ceiling(names: tuple[str, ...]) -> bool:
    return {OWN, "central"} <= set(names)


def _headline(study: Study, run: RunRecord) -> Json:
    gain = study.relative(FEDERATED, BASE, MAIN_METRIC)
    said = headline(gain, cutoff=CUTOFF, noun=run.item_noun)
    return {"metric": MAIN_METRIC, "sentence": said.sentence, "verdict": said.verdict.value}


def _lists(splits: tuple[SplitRecord, ...]) -> Json:
    """Coverage, novelty and Gini of every system, averaged over the splits."""
    results = [split.result.systems for split in splits]
    return {
        same[0].name: {
            metric: float(np.mean([system.lists[metric] for system in same]))
            for metric in same[0].lists
            if all(metric in system.lists for system in same)
        }
        for same in zip(*results, strict=True)
    }


def _cohorts(pooled: Pooled, *, rng: np.random.Generator, samples: int) -> Json:
    found: Json = {}
    for family, groups in pooled.cohorts.items():
        visible = shown(groups, pooled.users)
        found[family] = {
            name: _cohort(pooled.where(rows), rng=rng, samples=samples)
            if visible[name]
            else {"users": None, "suppressed": SUPPRESSED}
            for name, rows in groups.items()
        }
    return found


def _cohort(pooled: Pooled, *, rng: np.random.Generator, samples: int) -> Json:
    study = Study.of(pooled, rng=rng, samples=samples)
    return {
        "users": len(np.unique(pooled.users)),
        "systems": {name: asdict(study.mean(name, MAIN_METRIC)) for name in pooled.systems},
        "lift": lift(study, FEDERATED, BASE, MAIN_METRIC),
    }


def _curves(splits: tuple[SplitRecord, ...]) -> Json:
    names = dict.fromkeys(name for split in splits for name in split.curves)
    return {
        name: [
            {"seed": split.result.seed, "epochs": [_epoch(e) for e in split.curves[name]]}
            for split in splits
            if name in split.curves
        ]
        for name in names
    }


def _epoch(epoch: EpochRecord) -> Json:
    # Losses come from torch or numpy; JSON knows plain numbers only.
    recall = epoch.validation_recall
    return {
        "epoch": int(epoch.epoch),
        "loss": float(epoch.loss),
        "validation_recall": None if recall is None else float(recall),
        "seconds": float(epoch.seconds),
    }


def _split(split: SplitRecord) -> Json:
    return {
        "seed": split.result.seed,
        "users": len(split.result.users),
        "systems": {
            system.name: {metric: float(v.mean()) for metric, v in system.per_user.items()}
            for system in split.result.systems
        },
    }


def _cost(cost: CostRecord) -> Json:
    return {
        "seconds": dict(cost.seconds),
        "bytes": _bytes_by_phase(cost.bytes_sent),
        "bytes_by_party": {party: dict(sent) for party, sent in cost.bytes_sent.items()},
        "bytes_per_value": cost.bytes_per_value,
        "cpu_seconds": cost.cpu_seconds,
        "peak_memory_bytes": cost.peak_memory_bytes,
    }


def _bytes_by_phase(sent: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
    # A report always states these two, also of a run that had no such phase.
    phases = dict.fromkeys(("forward", "backward"), 0)
    for by_phase in sent.values():
        for phase, count in by_phase.items():
            phases[phase] = phases.get(phase, 0) + count
    return phases


def _privacy(run: RunRecord) -> Json:
    return {
        "epsilon": dict.fromkeys(run.partners),
        "epsilon_note": EPSILON_NOTE,
        "delta": None,
        "audit": {},
        "audit_note": AUDIT_NOTE,
        "accepted_single_partner": run.privacy.accepted_single_partner,
        "cipher": run.privacy.cipher,
        "cipher_caveat": run.privacy.caveat,
        "exposure": [asdict(row) for row in exposures(run.profile, partners=len(run.partners))],
    }
