import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulations.world import PRESETS, World, WorldConfig, generate
from simulations.world.draws import blur, choose_columns


def test_user_ids_are_strings_with_a_prefix_and_do_not_tell_users_from_outsiders(
    world: World,
) -> None:
    people = world.people
    assert len(set(people.ids)) == people.count == 520
    assert all(len(i) == 5 and i.startswith("u") and i[1:].isdigit() for i in people.ids)
    numbers = np.char.lstrip(people.ids, "u").astype(int)
    assert abs(numbers[: people.users].mean() - numbers[people.users :].mean()) < 60


def test_the_platforms_table_holds_its_users_only(world: World) -> None:
    assert set(world.users["user_id"]) == set(world.people.ids[: world.people.users])
    assert list(world.users.columns) == ["user_id", "country", "signup_month"]
    assert world.users["signup_month"].between(1, 12).all()


def test_only_people_with_several_interests_have_several_weights(small: WorldConfig) -> None:
    for share in (0.0, 0.4, 1.0):
        config = WorldConfig(users=1000, songs=50, multi_taste=share)
        weight = generate(config).people.weight
        np.testing.assert_allclose(weight.sum(axis=1), 1.0, rtol=1e-5)
        assert (weight[:, 1] > 0).mean() == pytest.approx(share, abs=0.05)


def test_the_share_of_silent_users_is_as_asked() -> None:
    for share in (0.0, 0.25):
        world = generate(WorldConfig(users=200, songs=50, silent_users=share))
        assert world.events["user_id"].nunique() == 200 * (1 - share)
        assert len(world.users) == 200


def test_partners_know_users_without_events(world: World) -> None:
    silent = set(world.users["user_id"]) - set(world.events["user_id"])
    assert silent
    for table in world.partners.values():
        assert len(silent & set(table["user_id"])) > 0.5 * len(silent)


def test_activity_is_heavy_tailed() -> None:
    world = generate(PRESETS["small"])
    sessions = np.sort(world.people.sessions[: world.people.users])[::-1]
    assert sessions[:40].sum() > 0.25 * sessions.sum()  # the busiest tenth
    assert sessions.mean() == pytest.approx(world.config.mean_sessions, rel=0.25)


def test_most_people_share_their_regions_language(world: World) -> None:
    people = world.people
    for region in np.unique(people.region):
        assert np.unique(people.language[people.region == region]).size == 1


def test_own_features_follow_language_as_clearly_as_asked() -> None:
    for signal, low, high in ((0.0, -0.1, 0.1), (1.0, 0.99, 1.01)):
        config = WorldConfig(users=600, songs=50, own_signal=signal)
        world = generate(config)
        people = world.people
        country = world.users.set_index("user_id")["country"].loc[people.ids[:600]]
        numbers = country.str[-2:].astype(int).to_numpy()
        assert low < np.corrcoef(numbers, people.language[:600])[0, 1] < high


def test_blur_keeps_all_or_nothing_at_its_ends() -> None:
    values = np.arange(5000)
    assert np.array_equal(blur(values, signal=1.0, rng=np.random.default_rng(0)), values)
    chance = blur(values, signal=0.0, rng=np.random.default_rng(0))
    assert (chance == values).mean() < 0.01
    assert abs(np.corrcoef(chance, values)[0, 1]) < 0.05


@settings(max_examples=50, deadline=None)
@given(
    weights=st.lists(st.integers(1, 9), min_size=1, max_size=4),
    pad=st.integers(0, 2),
    seed=st.integers(0, 9),
)
def test_a_column_is_drawn_with_its_probability(weights: list[int], pad: int, seed: int) -> None:
    row = np.array(weights + [0] * pad, dtype=np.float32) / sum(weights)
    drawn = choose_columns(np.tile(row, (4000, 1)), np.random.default_rng(seed))
    shares = np.bincount(drawn, minlength=row.size) / 4000
    np.testing.assert_allclose(shares, row, atol=0.05)
    assert drawn.max() < len(weights)
