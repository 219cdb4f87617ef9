import numpy as np
import pandas as pd
import scipy.sparse as sp

from parties.tables import FederationTables, ItemTables, PartnerTable, check_events, wide_features
from simulations.bench.bad_cases import traits_of
from simulations.data import LoadedData

SONGS = ["a", "b", "c", "d"]
EVENTS = check_events(pd.DataFrame({"user_id": ["u"], "item_id": ["a"]}))
PARTNER = PartnerTable(
    name="p", features=wide_features(pd.DataFrame({"user_id": ["u"], "age": [3]}))
)


def data(items: pd.DataFrame | None = None, tags: pd.DataFrame | None = None) -> LoadedData:
    frame = None if items is None else wide_features(items, key="item_id")
    tables = FederationTables(
        name="made", item=ItemTables(events=EVENTS, items=frame), partners=(PARTNER,)
    )
    return LoadedData(tables=tables, tags=tags)


def test_a_song_is_bad_if_it_differs_in_language_or_genre_from_all_that_was_heard() -> None:
    items = pd.DataFrame(
        {
            "item_id": SONGS,
            "language": ["fr", "fr", "de", "fr"],
            "genre": ["rock", "rock|pop", "rock", "jazz"],
        }
    )
    traits = traits_of(data(items), SONGS)
    assert traits is not None
    ranked = np.array([[1, 2, 3], [2, -1, -1], [-1, -1, -1]])
    heard = sp.csr_array(np.array([[5, 0, 0, 0], [1, 0, 1, 0], [1, 0, 0, 0]]))
    np.testing.assert_allclose(traits.bad(ranked, heard), [2 / 3, 0.0, 0.0])


def test_tags_stand_in_for_both() -> None:
    tags = pd.DataFrame(
        {"user_id": "v", "item_id": ["a", "b", "c", "x"], "tag": ["t", "t", "s", "t"]}
    )
    traits = traits_of(data(tags=tags), SONGS)
    assert traits is not None
    heard = sp.csr_array(np.array([[1, 0, 0, 0]]))
    assert traits.bad(np.array([[1, 2, 3]]), heard).tolist() == [2 / 3]


def test_songs_without_traits_cannot_be_judged() -> None:
    assert traits_of(data(), SONGS) is None
    assert traits_of(data(pd.DataFrame({"item_id": ["a"], "mood": ["x"]})), SONGS) is None
