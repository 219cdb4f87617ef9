"""Where a world's randomness comes from, and draws that several of its parts make."""

from enum import IntEnum

import numpy as np

from simulations.world.arrays import Doubles, Floats, Ints, Strings


class Stream(IntEnum):
    """Independent random streams: changing one part of a world leaves the others as they were."""

    CATALOGUE = 1
    PEOPLE = 2
    LISTENING = 3
    PARTNER = 4
    KNOWLEDGE = 5


def open_stream(seed: int, stream: Stream, *, index: int = 0) -> np.random.Generator:
    """A generator that depends on the seed, the stream and the index in it, and nothing else."""
    return np.random.default_rng([seed, int(stream), index])


def zipf_weights(count: int, *, exponent: float, shift: float = 0.0) -> Doubles:
    """Probabilities of ranks 1..count, proportional to (rank + shift) ** -exponent.

    Source: Mandelbrot (1953), which adds the shift to Zipf's law.
    """
    weights = (np.arange(1, count + 1) + shift) ** -exponent
    normalised: Doubles = weights / weights.sum()
    return normalised


def random_ids(prefix: str, count: int, rng: np.random.Generator) -> Strings:
    """Distinct ids of equal length in random order, so that an id says nothing of its owner."""
    width = max(4, len(str(count - 1)))
    ids: Strings = np.char.add(
        prefix, np.char.zfill(rng.permutation(count).astype(np.str_), width)
    )
    return ids


def blur(values: Ints, *, signal: float, rng: np.random.Generator) -> Ints:
    """Keep a share `signal` of the values and give the others those of people drawn by chance."""
    strangers = rng.choice(values, values.size)
    return np.where(rng.random(values.size) < signal, values, strangers)


def choose_columns(weight: Floats, rng: np.random.Generator) -> Ints:
    """Draw one column a row, with the row's probabilities.

    Args:
        weight: (rows, columns); a row sums to 1 and its zeros, if any, come last.
        rng: where the draws come from.

    Returns:
        (rows,) column numbers.
    """
    edges = np.cumsum(weight, axis=1)[:, :-1]
    chosen = (rng.random((weight.shape[0], 1)) >= edges).sum(axis=1)
    # Rounding may leave the last edge below 1: a column of weight 0 is never chosen.
    columns: Ints = np.minimum(chosen, (weight > 0).sum(axis=1) - 1)
    return columns
