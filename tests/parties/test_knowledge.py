import numpy as np
import pandas as pd
import pytest

from parties.errors import ValueRefusedError
from parties.knowledge import graph_of, metadata_triples, titles, triples_of
from parties.tables import ItemTables, check_events, check_triples, wide_features

EVENTS = check_events(pd.DataFrame({"user_id": ["u"], "item_id": ["s1"]}))
ITEMS = wide_features(
    pd.DataFrame(
        {
            "item_id": ["s1", "s2", "s3"],
            "title": ["Air", "Bell", None],
            "genre": ["rock|pop", "pop", None],
            "language": ["fr", "fr", "de"],
            "seconds": [100, 100, 200],
        }
    ),
    key="item_id",
)
TRIPLES = pd.DataFrame(
    {
        "head": ["s1", "s2", "Ann", "s1"],
        "relation": ["by", "by", "like", "cover_of"],
        "tail": ["Ann", "Bob", "Bob", "s2"],
    }
)


def rows(triples: pd.DataFrame) -> set[tuple[str, ...]]:
    return set(triples[["head", "relation", "tail"]].itertuples(index=False, name=None))


def test_columns_of_songs_become_triples_but_for_numbers_and_what_no_two_songs_share() -> None:
    assert rows(metadata_triples(ITEMS)) == {
        ("s1", "has_genre", "genre=rock"),
        ("s1", "has_genre", "genre=pop"),
        ("s2", "has_genre", "genre=pop"),
        ("s1", "has_language", "language=fr"),
        ("s2", "has_language", "language=fr"),
        ("s3", "has_language", "language=de"),
    }


def test_triples_go_before_columns_and_without_either_there_are_none() -> None:
    both = ItemTables(events=EVENTS, items=ITEMS, triples=check_triples(TRIPLES))
    assert rows(triples_of(both)) == rows(TRIPLES)
    assert rows(triples_of(ItemTables(events=EVENTS, items=ITEMS))) == rows(
        metadata_triples(ITEMS)
    )
    nothing = triples_of(ItemTables(events=EVENTS))
    assert nothing.empty
    assert graph_of(nothing, ["s1"]).steps.nnz == 0


def test_item_ids_are_songs_and_everything_else_an_entity() -> None:
    graph = graph_of(TRIPLES, ["s1", "s2", "s3"], labels={"s1": "Air"})
    assert (graph.songs, graph.entities) == (3, 2)
    assert list(graph.labels) == ["Air", "s2", "s3", "Ann", "Bob"]
    assert graph.relations == ("by", "cover_of", "like")
    assert [graph.kind(*pair) for pair in ((0, 3), (4, 1), (3, 4), (0, 1), (2, 3))] == [
        1,
        -1,
        3,
        2,
        0,
    ]


def test_weights_say_how_often_a_triple_was_said() -> None:
    triples = pd.DataFrame(
        {"head": ["s1", "s2"], "relation": "tagged", "tail": "t", "weight": [3.0, 1.0]}
    )
    steps = graph_of(triples, ["s1", "s2"]).steps
    np.testing.assert_allclose(steps[0, 2], 3 / np.sqrt(3 * 4))
    np.testing.assert_allclose(steps[1, 2], 1 / np.sqrt(1 * 4))


def test_what_leads_to_itself_is_left_out() -> None:
    triples = pd.DataFrame({"head": ["s1"], "relation": ["by"], "tail": ["s1"]})
    assert graph_of(triples, ["s1"]).steps.nnz == 0


def test_triples_that_name_no_song_are_refused_with_an_example_of_each() -> None:
    with pytest.raises(ValueRefusedError, match=r"none of 4 triples names a song.*'x1'.*'s1'"):
        graph_of(TRIPLES, ["x1", "x2"])


def test_songs_are_called_by_their_title() -> None:
    assert titles(ItemTables(events=EVENTS, items=ITEMS)) == {"s1": "Air", "s2": "Bell"}
    named = wide_features(pd.DataFrame({"item_id": ["s1"], "genre": ["pop"]}), key="item_id")
    assert titles(ItemTables(events=EVENTS, items=named)) == {}
    assert titles(ItemTables(events=EVENTS)) == {}
