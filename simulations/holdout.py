"""What a split hides, from whom: cold users whole, and with channels a part of everybody's songs.

A comparison of channels needs people with a history whose further songs are known, and songs that
nobody has played. Both are hidden from every model of the run, the federated one too, so that all
are judged on what none of them has seen.
"""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from parties.listening import ItemListening
from parties.listening import cold_users as hidden_listeners
from recall.plays import listener_counts
from simulations.splits import EvaluationConfig

Ids = npt.NDArray[np.int64]
MIN_SONGS = 5  # of a user, below which none is hidden: too little would be left to go by


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Holdout:
    """What is hidden in one split.

    Args:
        cold: users whose whole history is hidden, ascending.
        fresh: songs hidden from everybody, ascending.
        shown: (n, m) the listening that models may see.
        hidden: (n, m) songs of warm users that they may not see; new songs are not among them.
        fitting: warm users whose hidden songs serve to fit the fusion; the others' judge it.
    """

    cold: Ids
    fresh: Ids
    shown: sp.csr_array = field(repr=False)
    hidden: sp.csr_array = field(repr=False)
    fitting: Ids = field(repr=False)

    @property
    def judged(self) -> Ids:
        """Warm users who judge the channels, ascending."""
        warm = np.flatnonzero(np.diff(self.hidden.indptr))
        return np.setdiff1d(warm, self.fitting).astype(np.int64)


def hold_out(
    listening: ItemListening, config: EvaluationConfig, *, seed: int, channels: bool
) -> Holdout:
    """Draw what a split hides.

    Args:
        listening: everything that was heard.
        config: the shares.
        seed: of the split; the cold users are the same with and without channels.
        channels: whether songs of warm users, and whole songs, are hidden too.
    """
    cold = hidden_listeners(listening.weights, config.cold_share, seed=seed)
    warm = np.ones(len(listening.users))
    warm[cold] = 0
    rest = _only(sp.csr_array(sp.diags_array(warm) @ listening.weights))
    nothing = sp.csr_array(rest.shape)
    none = np.empty(0, dtype=np.int64)
    if not channels:
        return Holdout(cold=cold, fresh=none, shown=rest, hidden=nothing, fitting=none)
    rng = np.random.default_rng([seed, 1])
    fresh = _fresh_songs(listening, config.new_song_share, rng)
    known = np.ones(len(listening.items))
    known[fresh] = 0
    rest = _only(sp.csr_array(rest @ sp.diags_array(known)))
    shown, hidden = hide_songs(rest, config.hidden_share, rng, least=MIN_SONGS)
    users = rng.permutation(np.flatnonzero(np.diff(hidden.indptr)))
    fitting = np.sort(users[: int(len(users) * config.fitting_share)]).astype(np.int64)
    return Holdout(cold=cold, fresh=fresh, shown=shown, hidden=hidden, fitting=fitting)


def hide_songs(
    plays: sp.csr_array, share: float, rng: np.random.Generator, *, least: int = 0
) -> tuple[sp.csr_array, sp.csr_array]:
    """Draw a share of every user's songs, rounded down.

    Args:
        plays: (n, m) above 0 where a user played a song.
        share: of a user's songs, in 0 … 1.
        rng: of the draws.
        least: songs of a user below which none is drawn.

    Returns:
        What is left and what was drawn, each (n, m).
    """
    sizes = np.diff(plays.indptr)
    owner = np.repeat(np.arange(len(sizes)), sizes)
    # Ranking random numbers within each row draws that many of it without replacement.
    order = np.lexsort((rng.random(plays.nnz), owner))
    rank = np.empty(plays.nnz, dtype=np.int64)
    rank[order] = np.arange(plays.nnz) - plays.indptr[owner]
    due = np.where(sizes >= least, (sizes * share).astype(np.int64), 0)
    drawn = rank < due[owner]
    return _kept(plays, ~drawn), _kept(plays, drawn)


def _fresh_songs(listening: ItemListening, share: float, rng: np.random.Generator) -> Ids:
    """Songs that are played and have features; without features nobody could recall them."""
    if listening.songs is None:
        return np.empty(0, dtype=np.int64)
    played = listener_counts(listening.weights) > 0
    eligible = rng.permutation(np.flatnonzero(played & listening.songs.known()))
    return np.sort(eligible[: int(len(eligible) * share)]).astype(np.int64)


def _kept(weights: sp.csr_array, mask: npt.NDArray[np.bool_]) -> sp.csr_array:
    kept = weights.copy()
    kept.data = np.where(mask, kept.data, 0)
    return _only(kept)


def _only(weights: sp.csr_array) -> sp.csr_array:
    weights.eliminate_zeros()
    weights.sort_indices()
    return weights
