from pathlib import Path

import pandas as pd

from simulations.data import load
from simulations.data.lastfm import read_lastfm_2k
from simulations.knowledge import Shown, knowledge_graph
from tests.simulations.data.test_lastfm import make_2k

TAGS = "tagID\ttagValue\n13\tmetal\n15\tchill\xe9\n"
SONGS = ["51", "52"]
EVERYBODY = frozenset({"2", "3"})


def made(folder: Path, shown: Shown) -> set[tuple[str, str]]:
    """The artists and tags that the graph joins."""
    (folder / "tags.dat").write_bytes(TAGS.encode("latin-1"))
    graph = knowledge_graph(read_lastfm_2k(make_2k(folder)), SONGS, shown)
    return {
        (graph.labels[a], graph.labels[b])
        for a in range(graph.songs)
        for b in range(graph.songs, graph.nodes)
        if graph.kind(a, b)
    }


def test_artists_and_tags_are_called_by_their_names(tmp_path: Path) -> None:
    assert made(tmp_path, Shown(warm_users=EVERYBODY)) == {
        ('"Duran', "metal"),
        ('"Duran', "chill\xe9"),
        ("Mot\xf6rhead", "metal"),
    }


def test_tags_of_cold_users_are_left_out(tmp_path: Path) -> None:
    assert made(tmp_path, Shown(warm_users={"3"})) == {('"Duran', "chill\xe9")}


def test_a_tag_that_a_user_gave_to_a_hidden_artist_of_theirs_is_left_out(tmp_path: Path) -> None:
    hidden = pd.DataFrame({"user_id": ["2"], "item_id": ["52"]})
    assert made(tmp_path, Shown(warm_users=EVERYBODY, hidden=hidden)) == {
        ('"Duran', "metal"),
        ('"Duran', "chill\xe9"),
    }


def test_an_edge_weighs_as_many_users_as_gave_the_tag(tmp_path: Path) -> None:
    rows = "userID\tartistID\ttagID\tday\tmonth\tyear\n" + "".join(
        f"{user}\t{artist}\t13\t1\t4\t2009\n" for user, artist in ((2, 51), (3, 51), (2, 52))
    )
    data = read_lastfm_2k(make_2k(tmp_path, **{"user_taggedartists.dat": rows}))
    steps = knowledge_graph(data, SONGS, Shown(warm_users=EVERYBODY)).steps
    assert steps[0, 2] ** 2 == 2 * steps[1, 2] ** 2  # w / sqrt(w * 3) for w of 2 and 1


def test_a_worlds_triples_are_its_graph(tiny: Path) -> None:
    data = load(str(tiny))
    songs = sorted(data.tables.item.items.ids)  # type: ignore[union-attr]
    graph = knowledge_graph(data, songs, Shown(warm_users=frozenset()))
    assert graph.relations == (
        "by_artist",
        "featured_in",
        "has_genre",
        "in_language",
        "on_album",
        "similar_to",
    )
    assert graph.songs == 150
