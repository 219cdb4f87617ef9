"""A partner: it knows features of users, and shows no one what they are."""

from dataclasses import dataclass

from federation.errors import MalformedError
from federation.protocol.messages import Goodbye, Holdings, ResumeFrom, StartAfresh
from parties.alignment import PartnerAlignment, align_partner, digest_of
from parties.ciphers import check_ciphers
from parties.cohort import check_cohort
from parties.config import ITEM
from parties.data import PartnerData
from parties.errors import CheckpointError
from parties.partner_training import PartnerTraining
from parties.session import Session, telling_others
from parties.talk import Talk
from towers.encoders import fit_encoder
from towers.features import Floats

FROM_THE_START = ResumeFrom(-1, finished=False)


@dataclass(frozen=True, slots=True)
class PartnerOutcome:
    """What a partner may say of a run afterwards.

    Args:
        shared: users it shares with the item party.
        sent: bytes it sent, by stage.
        values: numbers of its embeddings it sent, protected.
        clipped: how many of them were cut to the fixed-point range.
    """

    shared: int
    sent: dict[str, int]
    values: int
    clipped: int


class Partner:
    """One partner's part of a run, from greeting to goodbye."""

    def __init__(self, session: Session, data: PartnerData) -> None:
        """Prepare; nothing is sent yet.

        Raises:
            SinglePartnerError, SettingError: the cohort is too small for the profile, or a
                setting cannot be run.
        """
        check_cohort(session.config, session.partners)
        check_ciphers(session.config, len(session.partners))
        self._session = session
        self._data = data
        self._talk = Talk(session.link, ITEM, session.config.profile)

    def run(self) -> PartnerOutcome:
        """Fit the encoder, greet, align, train, serve.

        Raises:
            PeerError: a peer sent something unacceptable.
            PeerLostError: a peer stopped or is silent.
            FederationError: this party's own data or settings cannot be run.
            CheckpointError: its disk refused.
        """
        with telling_others(self._session.link):
            session = self._session
            # Before anybody is met: no peer's message waits while this party works on its data.
            encoder, seed = session.config.encoder, session.private_seed
            phi = fit_encoder(self._data.features, encoder, seed=seed)
            session.link.greet()
            return self._take_part(phi)

    def _take_part(self, phi: Floats) -> PartnerOutcome:
        session = self._session
        alignment, resume = self._align()
        training = PartnerTraining(session, self._talk, alignment, phi)
        if session.config.profile.trains_partners:
            training.train(resume)
        training.serve()
        self._talk.hear(Goodbye)
        sent = session.link.traffic.bytes_by_stage()
        return PartnerOutcome(
            shared=len(alignment.users),
            sent=sent,
            values=training.values,
            clipped=training.clipped,
        )

    def _held(self) -> PartnerAlignment | None:
        """What an earlier session left, which must be of the same users."""
        saved = self._session.store.load_alignment()
        if saved is None:
            return None
        held = PartnerAlignment.unpack(saved)
        if held.list_digest != digest_of(self._data.identifiers):
            raise CheckpointError(
                "the saved alignment is of other users, or users in another order; remove the "
                "checkpoints to begin anew"
            )
        return held

    def _align(self) -> tuple[PartnerAlignment, ResumeFrom]:
        """Offer what an earlier session left, and go by the item party's answer."""
        store = self._session.store
        held = self._held()
        epochs = store.epochs() if held else ()
        self._talk.say(Holdings(held.identifier if held else b"", epochs))
        answer = self._talk.hear_either(StartAfresh, ResumeFrom)
        if isinstance(answer, ResumeFrom):
            if held is None or (answer.epoch >= 0 and answer.epoch not in epochs):
                raise MalformedError(f"{ITEM} resumes from what this party does not hold")
            return held, answer
        alignment = align_partner(
            self._talk,
            self._data.identifiers,
            self._session.config.alignment,
            job=self._session.link.job,
        )
        store.save_alignment(alignment.pack())
        return alignment, FROM_THE_START
