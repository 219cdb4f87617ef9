"""Made embeddings that are as hard to search as those of trained models.

Uniform or Gaussian vectors have no neighbours worth the name, and judge an index by noise. What
trained models give differs in four ways, and so do these:

- **Few directions.** A tower of width 64 uses some twenty directions well and the others a
  little: the spectrum falls as a power of the direction's rank, behind a random rotation.
- **Clusters.** Songs lie round genres, whose sizes fall as a power of their rank (Zipf), and
  those round 16 times fewer families.
- **Unequal norms.** Norms are log-normal, within a tenth of 1 mostly.
- **Users are not songs.** A user is a weighted mixture of a few songs of one to three genres,
  and noise; so queries lie between clusters, and come from another distribution than items.

With a prior, rows have norm 1, the last coordinate of a song is its log-popularity on top, and
that of a user is 1 beside coordinates that are divided by a temperature: what this package's own
towers are searched by.
"""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]
Picks = npt.NDArray[np.int64]

SPECTRUM = 0.5  # singular values fall as rank^-0.5
ITEMS_PER_GENRE = 400
GENRES_PER_FAMILY = 16
TASTES = 3  # genres of a user, at most
SONGS_OF_A_TASTE = 4
TEMPERATURE = 0.2
SPREAD_OF_SONGS = 1.5  # round their genre, whose own spread is 1
SPREAD_OF_USERS = 0.5
SPREAD_OF_NORMS = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeVectors:
    """Songs and users of one made catalogue.

    Args:
        items: (items, dim) float32.
        queries: (queries, dim) float32.
    """

    items: Vectors = field(repr=False)
    queries: Vectors = field(repr=False)


def make_vectors(
    size: int, *, dim: int, queries: int, seed: int, prior: bool = False
) -> MadeVectors:
    """Draw a catalogue.

    Args:
        size: songs.
        dim: numbers in a vector, at least 2.
        queries: users.
        seed: the same seed gives the same vectors.
        prior: whether the last coordinate is the songs' popularity.
    """
    rng = np.random.default_rng(seed)
    width = dim - prior
    axes = _axes(width, rng)
    genres = _genres(max(1, size // ITEMS_PER_GENRE), width, rng)
    of_genre = np.sort(_zipf(len(genres), size, rng))
    songs = genres[of_genre] + SPREAD_OF_SONGS * rng.standard_normal(
        (size, width), dtype=np.float32
    )
    users = _users(songs, of_genre, queries, rng)
    items, asked = _unit(songs @ axes), _unit(users @ axes)
    if not prior:
        norms = rng.lognormal(0.0, SPREAD_OF_NORMS, (size, 1)).astype(np.float32)
        return MadeVectors(items=items * norms, queries=asked)
    plays = np.floor(rng.pareto(1.2, size)).astype(np.float32)
    return MadeVectors(
        items=np.column_stack([items, np.log(plays + np.float32(0.5))]),
        queries=np.column_stack([asked / np.float32(TEMPERATURE), np.ones(queries, np.float32)]),
    )


def _unit(rows: Vectors) -> Vectors:
    unit: Vectors = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit


def _axes(width: int, rng: np.random.Generator) -> Vectors:
    """Scales of the directions, behind a random rotation; rows of unit length on average."""
    scales = np.arange(1, width + 1) ** -SPECTRUM
    scales /= np.linalg.norm(scales)
    rotation, _ = np.linalg.qr(rng.standard_normal((width, width)))
    axes: Vectors = (scales[:, np.newaxis] * rotation).astype(np.float32)
    return axes


def _genres(count: int, width: int, rng: np.random.Generator) -> Vectors:
    families = rng.standard_normal((max(1, count // GENRES_PER_FAMILY), width), dtype=np.float32)
    of_family = rng.integers(0, len(families), count)
    return families[of_family] + 0.7 * rng.standard_normal((count, width), dtype=np.float32)


def _zipf(kinds: int, draws: int, rng: np.random.Generator) -> Picks:
    """Kinds drawn with chances that fall as the square root of their rank."""
    chances = np.arange(1, kinds + 1) ** -0.5
    return rng.choice(kinds, size=draws, p=chances / chances.sum())


def _users(songs: Vectors, of_genre: Picks, count: int, rng: np.random.Generator) -> Vectors:
    """Mixtures of songs: each taste is a genre, weighted, and a few songs of it."""
    taste = of_genre[rng.integers(0, len(songs), (count, TASTES))]
    first, past = (np.searchsorted(of_genre, taste, side) for side in ("left", "right"))
    spread = rng.random((count, TASTES, SONGS_OF_A_TASTE))
    picks = first[..., np.newaxis] + (spread * (past - first)[..., np.newaxis]).astype(np.int64)
    weights = rng.dirichlet([1.0] * TASTES, count).astype(np.float32)
    liked = songs[picks].mean(axis=2)
    users: Vectors = np.einsum("ut,utw->uw", weights, liked)
    users += SPREAD_OF_USERS * rng.standard_normal(users.shape, dtype=np.float32)
    return users
