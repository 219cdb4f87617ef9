import numpy as np
import pytest

from recall import (
    NOTHING,
    FlatIndex,
    GraphPaths,
    HistoryWeights,
    Query,
    ShapeError,
    SongNeighbours,
)
from tests.recall.made_graph import SMALL, made

VECTORS = np.array(
    [[1, 0], [0.9, 0.1], [0, 1], [0.5, 0.6], [0.3, 0.2], [-1, 0.4]], dtype=np.float32
)


def channel(**changes: object) -> SongNeighbours:
    given = {
        "index": FlatIndex(VECTORS),
        "history": VECTORS,
        "items": VECTORS,
        "labels": SMALL.labels,
        **changes,
    }
    return SongNeighbours(**given)  # type: ignore[arg-type]


def history(*songs: int) -> Query:
    return Query(history=np.array(songs, dtype=np.int64))


def test_the_query_is_the_weighted_mean_of_the_history() -> None:
    found = channel(weights=HistoryWeights(repeats=1.0)).recall(history(0, 0, 2), 6)
    scores = VECTORS @ (2 / 3 * VECTORS[0] + 1 / 3 * VECTORS[2])
    np.testing.assert_allclose(found.scores, -np.sort(-scores), rtol=1e-5)
    np.testing.assert_allclose(scores[found.items], found.scores, rtol=1e-5)


def test_a_reason_names_the_song_that_speaks_most_for_an_item() -> None:
    found = channel().recall(history(0, 2), 6)
    told = dict(zip(found.items.tolist(), found.reasons, strict=True))
    assert told[0] == told[2] == "played before"
    assert told[1] == "near to Air"
    assert told[5] == "near to Coda"


def test_a_reason_is_the_path_where_there_is_one() -> None:
    found = channel(paths=GraphPaths(graph=SMALL)).recall(history(0), 6)
    told = dict(zip(found.items.tolist(), found.reasons, strict=True))
    assert told[1] == "same artist as Air (Ann)"


def test_a_cold_user_gets_nothing() -> None:
    assert channel().recall(Query(), 3) is NOTHING


def test_songs_without_vectors_are_refused() -> None:
    with pytest.raises(ShapeError, match="outside 0 … 5"):
        channel().recall(history(6), 1)


@pytest.mark.parametrize(
    "change",
    [
        {"history": VECTORS[:3]},
        {"history": VECTORS[0], "items": VECTORS[0]},
        {"index": FlatIndex(np.eye(3))},
        {"labels": ("one",)},
        {"paths": GraphPaths(graph=made([], songs=3, labels="abc", relations=()))},
    ],
)
def test_arrays_that_do_not_fit_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(ShapeError):
        channel(**change)
