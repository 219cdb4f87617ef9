"""The index that fits a catalogue, chosen by its size and by recall measured on its vectors."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from recall.errors import ShapeError
from recall.index.arrays import Ids, Vectors, first_vectors, item_numbers, matrix
from recall.index.compact import CompactIndex, least_items
from recall.index.faiss_index import FaissIndex
from recall.index.flat import FlatIndex
from recall.index.kinds import Kind, ladder
from recall.index.measuring import Judge, Measured


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoiceConfig:
    """What is asked of an index.

    Args:
        recall: share of the exact best `k` it has to find, above 0, at most 1. The lower end of
            the 95 % interval of what is measured must reach it.
        k: items a query.
        queries: how many are sampled to measure it.
        kinds: tried in turn; by the catalogue's size when empty. Exact search comes last anyhow.
        seed: of the sample and of training.
        threads: OpenMP threads of training and of searches.

    Raises:
        ShapeError: a value is out of its range.
    """

    recall: float = 0.95
    k: int = 200
    queries: int = 512
    kinds: tuple[Kind, ...] = ()
    seed: int = 0
    threads: int = 1

    def __post_init__(self) -> None:
        if not 0 < self.recall <= 1:
            raise ShapeError(f"recall must be above 0 and at most 1, not {self.recall}")
        for name in ("k", "queries", "threads"):
            if getattr(self, name) < 1:
                raise ShapeError(f"{name} must be at least 1, not {getattr(self, name)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """A kind that was built and measured.

    Args:
        kind: how it searches.
        effort: the least that reached the recall asked for; the most there is if none did.
        measured: at that effort.
        accepted: whether it reached the recall asked for.
    """

    kind: Kind
    effort: int
    measured: Measured
    accepted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The index that was chosen, set to the effort it needs.

    Args:
        index: to search, to change and to publish.
        tried: every kind that was measured; the last one was taken.
    """

    index: FaissIndex = field(repr=False)
    tried: tuple[Tried, ...]

    @property
    def measured(self) -> Measured:
        """The recall of the index that was chosen."""
        return self.tried[-1].measured


def choose_index(
    vectors: npt.ArrayLike,
    *,
    ids: npt.ArrayLike | None = None,
    queries: npt.ArrayLike | None = None,
    config: ChoiceConfig | None = None,
) -> Choice:
    """Build kinds of index in turn until one finds as much as it has to.

    Args:
        vectors: (count, dim), finite, at least one row.
        ids: (count,) item numbers, each once, at least 0; 0 … count-1 when left out.
        queries: (n, dim) real queries to measure with, a sample of them if there are many. Without
            any the items' own vectors are asked for: what that says of users is a guess, and wrong
            where the last coordinate is a prior.
        config: what is asked.

    Raises:
        ShapeError: the arrays do not fit together.
    """
    config = config or ChoiceConfig()
    rows = first_vectors(vectors)
    numbers = item_numbers(ids, count=len(rows))
    asked = rows if queries is None else matrix(queries, "queries", dim=rows.shape[1])
    judge = Judge.over(rows, numbers, _sampled(asked, config), k=config.k, threads=config.threads)
    tried: list[Tried] = []
    for index in _candidates(rows, numbers, config):
        tried.append(_tune(index, judge, config.recall))
        if tried[-1].accepted:
            return Choice(index=index, tried=tuple(tried))
    raise AssertionError("exact search finds everything")


def _sampled(queries: Vectors, config: ChoiceConfig) -> Vectors:
    if len(queries) <= config.queries:
        return queries
    rng = np.random.default_rng(config.seed)
    return queries[rng.choice(len(queries), config.queries, replace=False)]


def _candidates(rows: Vectors, ids: Ids, config: ChoiceConfig) -> Iterator[FaissIndex]:
    """The kinds to try, each built when its turn comes."""
    for kind in config.kinds or ladder(len(rows)):
        if kind is Kind.FLAT_INNER_PRODUCT:
            break
        if len(rows) >= least_items(kind):
            yield CompactIndex.build(
                rows, kind=kind, ids=ids, seed=config.seed, threads=config.threads
            )
    yield FlatIndex(rows, ids=ids, threads=config.threads)


def _tune(index: FaissIndex, judge: Judge, wanted: float) -> Tried:
    """Set the least effort that finds what is wanted, by bisection: recall grows with effort."""
    low, high = index.efforts(judge.best.shape[1])
    index.effort = high
    best = _tried(index, judge, wanted)
    while best.accepted and low < high:
        index.effort = (low + high) // 2
        middle = _tried(index, judge, wanted)
        if middle.accepted:
            best, high = middle, index.effort
        else:
            low = index.effort + 1
    index.effort = best.effort
    return best


def _tried(index: FaissIndex, judge: Judge, wanted: float) -> Tried:
    if index.kind is Kind.FLAT_INNER_PRODUCT:
        n, k = judge.best.shape
        exact = Measured(k=k, recall=1.0, low=1.0, queries=n)  # by definition, ties aside
        return Tried(kind=index.kind, effort=1, measured=exact, accepted=True)
    measured = judge.measure(index)
    return Tried(
        kind=index.kind,
        effort=index.effort,
        measured=measured,
        accepted=measured.low >= wanted,
    )
