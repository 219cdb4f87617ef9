"""The federated mathematics in one process, with no federation: what a run is compared with."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from towers.features import Floats
from towers.projection import FixedProjection, Projection, ProjectionConfig
from towers.schedule import BatchSchedule
from towers.stopping import EarlyStopping, StoppingConfig
from towers.training import ItemTrainer

Slots = npt.NDArray[np.int64]


class UserSide(Protocol):
    """What turns slots into embeddings and learns from the gradient of their sum."""

    def forward(self, slots: Slots) -> Floats:
        """(B, d) embeddings of a batch while training."""
        ...

    def backward(self, slots: Slots, gradient: Floats) -> None:
        """Learn from the (B, d) gradient of the batch given to the last `forward`."""
        ...

    def embed(self, slots: Slots) -> Floats:
        """(B, d) embeddings for serving."""
        ...

    def keep(self) -> None:
        """Remember the present weights as the best so far."""
        ...

    def restore(self) -> None:
        """Go back to the remembered weights."""
        ...


class LocalPartner:
    """A partner's projection beside its encoder output, without anything in between."""

    def __init__(self, phi: Floats, dim: int, config: ProjectionConfig, *, seed: int) -> None:
        self._phi = phi
        self.projection = Projection((phi.shape[1], dim), config, seed=seed)
        self._best = self.projection.state()

    def forward(self, slots: Slots) -> Floats:
        """Project a batch."""
        return self.projection.forward(self._phi[slots])

    def backward(self, slots: Slots, gradient: Floats) -> None:
        """Step along phi^T G, as a federated partner does."""
        self.projection.apply(np.asarray(self._phi[slots].T @ gradient, np.float32))

    def embed(self, slots: Slots) -> Floats:
        """Project for serving; the same as `forward`."""
        return self.forward(slots)

    def keep(self) -> None:
        """Remember the present weights as the best so far."""
        self._best = self.projection.state()

    def restore(self) -> None:
        """Go back to the remembered weights."""
        self.projection.load(self._best)


class FixedPartner:
    """A partner whose projection never learns, as in a run without a backward pass."""

    def __init__(self, phi: Floats, dim: int, *, seed: int) -> None:
        self._embedded = FixedProjection((phi.shape[1], dim), seed=seed).forward(phi)

    def forward(self, slots: Slots) -> Floats:
        """Project a batch."""
        return np.asarray(self._embedded[slots], np.float32)

    def backward(self, slots: Slots, gradient: Floats) -> None:
        """Learn nothing."""

    def embed(self, slots: Slots) -> Floats:
        """Project for serving; the same as `forward`."""
        return self.forward(slots)

    def keep(self) -> None:
        """There is nothing to remember."""

    def restore(self) -> None:
        """There is nothing to go back to."""


@dataclass(frozen=True, slots=True)
class EpochReport:
    """What one epoch came to: mean loss a user, and recall of the validation users."""

    epoch: int
    loss: float
    recall: float


def train_pooled(
    trainer: ItemTrainer,
    sides: Sequence[UserSide],
    schedule: BatchSchedule,
    *,
    epochs: int,
    stopping: StoppingConfig,
) -> list[EpochReport]:
    """Train until the validation recall stops rising; trainer and sides end at the best epoch."""
    history: list[EpochReport] = []
    early = EarlyStopping(stopping)
    best = trainer.save()
    for epoch in range(epochs):
        loss = _train_epoch(trainer, sides, schedule, epoch)
        report = EpochReport(epoch, loss, trainer.validation_recall(stopping.top_k))
        history.append(report)
        if early.update(epoch, report.recall):
            best = trainer.save()
            for side in sides:
                side.keep()
        if early.exhausted:
            break
    trainer.load(best)
    for side in sides:
        side.restore()
    return history


def _train_epoch(
    trainer: ItemTrainer, sides: Sequence[UserSide], schedule: BatchSchedule, epoch: int
) -> float:
    losses = []
    for step, groups in enumerate(schedule.epoch(epoch)):
        slots = schedule.rows(groups)
        parts = [side.forward(slots) for side in sides]
        summed = sum_parts(parts, (len(slots), trainer.embedding_dim))
        outcome = trainer.step(epoch, step, slots, summed)
        losses.append(outcome.loss)
        for side in sides:
            side.backward(slots, outcome.gradient)
    return float(np.mean(losses))


def pooled_queries(trainer: ItemTrainer, sides: Sequence[UserSide], slots: Slots) -> Floats:
    """(B, d + 1) query vectors of users, from the sides' serving embeddings."""
    parts = [side.embed(slots) for side in sides]
    return trainer.query_matrix(slots, sum_parts(parts, (len(slots), trainer.embedding_dim)))


def sum_parts(parts: Sequence[Floats], shape: tuple[int, int]) -> Floats:
    """Add embeddings in their order; zeros of `shape` when nobody knows the users."""
    total = np.zeros(shape, np.float32)
    for part in parts:
        total += part
    return total
