import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recall import ConfigError, FlatIndex, Graph, GraphPaths, Query, RelationConfig, SongNeighbours
from recall.relation import reached, relation_scores
from tests.recall.made_graph import SMALL, Triple, graphs, made

SONGS, TASTES, DIM = 300, 10, 8
WITHOUT = RelationConfig(factor=0.0)


def near(vectors: np.ndarray, graph: Graph, relation: RelationConfig) -> SongNeighbours:
    return SongNeighbours(
        index=FlatIndex(vectors),
        history=vectors,
        items=vectors,
        labels=graph.labels,
        paths=GraphPaths(graph=graph),
        relation=relation,
    )


def slow_scores(channel: SongNeighbours, history: np.ndarray) -> np.ndarray:
    """The formula for every song there is, one after the other."""
    assert channel.paths is not None
    songs, weights = channel.weights.of(history)
    mean = sum(w * channel.history[s] for s, w in zip(songs, weights, strict=True))
    walks = channel.paths.walks(history).scores()
    carried = dict(zip(walks.nodes.tolist(), walks.weights.tolist(), strict=True))
    scores = []
    for song, vector in enumerate(channel.items):
        share = carried[song] / max(carried.values()) if song in carried else 0.0
        share, floor = 1.0 if song in songs else share, channel.relation.floor
        scores.append(
            mean @ vector + channel.relation.factor * np.log((share + floor) / (1 + floor))
        )
    return np.array(scores)


@given(graphs(), st.integers(1, 7), st.floats(0, 3), st.floats(1e-4, 1), st.data())
@settings(deadline=None, max_examples=80)
def test_no_song_of_the_whole_catalogue_is_missed(
    made_: tuple[Graph, list[Triple]], k: int, factor: float, floor: float, data: st.DataObject
) -> None:
    graph, _ = made_
    history = np.array(
        data.draw(st.lists(st.integers(0, graph.songs - 1), min_size=1, max_size=4))
    )
    seed = data.draw(st.integers(0, 99))
    vectors = np.random.default_rng(seed).normal(size=(graph.songs, 3)).astype(np.float32)
    channel = near(vectors, graph, RelationConfig(factor=factor, floor=floor))
    found = channel.recall(Query(history=history), k)
    wanted = slow_scores(channel, history)
    np.testing.assert_allclose(found.scores, -np.sort(-wanted)[:k], atol=1e-5)
    np.testing.assert_allclose(wanted[found.items], found.scores, atol=1e-5)
    assert len(set(found.items.tolist())) == len(found)


@pytest.mark.parametrize("history", [[0], [0, 2, 0], [5, 4]])
def test_a_factor_of_0_is_plain_song2vec(history: list[int]) -> None:
    vectors = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
    query = Query(history=np.array(history))
    channel = near(vectors, SMALL, WITHOUT)
    plain = SongNeighbours(
        index=channel.index, history=vectors, items=vectors, labels=SMALL.labels
    ).recall(query, 4)
    found = channel.recall(query, 4)
    np.testing.assert_array_equal(found.items, plain.items)
    np.testing.assert_array_equal(found.scores, plain.scores)


def test_a_larger_factor_pulls_related_songs_up() -> None:
    vectors = np.array([[1, 0], [0.1, 0], [0.9, 0], [0.8, 0], [0.7, 0], [0.6, 0]], np.float32)
    places = []
    for factor in (0.0, 0.5, 5.0):
        channel = near(vectors, SMALL, RelationConfig(factor=factor))
        order = channel.recall(Query(history=np.array([0])), 6).items.tolist()
        places.append(order.index(1))  # by the same artist as song 0
    assert places[0] == 5
    assert places[2] == 1
    assert places == sorted(places, reverse=True)


def test_a_song_that_the_index_puts_last_is_found_by_its_relation() -> None:
    vectors = np.array([[1, 0], [-1, 0], [0.9, 0], [0.8, 0], [0.7, 0], [0.6, 0]], np.float32)
    found = near(vectors, SMALL, RelationConfig(factor=5.0, floor=1e-3))
    assert found.recall(Query(history=np.array([0])), 2).items.tolist() == [0, 1]


def test_shares_are_those_of_the_strongest_song_and_1_for_the_history() -> None:
    walks = GraphPaths(graph=SMALL).walks(np.array([0]))
    songs, shares = reached(walks)
    told = dict(zip(songs.tolist(), shares.tolist(), strict=True))
    assert told[0] == told[1] == 1.0
    assert 0 < told[5] < told[2] < 1


def test_a_graph_that_joins_nothing_leaves_the_order_as_it_is() -> None:
    alone = made([], songs=6, labels=SMALL.labels[:6], relations=())
    vectors = np.random.default_rng(1).normal(size=(6, 3)).astype(np.float32)
    query = Query(history=np.array([2]))
    found = near(vectors, alone, RelationConfig(factor=1.0)).recall(query, 6).items
    plain = near(vectors, alone, WITHOUT).recall(query, 6).items
    assert found[found != 2].tolist() == plain[plain != 2].tolist()


def taste_recall(order: np.ndarray, relation: RelationConfig) -> float:
    """Share of a taste's songs among the 20 that are recalled for two of it.

    Vectors tell tastes apart only dimly; song i hangs on the entity of `order[i]`'s taste.
    """
    rng = np.random.default_rng(0)
    taste = np.arange(SONGS) % TASTES
    centres = rng.normal(size=(TASTES, DIM))
    vectors = (0.5 * centres[taste] + rng.normal(size=(SONGS, DIM))).astype(np.float32)
    triples = [(song, 0, SONGS + int(taste[order[song]]), 1.0) for song in range(SONGS)]
    labels = [str(node) for node in range(SONGS + TASTES)]
    graph = made(triples, songs=SONGS, labels=labels, relations=("of_taste",))
    channel = near(vectors, graph, relation)
    hits = []
    for first in range(TASTES):
        history = np.array([first, first + TASTES])
        items = channel.recall(Query(history=history, excluded=history), 22).items
        items = items[~np.isin(items, history)][:20]
        hits.append((taste[items] == first).mean())
    return float(np.mean(hits))


def test_a_planted_graph_lifts_recall_and_a_shuffled_one_does_not() -> None:
    order = np.arange(SONGS)
    plain = taste_recall(order, WITHOUT)
    assert taste_recall(order, RelationConfig(factor=0.5, floor=0.01)) > plain + 0.2
    shuffled = np.random.default_rng(1).permutation(order)
    assert taste_recall(shuffled, RelationConfig(factor=0.5, floor=0.01)) < plain + 0.02


@pytest.mark.parametrize(
    "change",
    [{"factor": -0.1}, {"factor": np.inf}, {"factor": np.nan}, {"floor": 0.0}, {"floor": 1.1}],
)
def test_settings_out_of_range_are_refused(change: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(change))):
        RelationConfig(**change)


def test_relation_scores_are_0_at_most_and_rise_with_the_share() -> None:
    scores = relation_scores(RelationConfig(factor=2.0), np.array([0.0, 0.1, 1.0]))
    assert scores[0] < scores[1] < scores[2] == 0.0
