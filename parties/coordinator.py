"""The coordinator: adds what it cannot read, for people it does not know."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from federation.crypto.cipher import Adder, Checked
from federation.errors import MalformedError, OutOfTurnError, PeerError
from federation.exchange.link import Link
from federation.protocol.collecting import Collector
from federation.protocol.messages import (
    Activations,
    Collected,
    Goodbye,
    ProgressReport,
    SummedActivations,
    SummingKey,
)
from parties.ciphers import check_ciphers, forward_cipher
from parties.cohort import check_cohort
from parties.config import ITEM, RunConfig
from parties.events import Watcher, ignore_progress
from parties.reporting import to_progress
from parties.session import telling_others


@dataclass(frozen=True, slots=True)
class CoordinatorOutcome:
    """How many sums a run was made of."""

    sums: int


class Coordinator:
    """Sums the partners' protected activations, step by step, for the item party."""

    def __init__(
        self,
        link: Link,
        config: RunConfig,
        partners: Sequence[str],
        *,
        watch: Watcher = ignore_progress,
    ) -> None:
        """Serve one run.

        Args:
            link: its line to the others.
            config: the run.
            partners: all partners of the run, in the order sums are made.
            watch: told what the item party reports of the run's progress.

        Raises:
            SinglePartnerError, SettingError: the cohort is too small for the profile, or a
                setting cannot be run.
        """
        self._link = link
        self._config = config
        self._watch = watch
        floor = check_cohort(config, partners)
        check_ciphers(config, len(partners))
        self._collector: Collector[Checked] = Collector(partners, min_cohort=floor)

    def run(self) -> CoordinatorOutcome:
        """Greet everyone, then add until the item party says goodbye.

        Raises:
            PeerError: a party sent something unacceptable.
            PeerLostError: a party stopped or is silent.
        """
        with telling_others(self._link):
            self._link.greet()
            return self._serve()

    def _serve(self) -> CoordinatorOutcome:
        cipher = forward_cipher(self._config, len(self._collector.cohort))
        adder = cipher.adder(self._await_key())
        sums = 0
        while True:
            sender, message = self._link.receive_any()
            match message:
                case Activations():
                    sums += self._collect(adder, sender, message)
                case ProgressReport() if sender == ITEM:
                    self._watch(to_progress(message))
                case Goodbye() if sender == ITEM:
                    return CoordinatorOutcome(sums)
                case _:
                    kind = type(message).__name__
                    raise OutOfTurnError(f"{sender} sent {kind} to the coordinator")

    def _await_key(self) -> bytes:
        """The public key of the sums; alignment goes on until it comes."""
        kinds: tuple[type[SummingKey | ProgressReport], ...] = (SummingKey, ProgressReport)
        while isinstance(message := self._link.receive(ITEM, *kinds), ProgressReport):
            self._watch(to_progress(message))
        return message.public

    def _collect(self, adder: Adder, sender: str, message: Activations) -> int:
        step, shape = message.step, (message.rows, self._config.dim)
        self._collector.check(sender, step)
        with _blaming(sender, step):
            checked = adder.check(message.parts, shape=shape)
        gathered = self._collector.accept(sender, step, checked)
        if gathered is None:
            return 0
        rows = gathered[0].shape[0]
        if any(each.shape[0] != rows for each in gathered):
            raise MalformedError(f"the partners disagree on the rows of step {step}")
        total = adder.add_checked(gathered)
        cohort = self._collector.cohort
        self._link.post(ITEM, SummedActivations(step, rows, cohort, total))
        for partner in cohort:
            self._link.post(partner, Collected(step))
        return 1


@contextmanager
def _blaming(sender: str, step: int) -> Iterator[None]:
    """Say whose contribution it was that was refused."""
    try:
        yield
    except PeerError as error:
        raise type(error)(f"the contribution of {sender} to step {step}: {error}") from error
