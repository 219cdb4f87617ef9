"""What every part of a party's session needs, passed whole, and how a session fails."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from federation.errors import PeerLostError
from federation.exchange.link import Link
from parties.checkpoints import CheckpointStore, NoCheckpoints
from parties.config import RunConfig
from parties.errors import LedgerError
from parties.events import Watcher, ignore_progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One party's place in one run.

    Args:
        link: its line to the others.
        config: the run.
        partners: all partners of the run, in the order sums are made.
        private_seed: decides this party's own weights and dropout. In a simulation it comes from
            the run's seed; a real party draws it once from `secrets` and never shows it. Encoder,
            projection and dropout all take it as it is: their draws differ in kind, none of them
            leaves the party, and seeds derived for each would change the published figures.
        store: where it keeps its state.
        watch: told how far the party has come.
    """

    link: Link
    config: RunConfig
    partners: Sequence[str]
    private_seed: int = field(repr=False)
    store: CheckpointStore = field(default_factory=NoCheckpoints)
    watch: Watcher = ignore_progress


@contextmanager
def telling_others(link: Link) -> Iterator[None]:
    """Tell every other party when this one fails, so that none waits for it in vain.

    They learn the kind of the error only: its text may name files or numbers that are nobody
    else's business. A lost peer is passed on by name, so that all hear of the first to fail.
    What cannot be noted in the ledger is not said either: they learn it from the line that closes.
    """
    try:
        yield
    except PeerLostError as error:
        with suppress(LedgerError):
            link.stop(str(error))
        raise
    except BaseException as error:
        with suppress(LedgerError):
            link.stop(type(error).__name__)
        raise
