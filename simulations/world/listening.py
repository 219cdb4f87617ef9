"""Sessions: what platform users play, for how long, from where, and what they skip and like."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd

from simulations.world.arrays import Doubles, Flags, Floats, Ints, Strings
from simulations.world.catalogue import Catalogue
from simulations.world.config import WorldConfig
from simulations.world.draws import Stream, choose_columns, open_stream
from simulations.world.people import People
from simulations.world.truth import EARLY, LATE, Truth, row_blocks

CHUNK_USERS = 2048  # users whose events are made, and held, together
# Where a session starts from: its share of sessions; how often a play in it is picked by
# popularity alone (wander); how often it stays with the session's first artist (streak).
ENTRY_POINTS = ("daily", "playlist", "radio", "search")
ENTRY_SHARE = np.array([0.35, 0.25, 0.20, 0.20])
WANDER = np.array([0.10, 0.20, 0.35, 0.05])
STREAK = np.array([0.05, 0.10, 0.05, 0.40])
MEAN_WANDER = float(ENTRY_SHARE @ WANDER)
EPOCH = 1_735_689_600  # 2025-01-01 00:00 UTC, the first day of every log
DAY = 86_400
PAUSE = 5 * 60  # seconds between two sessions of a user, at least
SKIP_SHARE = 0.5  # less of a song than this, and the play counts as skipped


@dataclass(frozen=True, slots=True, kw_only=True)
class Sessions:
    """Some users' sessions in order of user; one row each."""

    user: Ints
    start: Ints  # wished start, in seconds since 1970; sorted within a user
    interest: Ints
    entry: Ints
    songs: Ints  # how many songs are played


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Listening:
    """Plays the songs of a catalogue to the users of a platform, a chunk of users at a time."""

    config: WorldConfig
    people: People
    catalogue: Catalogue
    truth: Truth

    def chunks(self) -> Iterator[pd.DataFrame]:
        """The log: users in turn, a user's events in order of time; never all of it in memory."""
        for index, first in enumerate(range(0, self.people.users, CHUNK_USERS)):
            rng = open_stream(self.config.seed, Stream.LISTENING, index=index)
            users = np.arange(first, min(first + CHUNK_USERS, self.people.users))
            sessions = self._sessions(users, rng)
            session = np.repeat(np.arange(sessions.songs.size), sessions.songs)
            yield self._events(sessions, session, self._songs(sessions, session, rng), rng)

    def _sessions(self, users: Ints, rng: np.random.Generator) -> Sessions:
        expected = self.people.sessions[users]
        counts = np.where(expected > 0, 1 + rng.poisson(np.maximum(expected - 1, 0)), 0)
        user = np.repeat(users, counts)
        hour = np.repeat(rng.normal(18.0, 4.0, users.size), counts) + rng.normal(0, 2.5, user.size)
        day = rng.integers(self.config.days, size=user.size)
        start = EPOCH + day * DAY + (hour % 24 * 3600).astype(np.int64)
        return Sessions(
            user=user,
            start=start[np.lexsort((start, user))],
            interest=choose_columns(self.people.weight[user], rng),
            entry=rng.choice(len(ENTRY_POINTS), user.size, p=ENTRY_SHARE),
            songs=rng.geometric(1.0 / self.config.mean_session_songs, user.size),
        )

    def _songs(self, sessions: Sessions, session: Ints, rng: np.random.Generator) -> Ints:
        """The song of every play: chosen by taste, by popularity, by artist or played before."""
        entry, user = sessions.entry[session], sessions.user[session]
        wanders = rng.random(session.size) < WANDER[entry]
        song = np.empty(session.size, dtype=np.int64)
        song[wanders] = _draw(self.catalogue.popularity, rng.random(int(wanders.sum())))
        song[~wanders] = self._chosen(user[~wanders], sessions.interest[session][~wanders], rng)
        streaks = ~_is_first(session) & (rng.random(session.size) < STREAK[entry])
        song[streaks] = self._same_artist(song[_first_of(session)[streaks]], rng)
        # Who repeats goes back to a song of the mood they are in.
        mood = user * self.people.weight.shape[1] + sessions.interest[session]
        return song[_earlier_plays(mood, share=self.config.repeats, rng=rng)]

    def _chosen(self, user: Ints, interest: Ints, rng: np.random.Generator) -> Ints:
        """Draw a song for each play from its user's odds under the session's interest."""
        width, songs = self.people.weight.shape[1], self.catalogue.ids.size
        keys, row = np.unique(user * width + interest, return_inverse=True)
        order = np.argsort(row, kind="stable")
        luck, song = rng.random(row.size), np.empty(row.size, dtype=np.int64)
        for block in row_blocks(keys.size, songs):
            odds = self.truth.choice_odds(keys[block] // width, keys[block] % width)
            edges = np.searchsorted(row[order], [block.start, block.stop])
            plays = order[slice(*edges)]
            song[plays] = _draw_rows(odds, row[plays] - block.start, luck[plays])
        return song

    def _same_artist(self, song: Ints, rng: np.random.Generator) -> Ints:
        """Another song of each song's artist, by popularity."""
        total = np.concatenate([[0.0], np.cumsum(self.catalogue.popularity)])
        first = self.catalogue.artists.first_song
        artist = self.catalogue.artist[song]
        low, high = total[first[artist]], total[first[artist + 1]]
        mark = low + rng.random(song.size) * (high - low)
        drawn = np.searchsorted(total, mark, side="right") - 1
        same: Ints = np.clip(drawn, first[artist], first[artist + 1] - 1)
        return same

    def _events(
        self, sessions: Sessions, session: Ints, song: Ints, rng: np.random.Generator
    ) -> pd.DataFrame:
        user, length = sessions.user[session], self.catalogue.seconds[song]
        chance = self.truth.completion(user, song)
        complete = rng.random(song.size) < chance
        heard = np.where(complete, 1.0, rng.beta(EARLY, LATE, song.size))
        played: Doubles = np.round(heard * length, 1)
        skipped = played < SKIP_SHARE * length
        liked = complete & (rng.random(song.size) < self.config.like_rate * chance)
        return pd.DataFrame(
            {
                "user_id": _labels(self.people.ids, user),
                "item_id": _labels(self.catalogue.ids, song),
                "timestamp": _timestamps(sessions, session, played),
                "played_seconds": played,
                "song_seconds": length,
                "liked": liked.astype(np.int64),
                "skipped": skipped.astype(np.int64),
                "entry_point": _labels(np.array(ENTRY_POINTS), sessions.entry[session]),
            }
        )


def _labels(names: Strings, codes: Ints) -> "pd.Series[str]":
    return pd.Series(names, dtype="str").take(codes).reset_index(drop=True)


def _draw(shares: Doubles, luck: Doubles) -> Ints:
    """Draw positions with the given shares, one for each number of `luck` in [0, 1)."""
    edges = np.cumsum(shares)
    last = shares.size - 1  # rounding may step over it
    drawn: Ints = np.minimum(np.searchsorted(edges / edges[-1], luck, side="right"), last)
    return drawn


def _draw_rows(odds: Floats, row: Ints, luck: Doubles) -> Ints:
    """Draw one column for each play from the odds in its row.

    Args:
        odds: (rows, columns), not normalised.
        row: (plays,) the row each play draws from, sorted.
        luck: (plays,) uniform numbers in [0, 1).

    Returns:
        (plays,) columns.
    """
    edges = np.cumsum(odds, axis=1, dtype=np.float64)
    mark = luck * edges[row, -1]
    bounds = np.searchsorted(row, np.arange(len(odds) + 1))
    column = np.empty_like(row)
    # A row at a time is cheaper than normalising every cell so that one search could do all.
    for each, (first, stop) in zip(edges, pairwise(bounds), strict=True):
        column[first:stop] = np.searchsorted(each, mark[first:stop], side="right")
    # Rounding may step over the edge of a row.
    drawn: Ints = np.minimum(column, odds.shape[1] - 1)
    return drawn


def _is_first(groups: Ints) -> Flags:
    """Where a run of equal values begins."""
    return np.concatenate([[True], groups[1:] != groups[:-1]])[: groups.size]


def _first_of(groups: Ints) -> Ints:
    """The position at which the run that holds each position begins."""
    return np.maximum.accumulate(np.where(_is_first(groups), np.arange(groups.size), 0))


def _earlier_plays(group: Ints, *, share: float, rng: np.random.Generator) -> Ints:
    """For every play the play whose song it plays: itself, or an earlier one of the same group.

    A repeat copies a uniformly drawn earlier play, itself perhaps a repeat, so favourites grow.
    Source: Simon (1955).
    """
    order = np.argsort(group, kind="stable")
    here, first = np.arange(group.size), _first_of(group[order])
    earlier = first + (rng.random(group.size) * (here - first)).astype(np.int64)
    repeats = (here > first) & (rng.random(group.size) < share)
    source = np.where(repeats, earlier, here)
    while not np.array_equal(followed := source[source], source):
        source = followed
    original = np.empty_like(order)
    original[order] = order[source]
    return original


def _timestamps(sessions: Sessions, session: Ints, played: Doubles) -> Ints:
    """When every play starts: one after the other, and no session before the last ended."""
    length = np.ceil(played).astype(np.int64) + 1
    total = np.cumsum(length) - length
    within = total - total[_first_of(session)]
    lasts = np.bincount(session, weights=length, minlength=sessions.start.size).astype(np.int64)
    return _without_overlap(sessions.user, sessions.start, lasts + PAUSE)[session] + within


def _without_overlap(user: Ints, start: Ints, lasts: Ints) -> Ints:
    """Move starts back until no session of a user begins before the one before it is over."""
    before = np.cumsum(lasts) - lasts
    slack = (
        start - before
    )  # a start is at least the largest earlier slack plus all that lies between
    apart = user * (1 << 40)  # keeps one user's slack out of the next user's maximum
    return np.maximum.accumulate(slack + apart) - apart + before
