"""What the item party does once slots are given: open sums, learn, send gradients back."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from federation.crypto.batch_gradient import GradientOpener
from federation.crypto.cipher import Decryptor
from federation.errors import MalformedError
from federation.protocol.messages import (
    ClearGradients,
    EpochEnd,
    GradientKey,
    MaskedProducts,
    ProductSums,
    ResumeFrom,
    SealedGradients,
    SummedActivations,
    SummingKey,
    TrainingEnd,
)
from parties.alignment import ItemAlignment
from parties.archive import pack_arrays, unpack_arrays
from parties.batches import BatchPlan
from parties.ciphers import GROUP_ROWS, forward_cipher, gradient_config, wants_gradient_key
from parties.config import COORDINATOR
from parties.data import ItemData
from parties.errors import CheckpointError
from parties.events import Progress, Stage
from parties.labels import side_codes, slot_labels
from parties.seeds import derive_seed
from parties.session import Session
from parties.talk import Talk
from towers.errors import StateError
from towers.features import Floats
from towers.pooled import EpochReport
from towers.stopping import EarlyStopping
from towers.training import ItemTrainer

Groups = npt.NDArray[np.int64]
History = tuple[EpochReport, ...]


@dataclass(slots=True)
class _Progress:
    """How far training has come; all of it is in a checkpoint."""

    early: EarlyStopping
    best: bytes = field(repr=False)
    history: list[EpochReport] = field(default_factory=list)


class ItemTraining:
    """The item party's side of every batch."""

    def __init__(
        self,
        session: Session,
        talks: Mapping[str, Talk],
        data: ItemData,
        alignment: ItemAlignment,
    ) -> None:
        """Make the model and the keys, and tell everyone the public ones.

        Raises:
            SmallBatchError: a sum would come back to a partner of too few of its users.
        """
        config = session.config
        self._session, self._talks = session, talks
        self._plan = BatchPlan(config, len(data.users))
        if wants_gradient_key(config):
            for name, users in alignment.shared.items():
                slots = alignment.slot_of_user[users]
                self._plan.refuse_few(name, slots, width=config.encoder.width)
        side = side_codes(data.own, data.songs, config)
        labels = slot_labels(data.listening, alignment.slot_of_user, side, config)
        self._trainer = ItemTrainer(
            self._plan.paced.trainer, labels, seed=derive_seed(config.seed, "trainer")
        )
        self._state = _Progress(EarlyStopping(config.training.stopping), self._trainer.save())
        self._decryptor = self._send_summing_key()
        self._opener = self._send_gradient_key()
        self._slots = len(data.users)
        self._summed = np.empty((0, config.dim), np.float32)  # until the others' work is done

    @property
    def history(self) -> History:
        """Loss and validation recall of every epoch."""
        return tuple(self._state.history)

    def item_matrix(self) -> Floats:
        """(m, d + 1) index vectors."""
        return self._trainer.item_matrix()

    def _send_summing_key(self) -> Decryptor:
        cipher = forward_cipher(self._session.config, len(self._talks))
        keys = cipher.key_pair()
        message = SummingKey(keys.public)
        self._session.link.post(COORDINATOR, message)
        for talk in self._talks.values():
            talk.say(message)
        return cipher.decryptor(keys)

    def _send_gradient_key(self) -> GradientOpener | None:
        config = self._session.config
        if not wants_gradient_key(config):
            return None
        opener = GradientOpener(gradient_config(config))
        for talk in self._talks.values():
            talk.say(GradientKey(opener.public))
        return opener

    def work_with_others(self, resume: ResumeFrom) -> None:
        """Do all that partners and coordinator are needed for; ends with a sum of every slot."""
        if self._session.config.profile.trains_partners:
            self._train_together(resume)
        self._summed = self._collect()

    def finish(self) -> Floats:
        """Train what can be trained without the others, and go back to the best model.

        Returns:
            (n, d + 1) query vectors in slot order.
        """
        if not self._session.config.profile.trains_partners:
            self._train_alone()
        self._trainer.load(self._state.best)
        slots = np.arange(self._slots, dtype=np.int64)
        return self._trainer.query_matrix(slots, self._summed)

    def _train_together(self, resume: ResumeFrom) -> None:
        if resume.epoch >= 0:
            self._load(resume.epoch)
        if resume.finished:
            for talk in self._talks.values():
                talk.say(TrainingEnd(resume.epoch, best=False))
            return
        # Said before the first step, which is part of the training's time.
        self._report(self._plan.step(resume.epoch + 1, 0))
        for epoch in range(resume.epoch + 1, self._session.config.training.epochs):
            losses = []
            for number, groups in enumerate(self._plan.epoch(epoch)):
                losses.append(self._exchange(epoch, number, groups))
                self._report(self._plan.step(epoch, number) + 1)
            best, last = self._close_epoch(epoch, losses)
            self._report(self._plan.step(epoch + 1, 0))  # once more, with the epoch's recall
            self._save(epoch, finished=last)
            kind = TrainingEnd if last else EpochEnd
            for talk in self._talks.values():
                talk.say(kind(epoch, best))
            if last:
                return

    def _train_alone(self) -> None:
        """Under `frozen` the sums never change, so nobody need be asked again."""
        self._report(0)
        for epoch in range(self._session.config.training.epochs):
            losses = []
            for number, groups in enumerate(self._plan.epoch(epoch)):
                rows = self._plan.rows(groups)
                outcome = self._trainer.step(epoch, number, rows, self._summed[rows])
                losses.append(outcome.loss)
                self._report(self._plan.step(epoch, number) + 1)
            if self._close_epoch(epoch, losses)[1]:
                return

    def _exchange(self, epoch: int, number: int, groups: Groups) -> float:
        """One batch: sums in, gradients out; returns the loss."""
        step = self._plan.step(epoch, number)
        rows = self._plan.rows(groups)
        padded = len(self._plan.padded_rows(groups))
        # Groups ascend, so the slots behind the last user are the last rows of a batch.
        summed = self._hear_sum(step, padded)[: len(rows)]
        outcome = self._trainer.step(epoch, number, rows, summed)
        gradient = np.zeros((padded, self._session.config.dim), np.float32)
        gradient[: len(rows)] = outcome.gradient
        if self._opener is None:
            message = ClearGradients(step, gradient.astype("<f4").tobytes())
            for talk in self._talks.values():
                talk.say(message)
        else:
            self._return_sealed(self._opener, step, gradient)
        return outcome.loss

    def _return_sealed(self, opener: GradientOpener, step: int, gradient: Floats) -> None:
        blocks = gradient.reshape(-1, GROUP_ROWS, gradient.shape[1])
        sealed = SealedGradients(step, opener.seal(blocks))
        for talk in self._talks.values():
            talk.say(sealed)
        for talk in self._talks.values():
            products = talk.hear(MaskedProducts)  # of this step, or out of turn
            sums = opener.sum_blocks(products.parts)
            talk.say(ProductSums(step, sums.astype("<i8").tobytes()))

    def _hear_sum(self, step: int, rows: int) -> Floats:
        message = self._session.link.receive(COORDINATOR, SummedActivations)
        if (message.step, message.rows) != (step, rows):
            raise MalformedError(
                f"a sum of {message.rows} rows of step {message.step} came where {rows} rows of "
                f"step {step} were due"
            )
        if message.cohort != tuple(self._session.partners):
            raise MalformedError("a sum was made of other partners than the run's")
        return self._decryptor.decrypt(message.parts, shape=(rows, self._session.config.dim))

    def _collect(self) -> Floats:
        """(n, d) sums of every slot."""
        batches = list(self._plan.serving())
        parts = []
        self._session.watch(Progress(stage=Stage.SERVING, done=0, total=len(batches)))
        for done, (step, groups) in enumerate(batches, start=1):
            padded = len(self._plan.padded_rows(groups))
            parts.append(self._hear_sum(step, padded)[: len(self._plan.rows(groups))])
            self._session.watch(Progress(stage=Stage.SERVING, done=done, total=len(batches)))
        return np.concatenate(parts)

    def _close_epoch(self, epoch: int, losses: list[float]) -> tuple[bool, bool]:
        """Note an epoch; returns whether it is the best so far and whether it is the last."""
        training = self._session.config.training
        recall = self._trainer.validation_recall(training.stopping.top_k)
        self._state.history.append(EpochReport(epoch, float(np.mean(losses)), recall))
        best = self._state.early.update(epoch, recall)
        if best:
            self._state.best = self._trainer.save()
        return best, self._state.early.exhausted or epoch + 1 == training.epochs

    def _report(self, done: int) -> None:
        recall = self._state.early.best_recall
        self._session.watch(
            Progress(
                stage=Stage.TRAINING,
                done=done,
                total=self._session.config.training.epochs * self._plan.steps,
                recall=recall if np.isfinite(recall) else None,
            )
        )

    def _save(self, epoch: int, *, finished: bool) -> None:
        curve = [(each.epoch, each.loss, each.recall) for each in self._state.history]
        self._session.store.save_epoch(
            epoch,
            pack_arrays(
                {
                    "now": np.frombuffer(self._trainer.save(), np.uint8),
                    "best": np.frombuffer(self._state.best, np.uint8),
                    "history": np.array(curve, np.float64),
                    "finished": np.array([finished]),
                }
            ),
        )

    def _load(self, epoch: int) -> None:
        arrays = unpack_arrays(self._session.store.load_epoch(epoch))
        try:
            self._trainer.load(arrays["now"].tobytes())
            self._state.best = arrays["best"].tobytes()
            curve = arrays["history"].tolist()
        except KeyError as error:
            raise CheckpointError(f"the state after epoch {epoch} lacks {error}") from None
        except StateError as error:
            raise CheckpointError(
                f"the state after epoch {epoch} does not fit: {error}"
            ) from error
        for number, loss, recall in curve:
            self._state.early.update(int(number), recall)
            self._state.history.append(EpochReport(int(number), loss, recall))

    @staticmethod
    def was_finished(saved: bytes) -> bool:
        """Whether training was over when these bytes were saved."""
        arrays = unpack_arrays(saved)
        return bool(arrays["finished"].all()) if "finished" in arrays else False
