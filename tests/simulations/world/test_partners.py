from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from simulations.world import (
    PARTNERS,
    SOCIAL,
    VIDEO,
    PartnerKind,
    PartnerSpec,
    World,
    WorldConfig,
    generate,
)

KINDS = sorted(PARTNERS)
LONG, WIDE = ("social", "video"), ("telecom", "demographics")


@pytest.mark.parametrize("name", KINDS)
def test_a_partner_knows_its_share_of_users_and_of_outsiders(crowded: World, name: str) -> None:
    known = set(crowded.partners[name]["user_id"])
    people = crowded.people
    users, outsiders = set(people.ids[: people.users]), set(people.ids[people.users :])
    assert known <= users | outsiders
    assert len(known & users) == round(0.8 * len(users))
    assert len(known & outsiders) == round(0.8 * len(outsiders))


def test_partners_know_overlapping_but_different_people(crowded: World) -> None:
    known = [set(table["user_id"]) for table in crowded.partners.values()]
    for first in known:
        for second in known:
            assert first & second
            assert first is second or first - second


@pytest.mark.parametrize("name", LONG)
def test_a_long_table_names_each_user_and_feature_once(crowded: World, name: str) -> None:
    table = crowded.partners[name]
    assert list(table.columns)[:2] == ["user_id", "feature"]
    assert not table.duplicated(["user_id", "feature"]).any()
    assert not table.isna().any(axis=None)


@pytest.mark.parametrize("name", WIDE)
def test_a_wide_table_has_one_row_a_user(crowded: World, name: str) -> None:
    table = crowded.partners[name]
    assert table["user_id"].is_unique
    assert table["user_id"].is_monotonic_increasing
    assert 0.05 < table["age"].isna().mean() < 0.25
    assert table["age"].dropna().between(14, 90).all()
    assert not table.drop(columns="age").isna().any(axis=None)


def test_friendship_is_mutual_and_never_with_oneself(crowded: World) -> None:
    table = crowded.partners["social"]
    pairs = set(zip(table["user_id"], table["feature"], strict=True))
    assert pairs == {(b, a) for a, b in pairs}
    assert all(a != b for a, b in pairs)


def test_views_are_positive_counts_of_named_categories(crowded: World) -> None:
    table = crowded.partners["video"]
    assert list(table.columns) == ["user_id", "feature", "value"]
    assert table["value"].ge(1).all()
    assert table["value"].dtype == np.int64
    assert table["feature"].str.fullmatch(r"category_\d\d").all()


def test_devices_are_a_multi_valued_column(crowded: World) -> None:
    devices = crowded.partners["telecom"]["devices"].str.split("|").explode()
    assert set(devices[devices != ""]) == {"phone", "tablet", "tv", "watch", "car"}
    assert crowded.partners["telecom"]["devices"].str.contains("|", regex=False).any()


def _of_friends(world: World) -> tuple[pd.Series, pd.Series]:
    """Main scene of both ends of every friendship."""
    scene = pd.Series(world.people.scene[:, 0], index=world.people.ids)
    table = world.partners["social"]
    return scene[table["user_id"]], scene[table["feature"]]


def test_friends_are_alike_with_signal_and_not_without() -> None:
    alike = {}
    for signal in (0.0, 1.0):
        config = WorldConfig(users=600, songs=50, partners=(SOCIAL,), signal=signal)
        one, other = _of_friends(generate(config))
        alike[signal] = (one.to_numpy() == other.to_numpy()).mean()
    assert alike[1.0] > 10 * alike[0.0]


def test_a_person_without_like_minded_people_still_has_friends() -> None:
    config = WorldConfig(users=20, songs=20, partners=(replace(SOCIAL, coverage=0.0, signal=1.0),))
    table = generate(config).partners["social"]  # two people, whatever their taste
    assert len(table) == 2
    assert set(table["user_id"]) == set(table["feature"])


def _explained(world: World, name: str, column: str, of: np.ndarray) -> float:
    """Share of a column's entries that the most common value for the person's `of` gets right."""
    row = pd.Series(of, index=world.people.ids)
    table = world.partners[name].dropna()
    group = row[table["user_id"]].to_numpy()
    return float(table[column].groupby(group).transform(lambda c: c == c.mode()[0]).mean())


@pytest.mark.parametrize(
    ("name", "column"), [("telecom", "region"), ("demographics", "mother_tongue")]
)
def test_regions_and_tongues_follow_language_with_signal_only(name: str, column: str) -> None:
    share = {}
    for signal in (0.0, 1.0):
        config = WorldConfig(users=2000, songs=20, partners=(PARTNERS[name],), signal=signal)
        world = generate(config)
        share[signal] = _explained(world, name, column, world.people.language)
    assert share[1.0] > share[0.0] + 0.1


def test_ages_follow_genre_with_signal_only() -> None:
    spread = {}
    for signal in (0.0, 1.0):
        spec = PARTNERS["demographics"]
        world = generate(WorldConfig(users=2000, songs=20, partners=(spec,), signal=signal))
        genre = world.catalogue.scenes.genre[world.people.scene[:, 0]]
        table = world.partners["demographics"].dropna()
        group = pd.Series(genre, index=world.people.ids)[table["user_id"]].to_numpy()
        spread[signal] = table["age"].groupby(group).mean().std()
    assert spread[0.0] < 2.0
    assert spread[1.0] > 4.0


def test_video_tastes_differ_by_genre_with_signal_only() -> None:
    distance = {}
    for signal in (0.0, 1.0):
        world = generate(WorldConfig(users=800, songs=20, partners=(VIDEO,), signal=signal))
        genre = world.catalogue.scenes.genre[world.people.scene[:, 0]]
        table = world.partners["video"]
        group = pd.Series(genre, index=world.people.ids)[table["user_id"]].to_numpy()
        board = pd.crosstab(group, table["feature"], table["value"], aggfunc="sum").fillna(0)
        shares = board.div(board.sum(axis=1), axis=0)
        distance[signal] = float(shares.std().sum())
    assert distance[0.0] < 0.1
    assert distance[1.0] > 0.5


def test_a_partners_table_does_not_depend_on_the_others(crowded: World) -> None:
    alone = generate(replace(crowded.config, partners=(VIDEO,)))
    pd.testing.assert_frame_equal(alone.partners["video"], crowded.partners["video"])


def test_two_partners_of_one_kind_see_the_same_people_differently() -> None:
    clubs = tuple(PartnerSpec(name=n, kind=PartnerKind.TELECOM) for n in ("red", "blue"))
    world = generate(WorldConfig(users=100, songs=20, partners=clubs))
    both = world.partners["red"].merge(world.partners["blue"], on="user_id")
    assert 0.3 < (both["region_x"] == both["region_y"]).mean() < 1.0


def test_no_user_and_no_song_of_the_truth_is_in_a_partners_columns(crowded: World) -> None:
    songs = set(crowded.items["item_id"])
    for table in crowded.partners.values():
        for column in table.columns:
            assert not songs & set(table[column].astype(str))
