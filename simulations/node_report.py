"""A cold-start lift report of a real federation, made by the item party from what it holds.

The item party alone can judge a run: it hid some of its listeners from it (`cold_share`) and knows
what they really listened to. It has no central or shuffled system to compare with, since nobody
ever held all data.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from parties.ciphers import forward_cipher
from parties.config import ITEM, RunConfig
from parties.errors import JobError, PartyFileError
from parties.item import ItemOutcome
from parties.listening import Ids, ItemListening
from parties.node.members import hidden_users, own_listening
from parties.node.party_file import PartyFile
from parties.node.results import RESULT, load_result, load_settings
from parties.tables.description import ItemPartyDescription
from recall.plays import listener_counts
from simulations.channels.names import FEDERATED, ChannelName
from simulations.evaluation import Judge
from simulations.lift import SplitResult, activity_cohorts, label_cohorts, partner_cohorts
from simulations.recording import CIPHERS
from simulations.report import (
    CostRecord,
    EpochRecord,
    PrivacyRecord,
    RunRecord,
    SplitRecord,
    build_report,
)
from simulations.run_folder import SimulationConfig
from simulations.splits import EvaluationConfig

NO_CEILING = (
    "Measured on listeners whose history the platform hid from the run. Nobody ever held all "
    "data, so there is no centralised system to compare with."
)


def finished_jobs(party: PartyFile) -> list[Path]:
    """Folders of this party's jobs that left a result, the newest last."""
    found = party.paths.jobs.glob(f"*/{RESULT}")
    return [path.parent for path in sorted(found, key=lambda path: path.stat().st_mtime_ns)]


def node_report(party: PartyFile, folder: Path, *, command: str) -> Mapping[str, Any]:
    """Judge one finished job and lay it out as report.json.

    Args:
        party: the item party's file.
        folder: of the job.
        command: what was typed.

    Raises:
        PartyFileError: this is not the item party, or it hid nobody from the run.
        JobError: the job has no result.
        DataError: the tables cannot be read, or are not those of the run.
    """
    if not isinstance(party.data, ItemPartyDescription):
        raise PartyFileError("is not the item party's, which alone can judge", file=party.file)
    outcome, config = load_result(folder), load_settings(folder)
    listening = own_listening(party.data)
    if len(outcome.queries) != len(listening.users) or len(outcome.items) != len(listening.items):
        raise JobError(f"{folder} was run on other tables than {party.file} names now")
    cold = hidden_users(party, listening, config)
    if not len(cold):
        raise PartyFileError(
            "hides no listeners, so there is nobody to measure cold-start recall on; let the "
            "item party's file say cold_share = 0.2, say, and run again",
            file=party.file,
            key="experiment.cold_share",
        )
    record = _record(outcome, config, listening, cold, command=command)
    return build_report(record)


def _record(
    outcome: ItemOutcome, config: RunConfig, listening: ItemListening, cold: Ids, *, command: str
) -> RunRecord:
    partners = tuple(outcome.shared)
    cipher = forward_cipher(config, len(partners))
    listeners = int(np.count_nonzero(np.diff(listening.weights.indptr)))
    return RunRecord(
        data="own tables",
        profile=config.profile,
        runtime="flower",
        model="dssm",
        warm_users=listeners - len(cold),
        cold_users=len(cold),
        items=len(listening.items),
        partners=partners,
        splits=(_split(outcome, config, listening, cold),),
        cost=CostRecord(seconds={}, bytes_sent={ITEM: outcome.sent}),
        privacy=PrivacyRecord(
            cipher=CIPHERS[cipher.scheme].format(bits=config.exchange.bits),
            caveat=cipher.caveat or "",
            accepted_single_partner=len(partners) == 1 and config.exchange.accept_single_partner,
        ),
        configuration={
            key: tuple(value) if isinstance(value, list) else value
            for key, value in SimulationConfig(run=config).settings().items()
        },
        command=command,
        notes=(NO_CEILING,),
        bootstrap_seed=config.seed,
    )


def _split(
    outcome: ItemOutcome, config: RunConfig, listening: ItemListening, cold: Ids
) -> SplitRecord:
    top_k = EvaluationConfig().top_k
    shown = listening.item_data(cold).listening
    judge = Judge(
        users=cold, truth=listening.weights[cold], popularity=listener_counts(shown), top_k=top_k
    )
    result = SplitResult(
        seed=config.seed,
        users=cold,
        systems=(
            judge.popular(ChannelName.POPULARITY.value),
            judge.vectors(FEDERATED, outcome.queries[cold], outcome.items),
        ),
        cohorts=_cohorts(outcome, listening, cold),
    )
    curve = tuple(
        EpochRecord(
            epoch=each.epoch + 1, loss=each.loss, validation_recall=each.recall, seconds=0.0
        )
        for each in outcome.history
    )
    return SplitRecord(result=result, curves={FEDERATED: curve})


def _cohorts(
    outcome: ItemOutcome, listening: ItemListening, cold: Ids
) -> Mapping[str, Mapping[str, np.ndarray[tuple[int], np.dtype[np.bool_]]]]:
    known = np.column_stack([np.isin(cold, users) for users in outcome.shared.values()])
    heard = np.asarray(listening.weights[cold].sum(axis=1))
    cohorts = {
        "partners": partner_cohorts(known, tuple(outcome.shared)),
        "activity": activity_cohorts(heard),
        **{
            family: label_cohorts(np.where(labels == "", "unknown", labels))
            for family, labels in (
                ("entry point", listening.entry_points[cold]),
                ("segment", listening.segments[cold]),
            )
        },
    }
    return {family: groups for family, groups in cohorts.items() if len(groups) > 1}
