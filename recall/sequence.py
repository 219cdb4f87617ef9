"""The sequence channel: songs nearest to each interest that a user's history shows."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from itertools import islice
from typing import Protocol

import numpy as np

from recall.candidates import NOTHING, Candidates
from recall.errors import ShapeError
from recall.index import Index
from recall.index.arrays import Ids, Vectors
from recall.query import Query


class HistoryEncoder(Protocol):
    """Turns a history into query vectors for an index of item vectors."""

    def encode(self, history: Ids) -> Vectors:
        """The interests of one user.

        Args:
            history: (n,) item numbers, oldest first, at least one.

        Returns:
            (interests, dim), in any order; no row if the history says nothing.
        """
        ...


class Sharing(Enum):
    """How many items each of a user's interests gives."""

    EVEN = auto()  # as many as any other; the strongest interests give what is left over
    BEST = auto()  # whatever scores best, be it all from one interest


class Merging(Enum):
    """In which order the items of several interests are listed."""

    BY_SCORE = auto()  # scores are inner products
    IN_TURN = auto()  # the best of each interest first; scores are 1 / place


@dataclass(frozen=True, slots=True)
class NearestInterests:
    """One nearest-neighbour search an interest, and one list without duplicates.

    An interest is as strong as the score of its best item. An item that several interests find
    counts for the one that takes it first, and the others take their next one instead, so no
    list is shorter for duplicates.

    Args:
        encoder: gives a user's interests.
        index: item vectors of the same model.
        name: of the channel: "sasrec", "mind", "mean-pooling".
        sharing: how many items each interest gives.
        merging: the order of the list.
    """

    encoder: HistoryEncoder
    index: Index
    name: str = "sasrec"
    sharing: Sharing = Sharing.EVEN
    merging: Merging = Merging.BY_SCORE

    def recall(self, query: Query, k: int) -> Candidates:
        """At most `k` items; `NOTHING` for a user without a history.

        Raises:
            ShapeError: the encoder's vectors do not fit the index.
        """
        if query.is_cold:
            return NOTHING
        interests = self.encoder.encode(query.history)
        if interests.ndim != 2 or interests.shape[1] != self.index.dim:
            raise ShapeError(
                f"interests of shape {interests.shape} do not fit an index of {self.index.dim} "
                "numbers a vector"
            )
        if not len(interests):
            return NOTHING
        items, scores = self.index.search(interests, k)
        turns = _in_turn if self.sharing is Sharing.EVEN else _best_first
        return self._listed(items, scores, [*islice(turns(items, scores), k)])

    def _listed(self, items: Ids, scores: Vectors, taken: list[tuple[int, int]]) -> Candidates:
        rows, places = np.array(taken, dtype=np.int64).T
        found, values = items[rows, places], scores[rows, places]
        if self.merging is Merging.BY_SCORE:
            order = np.argsort(-values, kind="stable")
            rows, found, values = rows[order], found[order], values[order]
        else:
            values = 1 / np.arange(1, len(found) + 1, dtype=np.float32)
        several = len(items) > 1
        reasons = tuple(f"interest {row + 1} of {len(items)}" for row in rows) if several else ()
        return Candidates(found, values.astype(np.float32), reasons)


def _best_first(items: Ids, scores: Vectors) -> Iterator[tuple[int, int]]:
    """Interest and place of every item once, by the best of its scores."""
    seen: set[int] = set()
    for found in np.argsort(-scores, axis=None, kind="stable"):
        interest, place = divmod(int(found), items.shape[1])
        if int(items[interest, place]) not in seen:
            seen.add(int(items[interest, place]))
            yield interest, place


def _in_turn(items: Ids, scores: Vectors) -> Iterator[tuple[int, int]]:
    """The same, each interest in turn giving its next item that none gave; strongest first."""
    seen: set[int] = set()
    nexts = dict.fromkeys(np.argsort(-scores[:, 0], kind="stable").tolist(), 0)
    while nexts:
        for interest in [*nexts]:
            row, place = items[interest].tolist(), nexts[interest]
            while place < len(row) and row[place] in seen:
                place += 1
            if place == len(row):
                del nexts[interest]
                continue
            seen.add(row[place])
            nexts[interest] = place + 1
            yield interest, place
