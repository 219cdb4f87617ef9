from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings

from recall import Edges, Graph, GraphError
from tests.recall.made_graph import SMALL, Triple, graphs, made


def slow_steps(triples: list[Triple], nodes: int) -> np.ndarray:
    """The matrix of steps, written as the formula says: w / sqrt(out-degree · in-degree)."""
    steps = np.zeros((nodes, nodes))
    out: dict[tuple[int, int], float] = defaultdict(float)
    into: dict[tuple[int, int], float] = defaultdict(float)
    for head, relation, tail, weight in triples:
        out[relation, head] += weight
        into[relation, tail] += weight
    for head, relation, tail, weight in triples:
        carried = weight / np.sqrt(out[relation, head] * into[relation, tail])
        steps[head, tail] += carried
        steps[tail, head] += carried
    return steps


@given(graphs())
@settings(deadline=None, max_examples=80)
def test_steps_equal_the_formula_and_go_both_ways(made_: tuple[Graph, list[Triple]]) -> None:
    graph, triples = made_
    steps = graph.steps.toarray()
    np.testing.assert_allclose(steps, slow_steps(triples, graph.nodes))
    np.testing.assert_array_equal(steps, steps.T)


@given(graphs())
@settings(deadline=None, max_examples=80)
def test_the_kind_of_a_step_is_a_triple_that_was_given(
    made_: tuple[Graph, list[Triple]],
) -> None:
    graph, triples = made_
    given_ = {triple[:3] for triple in triples}
    joined = {(head, tail) for head, _, tail in given_}
    for start in range(graph.nodes):
        for end in range(graph.nodes):
            kind = graph.kind(start, end)
            if kind > 0:
                assert (start, kind - 1, end) in given_
            elif kind < 0:
                assert (end, -kind - 1, start) in given_
            else:
                assert not joined & {(start, end), (end, start)}


def test_a_hub_passes_less_to_each_than_an_entity_of_two() -> None:
    steps = SMALL.steps
    series, language = 8, 9
    assert steps[1, series] * steps[series, 4] > 2 * steps[1, language] * steps[language, 4]


def test_a_relation_with_many_edges_does_not_weaken_another_one() -> None:
    few = made([(0, 0, 2, 1.0), (1, 0, 2, 1.0)], songs=2, labels="abc", relations=("r",))
    more = made(
        [
            (0, 0, 2, 1.0),
            (1, 0, 2, 1.0),
            *((song, 1, 3 + n, 1.0) for song in (0, 1) for n in (0, 1)),
        ],
        songs=2,
        labels="abcde",
        relations=("r", "s"),
    )
    assert few.steps[0, 2] == more.steps[0, 2]


def test_an_empty_graph_has_songs_without_parts() -> None:
    graph = made([], songs=3, labels="abc", relations=())
    assert (graph.entities, graph.steps.nnz) == (0, 0)


@pytest.mark.parametrize(
    ("heads", "relations", "tails", "weights", "complaint"),
    [
        ([0], [0], [1, 2], [1.0], "one length"),
        ([0.0], [0], [1], [1.0], "int64"),
        ([0], [0], [1], [0.0], "above 0"),
        ([0], [0], [1], [np.nan], "finite"),
        ([1], [0], [1], [1.0], "itself"),
    ],
)
def test_edges_that_make_no_sense_are_refused(
    heads: list[int], relations: list[int], tails: list[int], weights: list[float], complaint: str
) -> None:
    with pytest.raises(GraphError, match=complaint):
        Edges(
            heads=np.array(heads),
            relations=np.array(relations),
            tails=np.array(tails),
            weights=np.array(weights),
        )


@pytest.mark.parametrize(
    ("triple", "songs", "relations", "complaint"),
    [
        ((3, 0, 1, 1.0), 2, ("r",), "head lies outside"),
        ((0, 0, -1, 1.0), 2, ("r",), "tail lies outside"),
        ((0, 1, 1, 1.0), 2, ("r",), "relation lies outside"),
        ((0, 0, 1, 1.0), 0, ("r",), "0 songs"),
        ((0, 0, 1, 1.0), 4, ("r",), "4 songs"),
        ((0, 0, 1, 1.0), 2, ("r", "r"), "different names"),
    ],
)
def test_a_graph_of_nodes_that_are_not_there_is_refused(
    triple: Triple, songs: int, relations: tuple[str, ...], complaint: str
) -> None:
    with pytest.raises(GraphError, match=complaint):
        made([triple], songs=songs, labels="abc", relations=relations)
