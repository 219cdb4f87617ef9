from pathlib import Path

import pandas as pd
import pytest

from parties.errors import DataError
from parties.tables import to_features
from simulations.data import load
from simulations.data.lastfm import read_lastfm_2k, read_lastfm_15k
from simulations.errors import DataSetDamagedError, DataSetMissingError
from tests.simulations.data.published import published

TINY_2K = {
    "user_artists.dat": "userID\tartistID\tweight\r\n2\t51\t130\r\n3\t52\t7\r\n",
    "artists.dat": 'id\tname\turl\tpictureURL\n51\t"Duran\tu\tp\n52\tMot\xf6rhead\tu\tp\n',
    "user_friends.dat": "userID\tfriendID\r\n2\t3\r\n3\t2\r\n",
    "user_taggedartists.dat": (
        "userID\tartistID\ttagID\tday\tmonth\tyear\r\n"
        "2\t51\t13\t1\t4\t2009\r\n"
        "\r\n"
        "2\t52\t13\t1\t11\t2009\r\n"
        "3\t51\t15\t1\t4\t2009\r\n"
        "3\t51\t15\t1\t5\t2009\r\n"
        "3\t99\t15\t1\t5\t2009\r\n"
    ),
}
TINY_15K = (
    "user,artist,sex,country\n"
    '1,"earth, wind & fire",f,Germany\n'
    "1,nirvana,f,Germany\n"
    "1,nirvana,f,Germany\n"
    '2,nirvana,m,"Korea, Republic of"\n'
)


def make_2k(folder: Path, **changes: str) -> Path:
    for name, text in {**TINY_2K, **changes}.items():
        (folder / name).write_bytes(text.encode("utf-8"))
    return folder


def make_15k(folder: Path, text: str = TINY_15K) -> Path:
    (folder / "lastfm.csv").write_text(text)
    return folder


def test_lastfm_2k_is_cut_between_item_party_friends_and_tags(tmp_path: Path) -> None:
    tables = read_lastfm_2k(make_2k(tmp_path)).tables
    assert tables.item.events.to_dict("list") == {
        "user_id": ["2", "3"],
        "item_id": ["51", "52"],
        "weight": [130.0, 7.0],
    }
    assert tables.item.items is not None
    assert tables.item.items.ids == ("51", "52")
    assert tables.item.items.table["name"].tolist() == ['"Duran', "Mot\xf6rhead"]
    social, forum = tables.partners
    assert (social.name, forum.name) == ("social", "forum")
    friends = to_features(social.features, ["2", "3"], min_count=1)
    assert friends.multi_hot_names == ("friend=2", "friend=3")
    assert friends.multi_hot.toarray().tolist() == [[0, 1], [1, 0]]
    tags = to_features(forum.features, ["2", "3"], min_count=1)
    assert tags.multi_hot_names == ("tag=13", "tag=15")
    assert tags.multi_hot.toarray().tolist() == [[2, 0], [0, 3]]


def test_tags_can_be_counted_by_month(tmp_path: Path) -> None:
    data = read_lastfm_2k(make_2k(tmp_path), by_month=True)
    tags = to_features(data.tables.partners[1].features, ["2", "3"], min_count=1)
    assert tags.multi_hot_names == (
        "tag=13@2009-04",
        "tag=13@2009-11",
        "tag=15@2009-04",
        "tag=15@2009-05",
    )


def test_the_forum_never_says_which_artist_was_tagged(tmp_path: Path) -> None:
    forum = read_lastfm_2k(make_2k(tmp_path)).tables.partners[1]
    named = forum.features.table["feature"]
    assert not named.str.contains("51|52|99", regex=True).any()


def test_tags_say_who_gave_them_so_that_those_of_tested_users_can_be_left_out(
    tmp_path: Path,
) -> None:
    data = read_lastfm_2k(make_2k(tmp_path))
    assert data.tables.item.triples is None
    assert data.tags is not None
    assert data.tags.to_numpy().tolist() == [
        ["2", "51", "tag=13"],
        ["2", "52", "tag=13"],
        ["3", "51", "tag=15"],
    ]


def test_lastfm_15k_is_cut_between_item_party_country_and_sex(tmp_path: Path) -> None:
    data = read_lastfm_15k(make_15k(tmp_path))
    assert data.tables.item.events.to_dict("list") == {
        "user_id": ["1", "1", "2"],
        "item_id": ["earth, wind & fire", "nirvana", "nirvana"],
    }
    telecom, identity = data.tables.partners
    assert (telecom.name, identity.name) == ("telecom", "identity")
    assert telecom.features.table["country"].tolist() == ["Germany", "Korea, Republic of"]
    assert identity.features.table["sex"].tolist() == ["f", "m"]
    assert identity.sensitive == ("sex",)
    assert data.tags is None


def test_a_user_of_two_countries_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="column 'user_id', row 3: repeats"):
        read_lastfm_15k(make_15k(tmp_path, TINY_15K + "1,muse,f,France\n"))


def test_a_missing_file_says_how_to_get_it(tmp_path: Path) -> None:
    make_2k(tmp_path)
    (tmp_path / "artists.dat").unlink()
    with pytest.raises(DataSetMissingError, match=r"artists\.dat does not exist; run `fedrecall"):
        read_lastfm_2k(tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        "userID\tartist\tweight\n1\t2\t3\n",
        "",
        "userID\tartistID\tweight\n1\t2\t3\t4\t5\n",
    ],
)
def test_a_file_of_other_columns_is_refused(tmp_path: Path, content: str) -> None:
    make_2k(tmp_path, **{"user_artists.dat": content})
    with pytest.raises(DataSetDamagedError, match="user_artists"):
        read_lastfm_2k(tmp_path)


def test_a_play_without_its_count_is_refused(tmp_path: Path) -> None:
    make_2k(tmp_path, **{"user_artists.dat": "userID\tartistID\tweight\n1\t2\n"})
    with pytest.raises(DataError, match="column 'weight', row 1: is missing"):
        read_lastfm_2k(tmp_path)


def test_a_file_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    make_2k(tmp_path)
    (tmp_path / "artists.dat").write_bytes(b"id\tname\turl\tpictureURL\n1\t\xe9\tu\tp\n")
    with pytest.raises(DataSetDamagedError, match=r"artists\.dat cannot be read"):
        read_lastfm_2k(tmp_path)


def test_the_published_lastfm_2k_is_complete() -> None:
    data = load("lastfm-2k", root=published("lastfm-2k"))
    events = data.tables.item.events
    assert (len(events), events["user_id"].nunique(), events["item_id"].nunique()) == (
        92_834,
        1_892,
        17_632,
    )
    assert events["weight"].sum() == pytest.approx(69.2e6, rel=0.001)
    assert [len(partner.user_ids) for partner in data.tables.partners] == [1_892, 1_892]
    assert len(data.tables.partners[0].features.table) == 25_434
    assert data.tags is not None
    assert data.tables.item.items is not None
    assert set(data.tags["item_id"]) <= set(data.tables.item.items.ids)
    assert not set(data.tags["tag"]) & set(events["item_id"])


def test_the_published_lastfm_15k_is_complete() -> None:
    tables = load("lastfm-15k", root=published("lastfm-15k")).tables
    assert tables.item.events["user_id"].nunique() == 15_000
    assert tables.item.events["item_id"].nunique() == 1_004
    countries = tables.partners[0].features.table["country"]
    assert isinstance(countries, pd.Series)
    assert countries.nunique() == 159
