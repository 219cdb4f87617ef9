"""Song2Vec: songs that are played together come to lie near each other.

Skip-gram with negative sampling over sessions: the vector u of a song is drawn towards the
context vectors v of songs near it, and away from those of songs drawn at random.

At the optimum u·v = log(P(song | near) / P(drawn as a negative)), so log P(drawn) gives back the
popularity that negative sampling takes away; `popularity` says how much of it a ranking gets.

Source: Mikolov et al. (NeurIPS 2013); Barkan & Koenigstein (MLSP 2016) for sessions as
sentences; Levy & Goldberg (NeurIPS 2014) for the optimum.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import softplus

from towers.adagrad import AdagradTable
from towers.features import Floats
from towers.sessions import Sessions, batches
from towers.song2vec_config import Song2VecConfig

Ids = npt.NDArray[np.int64]
Doubles = npt.NDArray[np.float64]
SMOOTHING = 0.5  # plays that a song without any counts as having had, in its popularity


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SongVectors:
    """What Song2Vec learnt; a user's query is a weighted mean of the rows of `history`.

    Args:
        history: (songs, d + 1) what a played song says of its listener.
        items: (songs, d + 1) what an index holds; the inner product ranks.
    """

    history: Floats = field(repr=False)
    items: Floats = field(repr=False)

    def with_popularity(self, power: float, plays: Doubles) -> Self:
        """The same songs ranked with another share of their popularity.

        Args:
            power: as `Song2VecConfig.popularity`.
            plays: (songs,) how often each was played.
        """
        fame = power * np.log(plays + SMOOTHING)
        items = np.column_stack([self.items[:, :-1], fame]).astype(np.float32)
        return type(self)(history=self.history, items=items)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SongEpoch:
    """How far training has come.

    Args:
        number: of the epoch, from 1.
        loss: mean of its pairs.
        vectors: makes the vectors as they are now.
    """

    number: int
    loss: float
    vectors: Callable[[], SongVectors] = field(repr=False)


Watch = Callable[[SongEpoch], None]


def train_song2vec(
    config: Song2VecConfig,
    sessions: Sessions,
    *,
    seed: int,
    watch: Watch | None = None,
) -> SongVectors:
    """Learn the vectors of songs.

    Args:
        config: how.
        sessions: what was played together.
        seed: the same one gives the same vectors.
        watch: told of each epoch.
    """
    model = _Model(config, sessions, seed)
    for number in range(1, config.epochs + 1):
        pairs = config.contexts.epoch(sessions, model.rng)
        losses = [model.learn(*batch) for batch in batches(pairs, config.batch_pairs)]
        if watch is not None:
            loss = sum(losses) / max(1, len(pairs[0]))
            watch(SongEpoch(number=number, loss=loss, vectors=model.vectors))
    return model.vectors()


class _Model:
    """Both tables of vectors, and where negatives come from."""

    def __init__(self, config: Song2VecConfig, sessions: Sessions, seed: int) -> None:
        self._config = config
        self.rng = np.random.default_rng(seed)
        generator = torch.Generator().manual_seed(seed)
        shape = sessions.count, config.dim
        self._songs = AdagradTable(shape, config.learning_rate, generator)
        self._contexts = AdagradTable(shape, config.learning_rate, generator)
        self._plays = sessions.plays()
        self._drawn = np.cumsum(self._plays**config.negative_power * (self._plays > 0))

    def learn(self, songs: Ids, near: Ids) -> float:
        """Step on a batch of pairs; returns the summed loss before the step."""
        count = self._config.shared_negatives
        negatives = _draw(self._drawn, count, self.rng)
        song_rows, song_place = _distinct(songs)
        near_rows, near_place = _distinct(np.concatenate([near, negatives]))
        u = self._songs.rows[song_rows][song_place]
        v = self._contexts.rows[near_rows][near_place]
        ratio = self._config.negatives / count
        loss, du, dv = skip_gram(u, v[: len(near)], v[len(near) :], ratio=ratio)
        self._songs.apply(song_rows, _summed(du, song_place, len(song_rows)))
        self._contexts.apply(near_rows, _summed(dv, near_place, len(near_rows)))
        return loss

    def vectors(self) -> SongVectors:
        songs, items = self._songs.rows.numpy(), self._contexts.rows.numpy()
        ones = np.ones((len(songs), 1), np.float32)
        found = SongVectors(history=np.hstack([songs, ones]), items=np.hstack([items, ones]))
        return found.with_popularity(self._config.popularity, self._plays)


def skip_gram(
    songs: Tensor, near: Tensor, negatives: Tensor, *, ratio: float
) -> tuple[float, Tensor, Tensor]:
    """The loss of negative sampling and its gradient.

    The loss is the sum over pairs of -log s(u·v) - ratio * Σ_n log s(-u·n), with s the logistic
    function. All pairs of a batch share the negatives n: one matrix product instead of many
    short ones.

    Args:
        songs: (B, d) vectors u.
        near: (B, d) context vectors v.
        negatives: (K, d) context vectors n.
        ratio: negatives that a pair counts as having, over K.

    Returns:
        The loss, its gradient by `songs` (B, d), and by `near` and `negatives` (B + K, d).
    """
    fits = (songs * near).sum(1)
    misfits = songs @ negatives.T
    loss = softplus(-fits).sum() + ratio * softplus(misfits).sum()
    pull = -torch.sigmoid(-fits)[:, None]
    push = ratio * torch.sigmoid(misfits)
    by_songs = pull * near + push @ negatives
    by_contexts = torch.cat([pull * songs, push.T @ songs])
    return float(loss), by_songs, by_contexts


def _draw(sums: Doubles, count: int, rng: np.random.Generator) -> Ids:
    """`count` positions drawn by weights whose running sums are given."""
    found = np.searchsorted(sums, rng.random(count) * sums[-1], side="right")
    return np.asarray(np.minimum(found, len(sums) - 1))  # rounding may step over the last one


def _distinct(songs: Ids) -> tuple[Tensor, Tensor]:
    """The different songs, ascending, and the place of each song given among them."""
    found, place = np.unique(songs, return_inverse=True)
    return torch.from_numpy(found), torch.from_numpy(place)


def _summed(gradient: Tensor, place: Tensor, rows: int) -> Tensor:
    """(rows, d): gradients of one row added up."""
    return torch.zeros(rows, gradient.shape[1]).index_add_(0, place, gradient)
