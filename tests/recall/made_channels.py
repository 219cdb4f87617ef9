"""Candidate lists for fusion: drawn by Hypothesis, and planted for many users."""

from collections.abc import Mapping

import numpy as np
from hypothesis import strategies as st

from recall import Candidates, Example, UserKind

ITEMS = 30


def ranked(items: list[int] | np.ndarray, *, reason: str = "") -> Candidates:
    """Candidates in a given order, with falling scores."""
    order = np.asarray(items, dtype=np.int64)
    scores = np.linspace(2, 1, len(order), dtype=np.float32)
    return Candidates(order, scores, (reason,) * len(order) if reason else ())


@st.composite
def made_lists(draw: st.DrawFn, *, most: int = 4) -> dict[str, Candidates]:
    """Up to `most` channels, each with a list of different items, some of them empty."""
    names = draw(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=most, unique=True))
    orders = st.lists(st.integers(0, ITEMS - 1), max_size=ITEMS, unique=True)
    return {name: ranked(draw(orders), reason=f"because of {name}") for name in names}


def planted_examples(
    *, users: int = 150, seed: int = 0, shuffled: bool = False, kind: UserKind = UserKind.WARM
) -> list[Example]:
    """Users of whom channel `good` ranks what they play high, and `noise` ranks at random.

    Args:
        users: how many.
        seed: of the draws.
        shuffled: give every user another's truth, which leaves nothing to learn.
        kind: of all users.
    """
    rng = np.random.default_rng(seed)
    played = [rng.choice(200, 5, replace=False) for _ in range(users)]
    truths = played[1:] + played[:1] if shuffled else played
    return [
        Example(lists=_noisy_lists(own, rng), played=truth, kind=kind)
        for own, truth in zip(played, truths, strict=True)
    ]


def _noisy_lists(played: np.ndarray, rng: np.random.Generator) -> Mapping[str, Candidates]:
    fit = rng.normal(size=200)
    fit[played] += 2.0
    return {
        "good": ranked(np.argsort(-fit)[:80]),
        "noise": ranked(rng.permutation(200)[:80]),
    }
