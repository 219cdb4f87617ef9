"""A session at the item party or a partner: from the coordinator's order to a report on it."""

import fcntl
import logging
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from federation.errors import (
    FederationError,
    MalformedError,
    PeerLostError,
    SettingError,
)
from federation.exchange.grpc_transport import DialConfig, GrpcTransport
from federation.exchange.steering import Order
from parties.checkpoints import FolderCheckpoints, write_whole
from parties.config import COORDINATOR, RunConfig
from parties.data import ItemData, PartnerData
from parties.errors import DataError, JobError, PartiesError, PolicyError
from parties.events import Watcher, ignore_progress
from parties.item import ItemOutcome, ItemParty
from parties.keys import PartyKeys
from parties.keys.roster import Roster
from parties.node.jobs import job_folder
from parties.node.noting import Place, noted_link
from parties.node.orders import Ending, SessionOrder, SessionReport
from parties.node.results import save_result, save_settings
from parties.node.terms import keep_terms
from parties.partner import Partner, PartnerOutcome
from parties.session import Session

SEED_BYTES: Final = 8
LOG: Final = logging.getLogger("fedrecall.session")


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """An item party's or partner's node, ready to take orders.

    Args:
        keys: its own.
        roster: everyone in the federation.
        hub: host:port of the coordinator's hub.
        state: folder for checkpoints, ledger and results.
        adopt: makes a run's configuration from the coordinator's settings, or refuses them.
        data: reads this party's tables.
        private_seed: decides this party's own weights and dropout in a run; None draws one.
        watch: told how far the party has come.
    """

    keys: PartyKeys = field(repr=False)
    roster: Roster
    hub: str
    state: Path
    adopt: Callable[[Mapping[str, Any]], RunConfig]
    data: Callable[[RunConfig], ItemData | PartnerData]
    private_seed: Callable[[RunConfig], int | None] = field(repr=False)
    watch: Watcher = ignore_progress


def serve(member: Member, values: Order) -> Order:
    """Take part in one session; what goes wrong on the way is reported, not raised.

    Args:
        member: this party.
        values: the coordinator's order, unread.

    Returns:
        The report, as flat values. What the coordinator learns of a failure is its kind, and its
        text only where that speaks of the run and of nobody's data.
    """
    try:
        order = SessionOrder.from_values(values)
    except MalformedError as error:
        LOG.error("the coordinator's order is refused: %s", error)
        return SessionReport(ending=Ending.REFUSED, reason=str(error)).to_values()
    LOG.info("session %d of job %s begins", order.number, order.job.hex())
    try:
        report = _attend(member, order)
    except (PartiesError, FederationError, OSError) as error:
        LOG.error("the session ended: %s: %s", type(error).__name__, error)
        report = SessionReport(ending=_ending(error), reason=_reason(error))
    else:
        LOG.info("session %d of job %s is done", order.number, order.job.hex())
    return report.to_values()


def _ending(error: Exception) -> Ending:
    match error:
        case PeerLostError():
            return Ending.LOST
        case PolicyError() | SettingError() | DataError():
            return Ending.REFUSED
    return Ending.FAILED


def _reason(error: Exception) -> str:
    if isinstance(error, PolicyError | FederationError):
        return str(error)
    return f"{type(error).__name__}; its own log says more"


def _attend(member: Member, order: SessionOrder) -> SessionReport:
    config = member.adopt(order.settings)
    folder = job_folder(member.state, order.job)
    with _alone_in(folder):
        keep_terms(folder, config, member.roster.partners)
        save_settings(folder, config)
        data = member.data(config)  # before anyone is met: it may take longer than they wait
        own = member.private_seed(config)
        seed = own if own is not None else _lasting_seed(folder)
        place = Place(
            keys=member.keys,
            roster=member.roster,
            config=config,
            job=order.job,
            session=order.session,
            folder=folder,
        )
        with noted_link(place, lambda: _dial(member, order, place)) as link:
            session = Session(
                link=link,
                config=config,
                partners=member.roster.partners,
                private_seed=seed,
                store=FolderCheckpoints(folder / "checkpoints"),
                watch=member.watch,
            )
            outcome = _run(session, data)
        if isinstance(outcome, ItemOutcome):
            save_result(folder, outcome)
            return SessionReport(ending=Ending.DONE, sent=outcome.sent)
        return SessionReport(
            ending=Ending.DONE,
            sent=outcome.sent,
            values=outcome.values,
            clipped=outcome.clipped,
        )


def _run(session: Session, data: ItemData | PartnerData) -> ItemOutcome | PartnerOutcome:
    if isinstance(data, ItemData):
        return ItemParty(session, data).run()
    return Partner(session, data).run()


def _dial(member: Member, order: SessionOrder, place: Place) -> GrpcTransport:
    return GrpcTransport(
        DialConfig(
            address=member.hub,
            name=member.keys.name,
            hub_name=COORDINATOR,
            tls=member.keys.tls,
            hub_pin=member.roster.pins()[COORDINATOR],
            session=order.session,
            token=order.token,
            limits=place.limits,
        )
    )


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Hold a job's folder: two processes of one party would spoil each other's checkpoints."""
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise JobError(
                f"another process of this party works in {folder}; only one node may run with "
                "this state folder"
            ) from None
        yield


def _lasting_seed(folder: Path) -> int:
    """The private seed of this job: drawn once, so that a resumed run draws as before."""
    path = folder / "private.seed"
    if not path.exists():
        write_whole(path, secrets.token_bytes(SEED_BYTES))
    return int.from_bytes(path.read_bytes(), "big") >> 1
