from dataclasses import replace

import numpy as np
import pytest

from simulations.world import Goal, Truth, World, generate
from simulations.world.truth import CELLS, row_blocks


def test_expected_seconds_lie_within_the_song(world: World) -> None:
    truth = world.truth
    users = np.repeat(truth.user_ids[:50], truth.item_ids.size)
    seconds = truth.expected_seconds(users, np.tile(truth.item_ids, 50))
    lengths = np.tile(truth.song_seconds, 50)
    assert (seconds > 0).all()
    assert (seconds < lengths).all()


def test_expected_seconds_are_the_mean_of_what_is_heard(world: World) -> None:
    events = world.events
    expected = world.truth.expected_seconds(
        events["user_id"].to_numpy(), events["item_id"].to_numpy()
    )
    heard = events["played_seconds"].to_numpy()
    for low in range(5):  # in fifths of the expectation, so that it holds along the whole scale
        band = (np.argsort(np.argsort(expected)) * 5 // expected.size) == low
        assert heard[band].mean() == pytest.approx(expected[band].mean(), rel=0.04)


def test_users_listen_longer_to_songs_of_their_scene(world: World) -> None:
    people, catalogue = world.people, world.catalogue
    seconds = world.truth.seconds_matrix(np.arange(people.users)) / catalogue.seconds
    scene = catalogue.artists.scene[catalogue.artist]
    mine = people.scene[: people.users, :1] == scene
    assert seconds[mine].mean() > seconds[~mine].mean() + 0.2


def test_pairs_and_matrix_agree(world: World) -> None:
    truth = world.truth
    matrix = truth.seconds_matrix(np.arange(7))
    users = np.repeat(truth.user_ids[:7], truth.item_ids.size)
    pairs = truth.expected_seconds(users, np.tile(truth.item_ids, 7))
    np.testing.assert_allclose(matrix.ravel(), pairs, rtol=1e-5)


def test_play_probabilities_match_the_formula(world: World) -> None:
    """Spelled out for one user at a time, as the mixture over interests that it is."""
    truth = world.truth
    found = truth.play_probability(np.arange(20))
    for user in range(20):
        mixture = np.zeros(truth.item_ids.size)
        for weight, latent in zip(truth.user_weight[user], truth.user_latent[user], strict=True):
            language = truth.user_language[user][truth.song_language]
            odds = truth.song_popularity * np.exp(
                truth.taste * (truth.song_latent @ latent).astype(np.float64) + language
            )
            mixture += weight * odds / odds.sum()
        expected = (1 - truth.wander) * mixture + truth.wander * truth.song_popularity
        np.testing.assert_allclose(found[user], expected, rtol=1e-3)
    np.testing.assert_allclose(found.sum(axis=1), 1.0, rtol=1e-5)


def test_play_probabilities_are_near_what_is_played(world: World) -> None:
    """Over all users; a single user's few plays say little."""
    events, truth = world.events, world.truth
    plays = events.groupby("user_id").size().reindex(truth.user_ids, fill_value=0).to_numpy()
    expected = plays @ truth.play_probability(np.arange(plays.size))
    played = events.groupby("item_id").size().reindex(truth.item_ids, fill_value=0).to_numpy()
    assert np.corrcoef(expected, played)[0, 1] > 0.9


def test_the_oracle_beats_popularity_and_each_goal_ranks_by_its_own_score(world: World) -> None:
    truth = world.truth
    heard = world.events.groupby("user_id")["item_id"].agg(set)
    users = np.array(heard.index.to_list())
    popular = truth.item_ids[np.argsort(-truth.song_popularity)[:20]]
    best = truth.oracle_ranking(users, 20)
    by_oracle = np.mean([len(heard[u] & set(row)) for u, row in zip(users, best, strict=True)])
    by_fame = np.mean([len(heard[u] & set(popular)) for u in users])
    assert by_oracle > 1.4 * by_fame

    longest = truth.oracle_ranking(users[:5], 20, goal=Goal.SECONDS)
    for user, row in zip(users[:5], longest, strict=True):
        seconds = truth.expected_seconds(np.full(20, user), row)
        assert (np.diff(seconds) <= 1e-6).all()


def test_an_interest_that_is_not_there_changes_nothing(world: World) -> None:
    truth = world.truth
    absent = (truth.user_weight == 0)[:, :, None]
    other = replace(
        truth, user_latent=np.where(absent, 0.25, truth.user_latent).astype(np.float32)
    )
    rows = np.arange(30)
    np.testing.assert_array_equal(other.play_probability(rows), truth.play_probability(rows))
    np.testing.assert_allclose(other.seconds_matrix(rows), truth.seconds_matrix(rows))


@pytest.mark.parametrize(("user", "item", "named"), [("nobody", "", "nobody"), ("", "s?", "s[?]")])
def test_an_unknown_id_is_refused_by_name(world: World, user: str, item: str, named: str) -> None:
    users = np.array([world.truth.user_ids[0], user or world.truth.user_ids[1]])
    items = np.array([world.truth.item_ids[0], item or world.truth.item_ids[1]])
    with pytest.raises(ValueError, match=f"unknown (user|song) id '{named}'"):
        world.truth.expected_seconds(users, items)


def test_an_outsider_has_no_ground_truth(world: World) -> None:
    with pytest.raises(ValueError, match="unknown user id"):
        world.truth.oracle_ranking(world.people.ids[-1:], 5)


def test_users_and_songs_go_in_pairs(world: World) -> None:
    with pytest.raises(ValueError, match="2 user ids but 3 item ids"):
        world.truth.expected_seconds(world.truth.user_ids[:2], world.truth.item_ids[:3])


@pytest.mark.parametrize("k", [0, -1, 301])
def test_a_ranking_cannot_be_longer_than_the_catalogue(world: World, k: int) -> None:
    with pytest.raises(ValueError, match="k must lie between 1 and 300"):
        world.truth.oracle_ranking(world.truth.user_ids[:1], k)


def test_nobody_asked_for_is_nobody_answered(world: World) -> None:
    none = world.truth.user_ids[:0]
    assert world.truth.oracle_ranking(none, 5).shape == (0, 5)
    assert world.truth.expected_seconds(none, none).shape == (0,)


@pytest.mark.parametrize(("rows", "columns"), [(0, 5), (1, 2 * CELLS), (10, CELLS // 3), (7, 1)])
def test_blocks_cover_every_row_once(rows: int, columns: int) -> None:
    covered = [row for block in row_blocks(rows, columns) for row in range(rows)[block]]
    assert covered == list(range(rows))


def test_the_truth_does_not_depend_on_partners(world: World) -> None:
    blind: Truth = generate(replace(world.config, signal=0.0)).truth
    np.testing.assert_array_equal(blind.user_latent, world.truth.user_latent)
