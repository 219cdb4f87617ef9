"""The item party: it holds songs and listening, and learns from sums alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from federation.protocol.messages import Goodbye, Holdings, ResumeFrom, StartAfresh
from parties.alignment import ItemAlignment, align_item, digest_of
from parties.ciphers import check_ciphers
from parties.cohort import check_cohort
from parties.config import COORDINATOR
from parties.data import ItemData
from parties.errors import CheckpointError
from parties.events import Progress, Stage, Watcher
from parties.item_training import History, ItemTraining
from parties.reporting import ProgressReporter
from parties.session import Session, telling_others
from parties.talk import Talk
from towers.features import Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemOutcome:
    """What a run leaves the item party with.

    Args:
        queries: (n, d + 1) query vectors, one a user.
        items: (m, d + 1) index vectors; the inner product with a query is the score.
        history: one entry an epoch.
        shared: partner → numbers of the users it knows too.
        sent: bytes it sent, by stage.
    """

    queries: Floats = field(repr=False)
    items: Floats = field(repr=False)
    history: History
    shared: Mapping[str, npt.NDArray[np.int64]] = field(repr=False)
    sent: dict[str, int]


class ItemParty:
    """The item party's part of a run, from greeting to goodbye."""

    def __init__(self, session: Session, data: ItemData) -> None:
        """Prepare; nothing is sent yet.

        Raises:
            SinglePartnerError, SettingError: the cohort is too small for the profile, or a
                setting cannot be run.
        """
        check_cohort(session.config, session.partners)
        check_ciphers(session.config, len(session.partners))
        self._session = session
        self._data = data
        profile = session.config.profile
        self._talks = {name: Talk(session.link, name, profile) for name in session.partners}

    def run(self) -> ItemOutcome:
        """Greet, align, train, serve.

        Raises:
            PeerError: a peer sent something unacceptable.
            PeerLostError: a peer stopped or is silent.
            FederationError: this party's own data or settings cannot be run.
            CheckpointError: its disk refused.
        """
        with telling_others(self._session.link):
            self._session.link.greet()
            return self._lead()

    def _lead(self) -> ItemOutcome:
        session = self._session
        # From the greeting to the goodbye, the coordinator hears how far the run is.
        reporter = ProgressReporter(session.link, session.watch)
        reporting = replace(session, watch=reporter)
        alignment, resume = self._align(reporter)
        training = ItemTraining(reporting, self._talks, self._data, alignment)
        training.work_with_others(resume)
        reporter.end()
        # Nobody is kept waiting while this party trains alone: it may take longer than timeouts.
        for talk in self._talks.values():
            talk.say(Goodbye())
        session.link.post(COORDINATOR, Goodbye())
        queries = training.finish()
        return ItemOutcome(
            queries=queries[alignment.slot_of_user],
            items=training.item_matrix(),
            history=training.history,
            shared=alignment.shared,
            sent=session.link.traffic.bytes_by_stage(),
        )

    def _align(self, watch: Watcher) -> tuple[ItemAlignment, ResumeFrom]:
        """Continue from what everybody holds, or align anew."""
        partners = len(self._talks)
        watch(Progress(stage=Stage.ALIGNMENT, done=0, total=partners))
        held = self._held()
        offers = [talk.hear(Holdings) for talk in self._talks.values()]
        resume = self._common_epoch(held, offers)
        if held is not None and resume is not None:
            for talk in self._talks.values():
                talk.say(resume)
            alignment = held
        else:
            resume = ResumeFrom(-1, finished=False)
            alignment = self._align_afresh()
        watch(Progress(stage=Stage.ALIGNMENT, done=partners, total=partners))
        return alignment, resume

    def _held(self) -> ItemAlignment | None:
        """What an earlier session left, which must be of the same users and partners."""
        saved = self._session.store.load_alignment()
        if saved is None:
            return None
        held = ItemAlignment.unpack(saved)
        others = held.list_digest != digest_of(self._data.users)
        if others or set(held.shared) != set(self._talks):
            raise CheckpointError(
                "the saved alignment is of other users, users in another order, or other "
                "partners; remove the checkpoints to begin anew"
            )
        return held

    def _common_epoch(
        self, held: ItemAlignment | None, offers: Sequence[Holdings]
    ) -> ResumeFrom | None:
        if held is None or any(offer.alignment != held.identifier for offer in offers):
            return None
        store = self._session.store
        common = set(store.epochs()).intersection(*(offer.epochs for offer in offers))
        if not common:
            return ResumeFrom(-1, finished=False)
        last = max(common)
        # The run may have been given fewer epochs since.
        over = last + 1 >= self._session.config.training.epochs
        saved = store.load_epoch(last)
        return ResumeFrom(last, finished=over or ItemTraining.was_finished(saved))

    def _align_afresh(self) -> ItemAlignment:
        session = self._session
        for talk in self._talks.values():
            talk.say(StartAfresh())
        alignment = align_item(
            self._talks,
            self._data.users,
            session.config.alignment,
            job=session.link.job,
            rng=np.random.default_rng(session.private_seed),
        )
        session.store.save_alignment(alignment.pack())
        return alignment
