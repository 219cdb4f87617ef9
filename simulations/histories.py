"""What each user played, in order: song numbers, the latest last."""

from itertools import pairwise

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

Ids = npt.NDArray[np.int64]


def in_order(owner: Ids, songs: Ids, when: npt.ArrayLike, *, users: int) -> list[Ids]:
    """Deal plays out to the users they are of.

    Args:
        owner: (plays,) number of the user; plays of nobody, below 0, are left out.
        songs: (plays,) number of the song.
        when: (plays,) what a user's plays are ordered by, the least first; equal ones stay in
            the order they are given in.
        users: how many there are.

    Returns:
        Every user's songs; nothing for those without a play.
    """
    order = np.lexsort((np.asarray(when), owner))
    ordered = songs[order].astype(np.int64)
    starts = np.searchsorted(owner[order], np.arange(users + 1))
    return [ordered[first:stop] for first, stop in pairwise(starts)]


def histories(plays: sp.csr_array, heard_at: sp.csr_array | None = None) -> list[Ids]:
    """Every user's songs, each once: the latest last, or the most played where times are unknown.

    Args:
        plays: (n, m) above 0 where a user played a song.
        heard_at: (n, m) Unix seconds of the last play, where `plays` has an entry; or None.
    """
    owner, songs = sp.coo_array(plays).coords
    # Asked for no place, SciPy answers with a matrix.
    if heard_at is None or not len(owner):
        return in_order(owner, songs, plays.data, users=plays.shape[0])
    return in_order(owner, songs, heard_at[owner, songs], users=plays.shape[0])


def played(plays: sp.csr_array, user: int) -> Ids:
    """(songs,) what one user played, in the order of their numbers."""
    return np.asarray(plays.indices[slice(*plays.indptr[user : user + 2])], dtype=np.int64)
