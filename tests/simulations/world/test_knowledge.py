from itertools import pairwise

import pytest

from simulations.world import World, WorldConfig, generate

RELATIONS = {"by_artist", "on_album", "in_language", "has_genre", "similar_to", "featured_in"}


def test_every_relation_is_present_and_no_triple_is_twice(world: World) -> None:
    assert list(world.triples.columns) == ["head", "relation", "tail"]
    assert set(world.triples["relation"]) == RELATIONS
    assert not world.triples.duplicated().any()


@pytest.mark.parametrize(
    ("relation", "column", "prefix"),
    [
        ("by_artist", "artist", ""),
        ("on_album", "album", ""),
        ("in_language", "language", "language_"),
    ],
)
def test_songs_are_linked_to_what_the_song_table_says(
    world: World, relation: str, column: str, prefix: str
) -> None:
    triples = world.triples[world.triples["relation"] == relation].set_index("head")["tail"]
    expected = prefix + world.items.set_index("item_id")[column]
    assert triples.sort_index().tolist() == expected.sort_index().tolist()


def test_artists_have_the_genres_of_their_songs(world: World) -> None:
    triples = world.triples[world.triples["relation"] == "has_genre"]
    graph = triples.groupby("head")["tail"].agg(set)
    songs = world.items.groupby("artist")["genre"].first()
    assert all({f"genre_{g}" for g in songs[a].split("|")} == graph[a] for a in graph.index)
    assert set(graph.index) == set(songs.index)


def test_similar_artists_are_other_artists_of_a_like_genre(world: World) -> None:
    pairs = world.triples[world.triples["relation"] == "similar_to"]
    assert (pairs["head"] != pairs["tail"]).all()
    first = world.items.groupby("artist")["genre"].first().str.split("|").str[0]
    assert (first[pairs["head"]].to_numpy() == first[pairs["tail"]].to_numpy()).all()
    assert pairs.groupby("head").size().max() <= 3


def test_a_series_features_songs_of_one_scene(world: World) -> None:
    featured = world.triples[world.triples["relation"] == "featured_in"]
    assert set(featured["head"]) <= set(world.items["item_id"])
    scene = dict(
        zip(
            world.catalogue.ids,
            world.catalogue.artists.scene[world.catalogue.artist],
            strict=True,
        )
    )
    for _, songs in featured.groupby("tail"):
        assert all(a == b for a, b in pairwise(scene[song] for song in songs["head"]))


def test_entities_of_different_kinds_never_share_a_name(world: World) -> None:
    kinds = {
        name.rstrip("0123456789").rstrip("_").split("_")[0]
        for name in set(world.triples["head"]) | set(world.triples["tail"])
    }
    assert kinds == {"s", "artist", "album", "language", "genre", "series"}


def test_scenes_with_a_lone_artist_have_no_similar_ones() -> None:
    world = generate(WorldConfig(users=20, songs=20, songs_per_artist=1000, scenes=20, genres=40))
    assert "similar_to" not in set(world.triples["relation"])
