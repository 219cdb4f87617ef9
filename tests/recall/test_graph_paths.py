import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recall import (
    NOTHING,
    Graph,
    GraphError,
    GraphPaths,
    HistoryWeights,
    Path,
    Query,
    WalkConfig,
    path_of,
    reason,
)
from tests.recall.made_graph import SMALL, Triple, graphs, made


def history(*songs: int) -> Query:
    return Query(history=np.array(songs, dtype=np.int64))


def slow_scores(graph: Graph, start: np.ndarray, walk: WalkConfig) -> np.ndarray:
    """Follow every walk, one after the other."""
    steps, scores = graph.steps.toarray(), np.zeros(graph.songs)

    def follow(node: int, weight: float, hop: int) -> None:
        for onward in np.flatnonzero(steps[node]):
            carried = weight * steps[node, onward]
            if onward < graph.songs:
                scores[onward] += walk.decay**hop * carried
            elif hop + 1 < walk.hops:
                follow(int(onward), carried, hop + 1)

    for song in np.flatnonzero(start):
        follow(int(song), start[song], 0)
    return scores


@given(graphs(), st.integers(1, 4), st.data())
@settings(deadline=None, max_examples=80)
def test_scores_equal_those_of_all_walks_one_by_one(
    made_: tuple[Graph, list[Triple]], hops: int, data: st.DataObject
) -> None:
    graph, _ = made_
    songs = data.draw(st.lists(st.integers(0, graph.songs - 1), min_size=1, max_size=4))
    walk = WalkConfig(hops=hops, decay=0.5)
    found = GraphPaths(graph=graph, walk=walk).recall(history(*songs), 99)
    start = np.zeros(graph.songs)
    played, weights = HistoryWeights().of(np.array(songs))
    start[played] = weights
    wanted = slow_scores(graph, start, walk)
    wanted[played] = 0
    assert set(found.items) == set(np.flatnonzero(wanted))
    np.testing.assert_allclose(found.scores, wanted[found.items], rtol=1e-5)


@given(graphs(), st.data())
@settings(deadline=None, max_examples=80)
def test_every_reason_is_a_path_of_the_graph_from_a_song_of_the_history(
    made_: tuple[Graph, list[Triple]], data: st.DataObject
) -> None:
    graph, triples = made_
    songs = data.draw(st.lists(st.integers(0, graph.songs - 1), min_size=1, max_size=4))
    channel = GraphPaths(graph=graph)
    found = channel.recall(history(*songs), 99)
    walks = channel.walks(np.array(songs))
    told = {triple[:3] for triple in triples}
    paths = channel.paths(walks, found.items)
    for item, path, words in zip(found.items.tolist(), paths, found.reasons, strict=True):
        assert path is not None
        assert path.nodes[0] in songs
        assert path.nodes[-1] == item
        assert all(node >= graph.songs for node in path.nodes[1:-1])
        for start, kind, end in zip(path.nodes, path.kinds, path.nodes[1:], strict=False):
            triple = (start, kind - 1, end) if kind > 0 else (end, -kind - 1, start)
            assert triple in told
        assert words == reason(graph, path)
        assert graph.labels[path.nodes[0]] in words


def test_closer_ties_come_first_and_say_what_they_are() -> None:
    found = GraphPaths(graph=SMALL).recall(history(0), 5)
    assert dict(zip(found.items.tolist(), found.reasons, strict=True)) == {
        1: "same artist as Air (Ann)",
        2: "linked to Air: Air by artist Ann, Ann similar to Bob, this one by artist Bob",
        3: "linked to Air: Air by artist Ann, Ann similar to Bob, this one by artist Bob",
        4: "shares spoken in 'fr' with Air",
        5: "shares spoken in 'fr' with Air",
    }
    assert found.items[0] == 1


def test_a_step_from_an_entity_is_told_from_its_head() -> None:
    graph = made(
        [(2, 0, 0, 1.0), (2, 0, 1, 1.0)], songs=2, labels=("A", "B", "X"), relations=("sang",)
    )
    assert reason(graph, path_of(graph, (0, 2, 1))) == "linked to A: X sang A, X sang this one"


def test_braces_in_names_are_only_names() -> None:
    graph = made(
        [(0, 0, 2, 1.0), (1, 0, 2, 1.0)], songs=2, labels=("{A}", "B", "{0}"), relations=("{r}",)
    )
    assert reason(graph, path_of(graph, (0, 2, 1))) == "shares {r} '{0}' with {A}"
    tagged = made(
        [(0, 0, 2, 1.0), (1, 0, 2, 1.0)],
        songs=2,
        labels=("{A}", "B", "{0}"),
        relations=("tagged",),
    )
    assert reason(tagged, path_of(tagged, (0, 2, 1))) == "shares the tag '{0}' with {A}"


def test_nodes_that_no_edge_joins_are_no_path() -> None:
    with pytest.raises(GraphError, match="no edge"):
        path_of(SMALL, (0, 5))
    with pytest.raises(GraphError, match="no edge"):
        path_of(SMALL, (0,))
    assert path_of(SMALL, (0, 6)) == Path((0, 6), (1,))


def test_fewer_hops_see_less() -> None:
    near = GraphPaths(graph=SMALL, walk=WalkConfig(hops=2)).recall(history(5), 9)
    far = GraphPaths(graph=SMALL, walk=WalkConfig(hops=1)).recall(history(5), 9)
    assert len(near) == 5
    assert far is NOTHING


def test_only_the_strongest_entities_walk_on() -> None:
    narrow = GraphPaths(graph=SMALL, walk=WalkConfig(hops=2, width=1)).recall(history(0), 9)
    assert narrow.items.tolist() == [1]


def test_an_empty_graph_and_a_cold_user_get_nothing() -> None:
    empty = made([], songs=6, labels="abcdef", relations=())
    assert GraphPaths(graph=empty).recall(history(0, 1), 5) is NOTHING
    assert GraphPaths(graph=SMALL).recall(Query(), 5) is NOTHING


def test_what_was_played_lately_weighs_more() -> None:
    lately = GraphPaths(graph=SMALL, weights=HistoryWeights(half_life=0.2))
    assert lately.recall(history(3, 0), 1).items.tolist() == [1]
    assert lately.recall(history(0, 3), 1).items.tolist() == [2]


def test_songs_that_the_graph_does_not_number_are_refused() -> None:
    with pytest.raises(GraphError, match="outside 0 … 5"):
        GraphPaths(graph=SMALL).recall(history(6), 1)


def test_a_song_that_no_walk_came_to_has_no_path_and_no_reason() -> None:
    channel = GraphPaths(graph=SMALL, walk=WalkConfig(hops=1))
    walks, song = channel.walks(np.array([0])), np.array([3])
    assert [*channel.paths(walks, song)] == [None]
    assert channel.reasons(walks, song) == ("",)


@pytest.mark.parametrize("change", [{"hops": 0}, {"width": 0}, {"decay": 0.0}, {"decay": 1.1}])
def test_walks_out_of_range_are_refused(change: dict[str, int]) -> None:
    with pytest.raises(GraphError, match="hops and width"):
        WalkConfig(**change)
