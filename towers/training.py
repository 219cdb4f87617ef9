"""The item party's side of training: one step from summed embeddings to their gradient."""

import io
import pickle
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
import torch
from torch import Tensor

from towers.config import TrainerConfig
from towers.dssm import DSSM, SideCodes
from towers.errors import FeatureError, StateError
from towers.features import Floats
from towers.fresh import expected_prior, fresh_songs
from towers.loss import NegativeSampler, gather_positives, softmax_losses
from towers.projection import rate_share
from towers.stopping import mean_recall

# What torch.load raises on bytes that are cut short, altered or no archive at all.
DAMAGE = (RuntimeError, ValueError, KeyError, TypeError, EOFError, pickle.UnpicklingError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """Graded labels by slot, and what the item party knows of users and songs beside them.

    Args:
        train: (n, m) weights above 0; rows of users who must not teach are empty.
        validation: (n, m), the rows early stopping looks at; empty for everybody else.
        side: the item party's own codes of users and songs.
    """

    train: sp.csr_array = field(repr=False)
    validation: sp.csr_array = field(repr=False)
    side: SideCodes = field(repr=False)

    def __post_init__(self) -> None:
        slots, songs = self.train.shape
        if self.validation.shape != self.train.shape:
            raise FeatureError("training and validation labels differ in shape")
        if (len(self.side.users), len(self.side.songs)) != (slots, songs):
            raise FeatureError("side codes must have one row a slot and one row a song")
        if self.train.nnz == 0:
            raise FeatureError("no user has a label to learn from")
        if not (self.train.data > 0).all():
            raise FeatureError("label weights must be above 0")


@dataclass(frozen=True, slots=True)
class StepOutcome:
    """What one step gives.

    Args:
        loss: mean over the batch's users with labels; 0 if there are none.
        gradient: (B, d) of the sum of the users' losses, zero rows for users without labels.
    """

    loss: float
    gradient: Floats = field(repr=False)


class ItemTrainer:
    """Trains the towers on one batch at a time; its randomness needs no saved state."""

    def __init__(self, config: TrainerConfig, labels: Labels, *, seed: int) -> None:
        self._config, self._labels, self._seed = config, labels, seed
        self._train = _damped(labels.train) if config.damp_labels else labels.train
        counts = np.bincount(labels.train.indices, minlength=labels.train.shape[1])
        side = labels.side
        self._fresh = fresh_songs(counts, side.songs)
        self._sampler = NegativeSampler(
            counts.astype(np.float32), config.negatives, left_out=self._fresh
        )
        self._own = torch.from_numpy(side.users)
        self._song_codes = torch.from_numpy(side.songs)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self._model = DSSM(
                config.model,
                counts=torch.from_numpy(counts.astype(np.float32)),
                side_dims=(side.users.shape[1], side.songs.shape[1]),
            )
        self._optimiser = torch.optim.AdamW(self._groups(), lr=config.learning_rate)
        self._steps = 0
        held_out = np.flatnonzero(np.diff(labels.validation.indptr))
        self._held_out = held_out.astype(np.int64)
        shape = (len(held_out), config.model.embedding_dim)
        self._held_out_summed = np.zeros(shape, np.float32)

    @property
    def embedding_dim(self) -> int:
        """Width d of the summed embeddings."""
        return self._config.model.embedding_dim

    def _groups(self) -> list[dict[str, object]]:
        prior = [self._model.prior]
        towers = [p for p in self._model.parameters() if p is not self._model.prior]
        return [
            {"params": towers, "weight_decay": self._config.weight_decay},
            {"params": prior, "weight_decay": 0.0},
        ]

    def step(
        self, epoch: int, step: int, slots: npt.NDArray[np.int64], summed: Floats
    ) -> StepOutcome:
        """Learn from one batch and say how its summed embeddings should change.

        Args:
            epoch: number of the epoch; with `step` and the seed it decides all randomness.
            step: number of the batch in the epoch.
            slots: (B,) who the rows are.
            summed: (B, d) embeddings summed over partners.

        Raises:
            FeatureError: `summed` is not (B, d).
        """
        if summed.shape != (len(slots), self.embedding_dim):
            raise FeatureError(f"{len(slots)} slots do not go with sums of shape {summed.shape}")
        self._remember(slots, summed)
        labelled = np.flatnonzero(np.diff(self._train.indptr)[slots])
        gradient = np.zeros_like(summed)
        if not len(labelled):
            return StepOutcome(0.0, gradient)
        self._set_rate()
        leaf = torch.from_numpy(summed[labelled])
        loss = 0.0
        for local in range(self._config.local_passes):
            leaf = leaf.detach().requires_grad_()
            rng = np.random.default_rng([self._seed, epoch, step, local])
            loss = self._local_step(slots[labelled], leaf, rng)
        if leaf.grad is not None:
            gradient[labelled] = leaf.grad.numpy() * self._config.gradient_scale
        return StepOutcome(loss, gradient)

    def _local_step(
        self, slots: npt.NDArray[np.int64], summed: Tensor, rng: np.random.Generator
    ) -> float:
        negatives = self._sampler.draw(rng)
        positives = gather_positives(self._train[slots], negatives)
        generator = torch.Generator().manual_seed(int(rng.integers(2**63)))
        users = self._model.users(self._drop(summed, generator), self._own[slots])
        known = self._kept_ids(generator)
        songs = torch.from_numpy(negatives.songs)
        negative = users @ self._vectors(songs, known).T + self._prior(songs)
        liked = self._vectors(positives.songs, known)
        likers = users.index_select(0, positives.rows)
        positive = (likers * liked).sum(dim=1) + self._prior(positives.songs)
        correction = torch.from_numpy(negatives.log_inclusion)
        losses = softmax_losses(negative, positive, positives, correction)
        self._optimiser.zero_grad()
        torch.autograd.backward(losses.sum())
        self._optimiser.step()
        return float(losses.detach().mean())

    def _vectors(self, songs: Tensor, known: Tensor | None) -> Tensor:
        kept = None if known is None else known.index_select(0, songs)
        return self._model.songs(songs, self._song_codes[songs], kept)

    def _kept_ids(self, generator: torch.Generator) -> Tensor | None:
        """(m,) 0 for songs that one step knows by their features alone."""
        if not self._song_codes.shape[1] or not self._config.id_dropout:
            return None
        kept = torch.rand(len(self._song_codes), generator=generator) >= self._config.id_dropout
        untold = (self._song_codes == 0).all(dim=1)  # nothing but its own vector speaks for it
        return (kept | untold).float()

    def _prior(self, songs: Tensor) -> Tensor:
        return self._model.prior.index_select(0, songs)

    def _drop(self, summed: Tensor, generator: torch.Generator) -> Tensor:
        kept = torch.rand(summed.shape, generator=generator) >= self._config.dropout
        present = torch.rand((len(summed), 1), generator=generator) >= self._config.absent_rate
        return summed * kept / (1 - self._config.dropout) * present

    def _set_rate(self) -> None:
        config = self._config
        share = rate_share(self._steps, config.decay_steps, config.final_rate)
        for group in self._optimiser.param_groups:
            group["lr"] = config.learning_rate * share
        self._steps += 1

    def _remember(self, slots: npt.NDArray[np.int64], summed: Floats) -> None:
        """Keep validation users' latest sums: measuring recall then costs no exchange."""
        place = np.searchsorted(self._held_out, slots)
        place = np.minimum(place, max(len(self._held_out) - 1, 0))
        if len(self._held_out):
            found = self._held_out[place] == slots
            self._held_out_summed[place[found]] = summed[found]

    def validation_recall(self, top_k: int) -> float:
        """Mean recall of the validation users, on the sums of their latest batch."""
        queries = self.query_matrix(self._held_out, self._held_out_summed)
        scores = queries @ self.item_matrix().T
        return mean_recall(scores, self._labels.validation[self._held_out], top_k)

    @torch.no_grad()
    def query_matrix(self, slots: npt.NDArray[np.int64], summed: Floats) -> Floats:
        """(B, d + 1) query vectors ``[u / temperature, 1]`` of users with given sums."""
        users = self._model.users(torch.from_numpy(summed), self._own[slots])
        return np.hstack([users.numpy(), np.ones((len(slots), 1), np.float32)])

    @torch.no_grad()
    def item_matrix(self) -> Floats:
        """(m, d + 1) index vectors ``[v, b]``; the inner product with a query is the score.

        A song that nobody has played yet is where its features put it.
        """
        songs = torch.arange(len(self._song_codes))
        played = torch.from_numpy(~self._fresh).float()
        vectors = self._vectors(songs, played if self._fresh.any() else None).numpy()
        prior = self._model.prior.detach().numpy()
        prior = expected_prior(prior, self._labels.side.songs, self._fresh)
        return np.hstack([vectors, prior[:, None]])

    def save(self) -> bytes:
        """Everything a checkpoint needs; read it with `load`."""
        buffer = io.BytesIO()
        state = {
            "model": self._model.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "steps": self._steps,
            "held_out_summed": torch.from_numpy(self._held_out_summed.copy()),
        }
        torch.save(state, buffer)
        return buffer.getvalue()

    def load(self, saved: bytes) -> None:
        """Take over a checkpoint of a trainer with the same configuration and labels.

        Raises:
            StateError: the bytes are damaged, or fit another model.
        """
        try:
            state = torch.load(io.BytesIO(saved), weights_only=True)
            model, optimiser = state["model"], state["optimiser"]
            summed, steps = state["held_out_summed"], int(state["steps"])
        except DAMAGE as error:
            raise StateError("the trainer's checkpoint is damaged") from error
        mine = {name: tensor.shape for name, tensor in self._model.state_dict().items()}
        fits = mine == {name: tensor.shape for name, tensor in model.items()}
        if not fits or summed.shape != self._held_out_summed.shape:
            raise StateError("the checkpoint is of a trainer of another shape")
        self._optimiser.load_state_dict(optimiser)
        self._model.load_state_dict(model)
        self._held_out_summed, self._steps = summed.numpy(), steps


def _damped(labels: sp.csr_array) -> sp.csr_array:
    damped = sp.csr_array(labels, copy=True)
    damped.data = np.log1p(damped.data)
    return damped
