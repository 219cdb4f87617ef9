"""The one trainer of all sequence encoders: next items, sampled softmax, averaged weights."""

import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt
import torch

from towers.averaging import WeightAverage
from towers.errors import FeatureError
from towers.features import Floats
from towers.loss import NegativeSampler
from towers.ranking import mean_ndcg, target_ranks
from towers.seeded_dropout import SeededDropout
from towers.sequence_batches import Batches
from towers.sequence_config import MINDConfig, Order, SequenceConfig
from towers.sequence_encoder import TrainingBatch
from towers.sequence_loss import next_item_loss
from towers.sequence_model import SequenceModel, TrainedSequence
from towers.stopping import EarlyStopping, StoppingConfig

Ids = npt.NDArray[np.int64]
MIN_TO_HOLD_OUT: Final = 3  # items of a history, so that two are left to learn from
BETAS: Final = (0.9, 0.98)  # of AdamW, as the published SASRec has them


@dataclass(frozen=True, slots=True)
class EpochReport:
    """What one epoch of training was like.

    Args:
        number: of the epoch, from 1.
        loss: mean over its batches.
        validation: NDCG of the held-out items; 0 without any.
        seconds: of training, validation not included.
        cpu_seconds: of the process meanwhile.
    """

    number: int
    loss: float
    validation: float
    seconds: float
    cpu_seconds: float


Watch = Callable[[EpochReport], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class SequenceRun:
    """A trained model and how it came about.

    Args:
        trained: the model of the best epoch.
        epochs: every epoch's report.
        best_epoch: number of the epoch that was kept.
    """

    trained: TrainedSequence = field(repr=False)
    epochs: tuple[EpochReport, ...] = field(repr=False)
    best_epoch: int


def train_sequence(
    config: SequenceConfig,
    histories: Sequence[Ids],
    items: int,
    *,
    seed: int,
    side: Floats | None = None,
    watch: Watch | None = None,
) -> SequenceRun:
    """Train a model on histories; one item of each is held out to say when to stop.

    Held out is the latest item, or one at random where order says nothing. Users with fewer
    than three items teach with all they have. At most `validation_users` of the held-out items,
    drawn once, are looked at.

    Args:
        config: model and training.
        histories: item numbers of each user, oldest first; users with fewer than two teach
            nothing.
        items: size of the catalogue.
        seed: of weights, batches, dropout, negatives and routing; the same seed on the same
            number of threads gives the same model.
        side: (items, f) side features, or None.
        watch: told of every epoch as it ends.

    Raises:
        FeatureError: no history has two items, or one holds an item outside the catalogue.
    """
    training, held = _hold_out(histories, items, config, seed)
    trainer = _Trainer(config, training, held, _Items(items, side), seed=seed)
    return trainer.run(watch or _ignore)


@dataclass(frozen=True, slots=True)
class _Items:
    """How many items there are, and their side features if any."""

    count: int
    features: Floats | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class _HeldOut:
    """What is known of validation users, and the item each is asked for."""

    histories: list[Ids]
    targets: Ids


class _Trainer:
    """One model being trained; `run` is called once."""

    def __init__(
        self,
        config: SequenceConfig,
        histories: list[Ids],
        held: _HeldOut,
        items: _Items,
        *,
        seed: int,
    ) -> None:
        training = config.training
        self._config, self._held = training, held
        self._rng = np.random.default_rng(seed)
        generator = torch.Generator().manual_seed(seed)
        shape = config.encoder
        self._model = SequenceModel(shape, items.count, side=items.features, generator=generator)
        self._drop = SeededDropout(shape.dropout, generator)
        self._batches = Batches(
            histories,
            shape.max_length,
            batch_tokens=training.batch_tokens,
            targets_per_history=(
                shape.targets_per_history if isinstance(shape, MINDConfig) else None
            ),
            shuffled=training.order is Order.NONE,
        )
        self._average = WeightAverage(
            self._model, horizon=shape.averaged_epochs * self._batches.per_epoch
        )
        self._trained = TrainedSequence(self._average.model)
        counts = np.bincount(np.concatenate(histories), minlength=items.count)
        self._sampler = NegativeSampler(
            counts.astype(np.float32), training.negatives, smoothing=training.smoothing
        )
        self._optimiser = torch.optim.AdamW(
            self._model.parameters(),
            lr=training.learning_rate,
            weight_decay=training.weight_decay,
            betas=BETAS,
            fused=True,
        )

    def run(self, watch: Watch) -> SequenceRun:
        config = self._config
        stopping = EarlyStopping(StoppingConfig(patience=config.patience, top_k=config.top_k))
        reports: list[EpochReport] = []
        best = self._average.model.state_dict()
        while len(reports) < config.epochs and not (reports and stopping.exhausted):
            reports.append(self._epoch(len(reports) + 1))
            watch(reports[-1])
            if stopping.update(reports[-1].number, self._merit(reports[-1])):
                best = copy.deepcopy(self._average.model.state_dict())
        self._average.model.load_state_dict(best)
        return SequenceRun(
            trained=self._trained, epochs=tuple(reports), best_epoch=stopping.best_epoch
        )

    def _merit(self, report: EpochReport) -> float:
        # With nobody to hold an item out from, the training loss is all there is to go by.
        return report.validation if self._held.histories else -report.loss

    def _epoch(self, number: int) -> EpochReport:
        began, cpu_began = time.perf_counter(), time.process_time()
        losses = [self._step(batch) for batch in self._batches.epoch(self._rng)]
        seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - cpu_began
        return EpochReport(number, float(np.mean(losses)), self._validate(), seconds, cpu_seconds)

    def _step(self, batch: TrainingBatch) -> float:
        negatives = self._sampler.draw(self._rng)
        table = self._model.table
        embedded, vectors = table(batch.items), table(batch.targets)
        pool = table(torch.from_numpy(negatives.songs))
        queries = self._model.encoder.foresee(batch, embedded, self._drop)
        loss = next_item_loss(queries, vectors, batch.targets, negatives, pool)
        self._optimiser.zero_grad()
        torch.autograd.backward(loss)
        self._optimiser.step()
        self._average.update()
        return float(loss.detach())

    def _validate(self) -> float:
        held = self._held
        if not held.histories:
            return 0.0
        ranks = target_ranks(
            self._trained.encode_all(held.histories),
            self._trained.item_vectors(),
            seen=held.histories,
            targets=held.targets,
        )
        return mean_ndcg(ranks, self._config.top_k)


def _hold_out(
    histories: Sequence[Ids], items: int, config: SequenceConfig, seed: int
) -> tuple[list[Ids], _HeldOut]:
    kept = [history for history in histories if len(history) >= 2]
    if not kept:
        raise FeatureError("no history has two items: there is nothing to learn from")
    if min(map(np.min, kept)) < 0 or max(map(np.max, kept)) >= items:
        raise FeatureError(f"a history holds an item outside 0 … {items - 1}")
    rng = np.random.default_rng([seed, 1])
    if config.training.order is Order.NONE:
        kept = [rng.permutation(history) for history in kept]
    long = np.array([len(history) >= MIN_TO_HOLD_OUT for history in kept])
    training = [each[:-1] if held else each for each, held in zip(kept, long, strict=True)]
    asked = rng.permutation(np.flatnonzero(long))[: config.training.validation_users]
    targets = np.array([kept[number][-1] for number in asked], dtype=np.int64)
    return training, _HeldOut([training[number] for number in asked], targets)


def _ignore(report: EpochReport) -> None:
    """Tell nobody."""
