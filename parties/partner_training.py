"""What a partner does once it knows the slots: project, protect, send, learn."""

from typing import Any

import numpy as np
import numpy.typing as npt

from federation.crypto.batch_gradient import ProductMaker
from federation.crypto.cipher import Encryptor
from federation.crypto.gradient_config import GROUP_ROWS, USERS_PER_COLUMN
from federation.crypto.masks import PairwiseMasks
from federation.errors import MalformedError, OutOfTurnError
from federation.protocol.collecting import WINDOW
from federation.protocol.messages import (
    Activations,
    ClearGradients,
    Collected,
    EpochEnd,
    GradientKey,
    MaskedProducts,
    ProductSums,
    ResumeFrom,
    SealedGradients,
    SummingKey,
    TrainingEnd,
)
from federation.protocol.profile import Profile
from parties.alignment import PartnerAlignment
from parties.archive import pack_arrays, unpack_arrays
from parties.batches import BatchPlan
from parties.ciphers import forward_cipher, gradient_config, takes_masks, wants_gradient_key
from parties.config import COORDINATOR, ITEM
from parties.errors import CheckpointError
from parties.session import Session
from parties.talk import Talk
from towers.errors import StateError
from towers.features import Floats
from towers.projection import FixedProjection, Projection

Groups = npt.NDArray[np.int64]


class PartnerTraining:
    """The partner's side of every batch."""

    def __init__(
        self, session: Session, talk: Talk, alignment: PartnerAlignment, phi: Floats
    ) -> None:
        """Take the item party's keys.

        Args:
            session: the run.
            talk: the conversation with the item party, ALIGNED.
            alignment: which users are shared, and their slots.
            phi: (n, r) encoder outputs of this partner's users, rows of norm 1 at most.
        """
        self._session, self._talk = session, talk
        self._plan = BatchPlan(session.config, alignment.total)
        # Zero rows for slots of users this partner does not know.
        self._phi = np.zeros((self._plan.padded_slots, phi.shape[1]), np.float32)
        self._phi[alignment.slots] = phi[alignment.users]
        self._encryptor = self._hear_summing_key()
        self._products = self._hear_gradient_key()
        self._projection = Projection(
            (phi.shape[1], session.config.dim),
            self._plan.paced.projection,
            seed=session.private_seed,
        )
        self._best = self._projection.state()
        self._uncollected: list[int] = []
        self.values = 0  # numbers sent so far

    @property
    def clipped(self) -> int:
        """Numbers that were cut to the fixed-point range so far."""
        return self._encryptor.clipped

    def _hear_summing_key(self) -> Encryptor:
        session = self._session
        public = self._talk.hear(SummingKey).public
        cipher = forward_cipher(session.config, len(session.partners))
        own = session.link.name
        rng = np.random.default_rng(session.private_seed)
        if not takes_masks(cipher):
            return cipher.encryptor(public, None, rng=rng)
        others = [name for name in session.partners if name != own]
        keys = {name: session.link.mask_key(name) for name in others}
        return cipher.encryptor(public, PairwiseMasks(own=own, keys=keys), rng=rng)

    def _hear_gradient_key(self) -> ProductMaker | None:
        config = self._session.config
        if not wants_gradient_key(config):
            return None
        public = self._talk.hear(GradientKey).public
        return ProductMaker(gradient_config(config), public, self._phi)

    def train(self, resume: ResumeFrom) -> None:
        """Answer batch after batch until the item party ends the training.

        Raises:
            OutOfTurnError: it goes on after the last epoch that was agreed on.
        """
        if resume.epoch >= 0:
            self._load(resume.epoch)
        epoch = resume.epoch
        end: EpochEnd | TrainingEnd = EpochEnd(epoch, best=False)
        if resume.finished:
            end = self._talk.hear(TrainingEnd)
        while isinstance(end, EpochEnd):
            epoch += 1
            self._refuse_beyond(epoch)
            for number, groups in enumerate(self._plan.epoch(epoch)):
                self._step(epoch, number, groups)
            end = self._close_epoch(epoch)
        self._projection.load(self._best)

    def _refuse_beyond(self, epoch: int) -> None:
        """Later steps have the numbers of serving, and masks for one number are used once."""
        epochs = self._session.config.training.epochs
        if epoch >= epochs:
            raise OutOfTurnError(f"{ITEM} goes on training after training.epochs = {epochs}")

    def _close_epoch(self, epoch: int) -> EpochEnd | TrainingEnd:
        end = self._talk.hear_either(EpochEnd, TrainingEnd)
        _refuse_other(end.epoch, epoch, f"epoch from {ITEM}")
        if end.best:
            self._best = self._projection.state()
        self._save(epoch)
        return end

    def serve(self) -> None:
        """Send every group once, under the weights that serving uses."""
        projection: Projection | FixedProjection = self._projection
        if self._session.config.profile is Profile.FROZEN:
            # The seed is private: a projection that others knew would hide nothing.
            projection = FixedProjection(
                (self._phi.shape[1], self._session.config.dim), seed=self._session.private_seed
            )
        for step, groups in self._plan.serving():
            self._send(step, projection.forward(self._phi[self._plan.padded_rows(groups)]))
        while self._uncollected:
            self._await_oldest()

    def _step(self, epoch: int, number: int, groups: Groups) -> None:
        step = self._plan.step(epoch, number)
        phi = self._phi[self._plan.padded_rows(groups)]  # a copy, as indexing by array is
        by_group = phi.reshape(len(groups), GROUP_ROWS, -1)
        left_out = self._left_out(epoch, number, by_group.any(axis=2).sum(axis=1))
        by_group[left_out] = 0
        self._send(step, self._projection.forward(phi))
        if self._products is None:
            gradient = self._clear_gradient(step, phi)
        else:
            skip = frozenset(groups[left_out].tolist())
            gradient = self._sealed_gradient(self._products, step, groups, skip=skip)
        self._projection.apply(gradient)

    def _left_out(self, epoch: int, number: int, known: Groups) -> npt.NDArray[np.bool_]:
        """Groups to leave out of a step, so that the model learns to miss this partner.

        Args:
            epoch: number of the epoch.
            number: number of the step in it.
            known: (groups,) users of each group that this partner knows.

        Returns:
            (groups,) Never so many are left out that the sum that comes back would be of too few
            users for its width: that would be refused, under `strict`, at random.
        """
        config = self._session.config
        rng = np.random.default_rng([self._session.private_seed, epoch, number])
        draws = rng.random(len(known))
        order = np.argsort(-draws)
        kept_before = np.cumsum(known[order]) - known[order]
        safe = np.empty(len(known), np.bool_)
        safe[order] = kept_before >= USERS_PER_COLUMN * config.encoder.width
        left_out: npt.NDArray[np.bool_] = safe & (draws < config.exchange.partner_dropout)
        return left_out

    def _clear_gradient(self, step: int, phi: Floats) -> Floats:
        message = self._talk.hear(ClearGradients)
        _refuse_other(message.step, step, f"step from {ITEM}")
        gradient = _read(message.values, "<f4", (len(phi), self._session.config.dim))
        if not np.isfinite(gradient).all():
            raise MalformedError("the gradient holds numbers that are not finite")
        return np.asarray(phi.T @ gradient, np.float32)

    def _sealed_gradient(
        self, products: ProductMaker, step: int, groups: Groups, *, skip: frozenset[int]
    ) -> Floats:
        sealed = self._talk.hear(SealedGradients)
        _refuse_other(sealed.step, step, f"step from {ITEM}")
        parts = products.multiply(step, groups.tolist(), sealed.parts, skip=skip)
        self._talk.say(MaskedProducts(step, parts))
        sums = self._talk.hear(ProductSums).sums
        shape = (self._phi.shape[1], self._session.config.dim)
        return products.unmask(step, _read(sums, "<i8", shape))

    def _send(self, step: int, hidden: Floats) -> None:
        if len(self._uncollected) >= WINDOW:
            self._await_oldest()
        parts = self._encryptor.encrypt(hidden, step=step)
        message = Activations(step, len(hidden), parts)
        self._session.link.post(COORDINATOR, message)
        self._uncollected.append(step)
        self.values += hidden.size

    def _await_oldest(self) -> None:
        collected = self._session.link.receive(COORDINATOR, Collected)
        due = self._uncollected[0]
        _refuse_other(collected.step, due, f"collected step from {COORDINATOR}")
        self._uncollected.pop(0)

    def _save(self, epoch: int) -> None:
        now = {f"now:{name}": array for name, array in self._projection.state().items()}
        best = {f"best:{name}": array for name, array in self._best.items()}
        self._session.store.save_epoch(epoch, pack_arrays({**now, **best}))

    def _load(self, epoch: int) -> None:
        arrays = unpack_arrays(self._session.store.load_epoch(epoch))
        try:
            self._projection.load(_section(arrays, "best:"))
            self._best = self._projection.state()
            self._projection.load(_section(arrays, "now:"))
        except StateError as error:
            raise CheckpointError(
                f"the state after epoch {epoch} does not fit: {error}"
            ) from error


def _refuse_other(received: int, due: int, what: str) -> None:
    if received != due:
        raise MalformedError(f"{what} is {received} where {due} was due")


def _section(arrays: dict[str, npt.NDArray[Any]], prefix: str) -> dict[str, Floats]:
    return {
        name.removeprefix(prefix): array
        for name, array in arrays.items()
        if name.startswith(prefix)
    }


def _read(data: bytes, kind: str, shape: tuple[int, int]) -> npt.NDArray[Any]:
    """Numbers of a peer's message; raises MalformedError unless they fill `shape` exactly."""
    if len(data) != np.dtype(kind).itemsize * shape[0] * shape[1]:
        raise MalformedError(f"{len(data)} bytes do not hold {shape[0]} x {shape[1]} numbers")
    return np.frombuffer(data, kind).reshape(shape)
