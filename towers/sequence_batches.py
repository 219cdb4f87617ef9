"""Training batches: windows of histories, those of about one length together."""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch

from towers.sequence_encoder import TrainingBatch

Ids = npt.NDArray[np.int64]


class Batches:
    """Cuts one epoch of histories into batches.

    Args:
        histories: item numbers, oldest first, at least two each.
        max_length: items an encoder looks at.
        batch_tokens: places in a batch, padding included; one history at least.
        targets_per_history: how many of a window's items are foreseen; all if None.
        shuffled: whether histories are taken in another order every epoch.
    """

    def __init__(
        self,
        histories: Sequence[Ids],
        max_length: int,
        *,
        batch_tokens: int,
        targets_per_history: int | None,
        shuffled: bool,
    ) -> None:
        self._flat = np.concatenate(histories)
        self._sizes = np.array([len(history) for history in histories], dtype=np.int64)
        self._starts = np.concatenate(([0], np.cumsum(self._sizes)[:-1]))
        self._max_length, self._batch_tokens = max_length, batch_tokens
        self._limit, self._shuffled = targets_per_history, shuffled

    @property
    def per_epoch(self) -> int:
        """How many batches an epoch has: always as many, for chance breaks ties of length only."""
        spans = np.sort(np.minimum(self._sizes, self._max_length + 1))
        return sum(1 for _ in _cuts(spans - 1, self._batch_tokens))

    def epoch(self, rng: np.random.Generator) -> Iterator[TrainingBatch]:
        """Every history once, in batches whose order and make-up `rng` decides.

        Of a history longer than the encoder looks at, one window is taken, anywhere in it.
        """
        flat = self._flat if not self._shuffled else self._mixed(rng)
        spans = np.minimum(self._sizes, self._max_length + 1)
        starts = self._starts + rng.integers(0, self._sizes - spans + 1)
        # Lengths with a little chance in them: batches are never the same twice.
        order = np.argsort(spans + rng.uniform(0, 1, len(spans)), kind="stable")
        cuts = [*_cuts(spans[order] - 1, self._batch_tokens)]
        for number in rng.permutation(len(cuts)):
            chosen = order[cuts[number]]
            yield self._batch(flat, starts[chosen], spans[chosen], rng)

    def _mixed(self, rng: np.random.Generator) -> Ids:
        owner = np.repeat(np.arange(len(self._sizes)), self._sizes)
        return self._flat[np.lexsort((rng.random(len(owner)), owner))]

    def _batch(
        self, flat: Ids, starts: Ids, spans: Ids, rng: np.random.Generator
    ) -> TrainingBatch:
        lengths = spans - 1
        columns = np.arange(lengths.max())
        real = columns < lengths[:, None]
        places = np.minimum(starts[:, None] + columns, len(flat) - 2)
        wanted = real if self._limit is None else _some(real, self._limit, rng)
        rows, known = np.nonzero(wanted)
        return TrainingBatch(
            items=torch.from_numpy(np.where(real, flat[places], 0)),
            lengths=torch.from_numpy(lengths),
            rows=torch.from_numpy(rows),
            places=torch.from_numpy(known),
            targets=torch.from_numpy(flat[places[rows, known] + 1]),
        )


def _cuts(lengths: Ids, tokens: int) -> Iterator[slice]:
    """Runs of ascending lengths whose number times longest is at most `tokens`."""
    first = 0
    while first < len(lengths):
        # No more fit than if all were as short as the first; the longest is always the last.
        near = lengths[first : first + max(1, tokens // int(lengths[first]))]
        fits = np.searchsorted(near * np.arange(1, len(near) + 1), tokens, side="right")
        last = first + max(1, int(fits))
        yield slice(first, last)
        first = last


def _some(
    real: npt.NDArray[np.bool_], limit: int, rng: np.random.Generator
) -> npt.NDArray[np.bool_]:
    """At most `limit` of the true places of every row, drawn at random."""
    luck = np.where(real, rng.random(real.shape), 2.0)
    if luck.shape[1] <= limit:
        return real
    bound = np.partition(luck, limit - 1, axis=1)[:, limit - 1 : limit]
    return real & (luck <= bound)
