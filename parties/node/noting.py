"""A party's link in one session, whose every frame is in the ledger before it leaves."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from federation.exchange.link import Link, LinkConfig
from federation.exchange.transport import Transport
from federation.protocol.limits import MIB, Limits
from parties.config import RunConfig
from parties.keys import PartyKeys
from parties.keys.roster import Roster
from parties.ledger import Ledger
from parties.protection import Protection


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A party's place in one session.

    Args:
        keys: its own.
        roster: everyone in the federation.
        config: the run.
        job: 16 bytes that name the run.
        session: 16 bytes that name the session.
        folder: where it keeps what belongs to the job.
    """

    keys: PartyKeys = field(repr=False)
    roster: Roster
    config: RunConfig
    job: bytes
    session: bytes
    folder: Path

    @property
    def limits(self) -> Limits:
        """Upper bounds on a frame in this run."""
        return Limits(max_frame_bytes=self.config.exchange.max_frame_mib * MIB)


@contextmanager
def noted_link(place: Place, attach: Callable[[], Transport]) -> Iterator[Link]:
    """Open the ledger, then the transport, and close both in the other order.

    Args:
        place: whose link, in which session.
        attach: makes the transport.

    Raises:
        LedgerError: the ledger cannot be written; nothing has left.
    """
    config, keys, roster = place.config, place.keys, place.roster
    with Ledger.opened(
        place.folder / "ledger.jsonl",
        party=keys.name,
        job=place.job,
        session=place.session,
        protection=Protection.of(config, partners=len(roster.partners)),
    ) as ledger:
        line = LinkConfig(
            name=keys.name,
            roster=roster.identities(),
            job=place.job,
            agreement=config.agreement(),
            limits=place.limits,
            timeout_s=config.exchange.timeout_s,
        )
        link = Link(attach(), keys.identity, line, released=ledger.note)
        try:
            yield link
        finally:
            link.close()
            ledger.close_session(link.traffic)
