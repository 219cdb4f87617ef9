"""From the results of tasks to the record a report is built from."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np

from federation.crypto.cipher import Scheme
from parties.ciphers import forward_cipher
from parties.config import COORDINATOR, ITEM
from simulations.data import DATA_SETS
from simulations.lift import (
    SplitResult,
    SystemResult,
    activity_cohorts,
    label_cohorts,
    partner_cohorts,
)
from simulations.listening import Listening
from simulations.report import ChannelsRecord, CostRecord, PrivacyRecord, RunRecord, SplitRecord
from simulations.run_folder import Plan
from simulations.splits import cold_users
from simulations.tasks import FIRST, TaskKind, TaskResult

NOT_PARTNERS: Final = frozenset({ITEM, COORDINATOR})
# Below this share of numbers cut to the fixed-point range a reader need not care.
MANY_CLIPPED: Final = 0.001
Results = Mapping[tuple[int, TaskKind], TaskResult]

CIPHERS: Final = {
    Scheme.BFV: "BFV: encrypted, exact sums of {bits}-bit fixed-point numbers",
    Scheme.CKKS: "CKKS: encrypted, approximate sums",
    Scheme.CLEAR: "none: sums in the clear",
}

ORDER: Final = ("popularity", "own", "partner:", "federated", "central", "shuffled")
NO_OWN_FEATURES: Final = (
    "The platform holds no features of its own, so to somebody without a history its own "
    "system is the popularity list."
)
CONTINUED: Final = (
    "This run was interrupted and continued: its seconds and bytes are those since then, and so "
    "less than an uninterrupted run's."
)


def record_run(plan: Plan, listening: Listening, results: Results) -> RunRecord:
    """Everything the report needs.

    Args:
        plan: what was asked for.
        listening: the data.
        results: (split's seed, kind) → what the task left.
    """
    config = plan.config.run
    listeners = np.count_nonzero(np.diff(listening.weights.indptr))
    cold = len(cold_users(listening, plan.config.evaluation.cold_share, seed=config.seed))
    single = len(listening.partners) == 1
    cipher = forward_cipher(config, len(listening.partners))
    return RunRecord(
        data=listening.name,
        profile=config.profile,
        runtime=plan.runtime.value,
        model=plan.model,
        warm_users=int(listeners) - cold,
        cold_users=cold,
        items=len(listening.items),
        partners=tuple(listening.partners),
        splits=tuple(_split(plan, listening, results, seed) for seed in plan.seeds),
        cost=_cost(results),
        privacy=PrivacyRecord(
            cipher=CIPHERS[cipher.scheme].format(bits=config.exchange.bits),
            caveat=cipher.caveat or "",
            accepted_single_partner=single and config.exchange.accept_single_partner,
        ),
        configuration={
            key: tuple(value) if isinstance(value, list) else value
            for key, value in plan.config.settings().items()
        },
        command=plan.command,
        item_noun=DATA_SETS[plan.data].item_noun if plan.data in DATA_SETS else "songs",
        notes=tuple(_notes(listening, results)),
        bootstrap_seed=config.seed,
        bootstrap_samples=plan.config.evaluation.bootstrap_samples,
        channels=_channels(plan, results) if plan.channels else None,
    )


def _channels(plan: Plan, results: Results) -> ChannelsRecord:
    """Every comparison of channels, split by split."""
    done = {seed: results[seed, TaskKind.FUSION] for seed in plan.seeds}
    groups: dict[str, tuple[SplitResult, ...]] = {}
    for name in dict.fromkeys(group for each in done.values() for group in each.groups):
        judged = [(seed, each) for seed, each in done.items() if each.groups.get(name)]
        if judged:
            groups[name] = tuple(_in_all(name, judged))
    fitting: dict[str, int] = {}
    for each in done.values():
        for group, users in each.facts["fitting_users"].items():
            fitting[group] = fitting.get(group, 0) + users
    return ChannelsRecord(
        groups=groups,
        weights=tuple(each.facts["weights"] for each in done.values()),
        fitting_users=fitting,
        new_songs=max(each.facts.get("new_songs", 0) for each in done.values()),
    )


def _in_all(name: str, judged: Sequence[tuple[int, TaskResult]]) -> Iterator[SplitResult]:
    """One comparison, split by split, of the channels that recalled something in every split."""
    common = set.intersection(
        *({system.name for system in each.groups[name]} for _, each in judged)
    )
    for seed, each in judged:
        yield SplitResult(
            seed=seed,
            users=np.array(each.facts["users"][name]),
            systems=tuple(system for system in each.groups[name] if system.name in common),
        )


def _notes(listening: Listening, results: Results) -> Iterator[str]:
    if listening.own is None:
        yield NO_OWN_FEATURES
    if any(result.continued for result in results.values()):
        yield CONTINUED
    values = sum(result.values for result in results.values())
    clipped = sum(result.clipped for result in results.values())
    if clipped > MANY_CLIPPED * values:
        yield (
            f"{clipped / values:.1%} of the numbers in the partners' embeddings were larger than "
            "exchange.clip and were cut to it, which costs recall: a larger exchange.clip avoids "
            "it."
        )


def _split(plan: Plan, listening: Listening, results: Results, seed: int) -> SplitRecord:
    parts = [results[seed, kind] for kind in FIRST]
    systems = sorted((s for part in parts for s in part.systems), key=_place)
    cold = cold_users(listening, plan.config.evaluation.cold_share, seed=seed)
    result = SplitResult(
        seed=seed,
        users=cold,
        systems=tuple(systems),
        cohorts=_cohorts(listening, cold),
    )
    curves = {name: curve for part in parts for name, curve in part.curves.items()}
    return SplitRecord(result=result, curves=curves)


def _place(system: SystemResult) -> int:
    return next(i for i, prefix in enumerate(ORDER) if system.name.startswith(prefix))


def _cohorts(
    listening: Listening, cold: np.ndarray[tuple[int], np.dtype[np.int64]]
) -> Mapping[str, Mapping[str, np.ndarray[tuple[int], np.dtype[np.bool_]]]]:
    heard = np.asarray(listening.weights[cold].sum(axis=1))
    cohorts = {
        "partners": partner_cohorts(listening.known()[cold], tuple(listening.partners)),
        "activity": activity_cohorts(heard),
    }
    for family, labels in (
        ("entry point", listening.entry_points[cold]),
        ("segment", listening.segments[cold]),
    ):
        cohorts[family] = label_cohorts(np.where(labels == "", "unknown", labels))
    # A family of one cohort says what the headline says.
    return {family: groups for family, groups in cohorts.items() if len(groups) > 1}


def _cost(results: Results) -> CostRecord:
    seconds: dict[str, float] = {}
    sent: dict[str, dict[str, int]] = {}
    for result in results.values():
        for stage, spent in result.seconds.items():
            seconds[stage] = seconds.get(stage, 0.0) + spent
        for party, stages in result.sent.items():
            mine = sent.setdefault(party, {})
            for stage, size in stages.items():
                mine[stage] = mine.get(stage, 0) + size
    values = sum(result.values for result in results.values())
    forward = sum(stages["forward"] for party, stages in sent.items() if party not in NOT_PARTNERS)
    return CostRecord(
        seconds=seconds,
        bytes_sent=sent,
        cpu_seconds=sum(result.cpu_seconds for result in results.values()),
        peak_memory_bytes=max(result.peak_memory_bytes for result in results.values()),
        bytes_per_value=forward / values if values else None,
    )
