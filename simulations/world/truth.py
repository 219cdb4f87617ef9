"""The ground truth of a world: what a user would play, and how long they would listen."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from functools import cached_property

import numpy as np
import pandas as pd

from simulations.world.arrays import Doubles, Floats, Ints, Strings

# A song is heard to the end with probability
# sigmoid(STEEPNESS * (affinity - MIDDLE) + LANGUAGE_PULL * language + FAME_PULL * fame).
STEEPNESS, MIDDLE = 5.0, 0.4
LANGUAGE_PULL, FAME_PULL = 0.3, 0.15
# A song that is not heard to the end stops after a Beta(EARLY, LATE) share of it.
EARLY, LATE = 1.2, 2.8
CELLS = 4_000_000  # of a users-by-songs matrix held at a time: 16 MB each at float32


class Goal(Enum):
    """What an oracle ranks songs by."""

    PLAYS = "plays"  # how likely the song is to be played: the ceiling of recall
    SECONDS = "seconds"  # how long the user would listen if it were played


@dataclass(frozen=True, kw_only=True, eq=False)
class Truth:
    """Everything that decides what platform users play; no party may read it.

    Shapes: n users, m interests, s songs, g languages, d latent dimensions. `expected_seconds`
    and `oracle_ranking` take ids; the other methods take row numbers.
    """

    user_ids: Strings  # (n,)
    item_ids: Strings  # (s,)
    user_weight: Floats  # (n, m), rows sum to 1; 0 for an interest that is not there
    user_latent: Floats  # (n, m, d), unit rows
    user_language: Floats  # (n, g), a score, at most 0
    song_latent: Floats  # (s, d), unit rows
    song_language: Ints  # (s,)
    song_popularity: Doubles  # (s,), sums to 1
    song_seconds: Ints  # (s,)
    taste: float
    wander: float  # share of plays that follow popularity alone

    def expected_seconds(self, user_ids: Strings, item_ids: Strings) -> Doubles:
        """How long each user would listen to the song beside it, were it played.

        Args:
            user_ids: (pairs,) platform user ids.
            item_ids: (pairs,) song ids.

        Returns:
            (pairs,) expected seconds, between 0 and the song's length.

        Raises:
            ValueError: the lengths differ, or an id is not on this world's platform.
        """
        users = _rows(self.user_ids, user_ids, "user")
        songs = _rows(self.item_ids, item_ids, "song")
        if users.size != songs.size:
            raise ValueError(f"{users.size} user ids but {songs.size} item ids: they go in pairs")
        return _heard_share(self.completion(users, songs)) * self.song_seconds[songs]

    def oracle_ranking(self, user_ids: Strings, k: int, *, goal: Goal = Goal.PLAYS) -> Strings:
        """The best k songs of each user, best first: (users, k) song ids.

        Raises:
            ValueError: `k` is not a number of songs, or an id is not on this world's platform.
        """
        songs = self.item_ids.size
        if not 1 <= k <= songs:
            raise ValueError(f"k must lie between 1 and {songs}, the number of songs, not {k}")
        users = _rows(self.user_ids, user_ids, "user")
        score = self.play_probability if goal is Goal.PLAYS else self.seconds_matrix
        best = np.empty((users.size, k), dtype=np.int64)
        for block in row_blocks(users.size, songs * self.user_weight.shape[1]):
            best[block] = np.argsort(-score(users[block]), axis=1, kind="stable")[:, :k]
        return self.item_ids[best]

    def play_probability(self, users: Ints) -> Doubles:
        """The share of a user's plays that each song gets in the long run: (users, songs).

        Runs of one artist within a session are left out, so it is close but not exact.
        """
        weight = self.user_weight[users].astype(np.float64)
        row, interest = np.nonzero(weight)
        odds = self.choice_odds(users[row], interest)
        odds *= (weight[row, interest] / odds.sum(axis=1, dtype=np.float64))[:, None]
        chosen = np.add.reduceat(odds, np.searchsorted(row, np.arange(users.size)), axis=0)
        mixed: Doubles = (1 - self.wander) * chosen + self.wander * self.song_popularity
        return mixed

    def seconds_matrix(self, users: Ints) -> Doubles:
        """Expected seconds of every song for each user: (users, songs)."""
        fit = np.einsum("nmd,sd->nms", self.user_latent[users], self.song_latent, optimize=True)
        affinity = _best_fit(fit, self.user_weight[users][:, :, None])
        language = self.user_language[users][:, self.song_language]
        return _heard_share(self._finish(affinity, language, self._fame)) * self.song_seconds

    def choice_odds(self, users: Ints, interest: Ints) -> Floats:
        """Odds of every song when a user follows one interest: (rows, songs), not normalised.

        Popularity times exp(taste * cosine + language score), in float32.
        """
        wishes = np.hstack(
            [
                self.user_latent[users, interest],
                self.user_language[users],
                np.ones((users.size, 1), dtype=np.float32),
            ]
        )
        # No maximum is taken off: scores stay within about -45 and 20, which float32 can hold.
        scores = wishes @ self._offers
        odds: Floats = np.exp(scores, out=scores)
        return odds

    def completion(self, users: Ints, songs: Ints) -> Doubles:
        """The probability that each user hears the song beside it to the end: (pairs,)."""
        fit = np.einsum("pmd,pd->pm", self.user_latent[users], self.song_latent[songs])
        affinity = _best_fit(fit, self.user_weight[users])
        language = self.user_language[users, self.song_language[songs]]
        return self._finish(affinity, language, self._fame[songs])

    @staticmethod
    def _finish(affinity: Floats, language: Floats, fame: Doubles) -> Doubles:
        pull = LANGUAGE_PULL * language + FAME_PULL * fame
        chance: Doubles = 1.0 / (1.0 + np.exp(MIDDLE * STEEPNESS - STEEPNESS * affinity - pull))
        return chance

    @cached_property
    def _offers(self) -> Floats:
        """What each song has to meet a wish with: (d + g + 1, songs)."""
        speaks = np.arange(self.user_language.shape[1])[:, None] == self.song_language
        rows = [self.taste * self.song_latent.T, speaks, np.log(self.song_popularity)[None, :]]
        return np.vstack(rows).astype(np.float32)

    @cached_property
    def _fame(self) -> Doubles:
        """Log popularity against the mean song's: (songs,)."""
        fame = np.log(self.song_popularity)
        relative: Doubles = fame - fame.mean()
        return relative


def row_blocks(rows: int, columns: int) -> Iterator[slice]:
    """Cut a rows-by-columns matrix into runs of rows of at most about `CELLS` cells each."""
    step = max(1, CELLS // columns)
    return (slice(start, start + step) for start in range(0, rows, step))


def _best_fit(fit: Floats, weight: Floats) -> Floats:
    """The cosine of the interest that a song suits best; interests are on axis 1."""
    best: Floats = np.where(weight > 0, fit, np.float32(-1)).max(axis=1)
    return best


def _heard_share(completion: Doubles) -> Doubles:
    """The expected share of a song that is heard, from the probability of hearing all of it."""
    return completion + (1 - completion) * EARLY / (EARLY + LATE)


def _rows(known: Strings, wanted: Strings, noun: str) -> Ints:
    asked = np.asarray(wanted, dtype=np.str_)
    found = pd.Index(known).get_indexer(pd.Index(asked))
    if (found < 0).any():
        raise ValueError(f"unknown {noun} id {str(asked[found < 0][0])!r} in this world")
    return found.astype(np.int64)
