import json
from dataclasses import replace

import numpy as np
import pytest

from recall import (
    NO_FACTS,
    Candidates,
    Catalogue,
    ConfigError,
    Example,
    FittingConfig,
    Fuser,
    FusionConfig,
    FusionWeights,
    Method,
    NoTruthError,
    Pool,
    ShapeError,
    UserKind,
    fit_weights,
)
from recall.evidence import RANK_CONSTANT, REACH, SIGNS, evidence
from recall.fitting import _loss, _table
from recall.learned import from_json, to_json
from tests.recall.contract import QUERIES
from tests.recall.made_channels import planted_examples, ranked

WARM = UserKind.WARM
LEARNED = FusionConfig(method=Method.LEARNED)


def hits_at_ten(examples: list[Example], fuser: Fuser) -> float:
    """Mean share of what users played among the first ten."""
    found = [fuser.fuse(each.lists, 10, kind=each.kind).items for each in examples]
    return float(
        np.mean(
            [np.isin(e.played, items).mean() for e, items in zip(examples, found, strict=True)]
        )
    )


def test_a_planted_channel_gets_the_weight_and_noise_gets_none() -> None:
    weights = fit_weights(planted_examples())[WARM]
    good, noise = weights.signs
    assert good.sum() > 10 * noise.sum()
    assert weights.channels == ("good", "noise")


def test_learned_fusion_beats_reciprocal_ranks_on_other_users() -> None:
    learned = Fuser(config=LEARNED, learned=fit_weights(planted_examples(seed=1)))
    others = planted_examples(seed=2)
    plain = hits_at_ten(others, Fuser())
    best = hits_at_ten(others, learned)
    alone = [Example(lists={"good": e.lists["good"]}, played=e.played, kind=WARM) for e in others]
    assert best > 1.2 * plain
    assert best >= hits_at_ten(alone, Fuser()) - 0.01


def test_shuffled_truths_teach_nothing() -> None:
    learned = Fuser(config=LEARNED, learned=fit_weights(planted_examples(seed=1, shuffled=True)))
    shuffled = planted_examples(seed=2, shuffled=True)
    chance = 10 / 200
    assert hits_at_ten(shuffled, learned) == pytest.approx(chance, abs=0.03)


def test_the_same_examples_give_the_same_weights() -> None:
    first, second = (fit_weights(planted_examples())[WARM] for _ in range(2))
    assert first.signs.tolist() == second.signs.tolist()


def test_every_kind_of_user_has_weights_of_its_own() -> None:
    # For cold users the channels' roles are swapped.
    swapped = [
        Example(
            lists={"noise": each.lists["good"], "good": each.lists["noise"]},
            played=each.played,
            kind=UserKind.COLD,
        )
        for each in planted_examples(seed=3)
    ]
    weights = fit_weights([*planted_examples(), *swapped])
    assert set(weights) == {WARM, UserKind.COLD}
    warm, cold = (weights[kind].signs.sum(axis=1) for kind in (WARM, UserKind.COLD))
    assert warm[0] > warm[1]
    assert cold[0] < cold[1]


def test_a_kind_with_too_few_users_is_fused_by_reciprocal_ranks() -> None:
    few = planted_examples(users=5, kind=UserKind.COLD)
    weights = fit_weights([*planted_examples(), *few])
    assert set(weights) == {WARM}
    fuser = Fuser(config=LEARNED, learned=weights)
    found = fuser.fuse(few[0].lists, 10, kind=UserKind.COLD).items
    assert found.tolist() == Fuser().fuse(few[0].lists, 10).items.tolist()


def test_too_few_warm_users_are_fitted_together_with_mixed_ones_less_what_these_have_more() -> (
    None
):
    few = planted_examples(users=5, seed=1)
    partner = ranked(list(range(50)))
    mixed = [
        replace(each, lists={**each.lists, "partner": partner}, kind=UserKind.MIXED)
        for each in planted_examples()
    ]
    weights = fit_weights([*mixed, *few])
    together = fit_weights([*few, *planted_examples()])[WARM]
    np.testing.assert_allclose(weights[WARM].aligned(together.channels), together.signs, atol=1e-4)
    assert not weights[WARM].aligned(["partner"]).any()
    np.testing.assert_array_equal(
        weights[UserKind.MIXED].signs, fit_weights(mixed)[UserKind.MIXED].signs
    )


def test_without_one_warm_user_there_are_no_weights_for_them() -> None:
    assert set(fit_weights(planted_examples(kind=UserKind.MIXED))) == {UserKind.MIXED}


def test_too_few_mixed_users_borrow_nothing_from_warm_ones_who_have_a_channel_less() -> None:
    weights = fit_weights([*planted_examples(), *planted_examples(users=5, kind=UserKind.MIXED)])
    assert set(weights) == {WARM}


def test_popularity_counts_against_items_when_channels_overrate_it() -> None:
    rng = np.random.default_rng(0)
    popularity = np.arange(100.0)
    examples = []
    for _ in range(100):
        order = rng.permutation(100)[:50]
        unpopular = order[np.argsort(order)[:5]]  # what is played is never famous
        examples.append(Example(lists={"any": ranked(order)}, played=unpopular, kind=WARM))
    weights = fit_weights(examples, catalogue=Catalogue(popularity=popularity))
    assert weights[WARM].fame < -1


def test_the_loss_is_the_cross_entropy_and_its_gradient_the_difference_quotient() -> None:
    examples = planted_examples(users=4)
    catalogue = Catalogue(popularity=np.arange(200.0))
    config = FittingConfig(others=1000)
    channels = ("good", "noise")
    table = _table(examples, channels, catalogue, config)
    weights = np.random.default_rng(0).random(table.signs.shape[1])
    loss, gradient = _loss(weights, table, 0.1)
    slow = 0.0
    for each in examples:
        pool = Pool.of(each.lists)
        model = FusionWeights(channels, weights[:-1].reshape(2, -1), float(weights[-1]))
        scores = model.scores(pool, catalogue)
        chances = np.exp(scores) / np.exp(scores).sum()
        slow -= np.log(chances[np.isin(pool.items, each.played)]).mean() / len(examples)
    assert loss == pytest.approx(slow + 0.1 * weights @ weights, rel=1e-5)
    for place in range(len(weights)):
        step = np.zeros_like(weights)
        step[place] = 1e-2
        ends = [_loss(weights + sign * step, table, 0.1)[0] for sign in (1, -1)]
        assert gradient[place] == pytest.approx((ends[0] - ends[1]) / 2e-2, abs=2e-3)


def test_drawn_candidates_stand_for_all_of_them() -> None:
    table = _table(planted_examples(users=6), ("good", "noise"), NO_FACTS, FittingConfig(others=9))
    for user, start in enumerate(table.starts):
        rows = np.flatnonzero(table.users == user)
        assert rows[0] == start
        others = table.shares[rows] == 0
        assert others.sum() == 9
        assert table.shares[rows].sum() == pytest.approx(1.0)
        assert np.exp(table.offsets[rows][others]).sum() > 80  # all that were not played


def test_signs_are_one_at_best_and_zero_where_a_channel_has_nothing() -> None:
    pool = Pool.of({"a": ranked([4, 2, 9]), "b": ranked([2]), "c": ranked([])})
    found = dict(zip(pool.items.tolist(), evidence(pool), strict=True))
    assert found[4].tolist() == [[1, 1, 1, 1], [0] * 4, [0] * 4]
    assert found[2][1].tolist() == [1, 1, 1, 1]
    second = found[2][0]
    assert second[1] == pytest.approx(1 - np.log(2) / np.log(REACH))
    assert second[2] == pytest.approx((RANK_CONSTANT + 1) / (RANK_CONSTANT + 2))
    assert second[3] == pytest.approx(0.5)


def test_weights_follow_their_channels_into_another_pool() -> None:
    signs = np.arange(8.0).reshape(2, 4)
    weights = FusionWeights(("a", "b"), signs)
    assert weights.aligned(("b", "z", "a")).tolist() == [
        signs[1].tolist(),
        [0] * 4,
        signs[0].tolist(),
    ]
    assert weights.worth()["b"] == dict(zip(SIGNS, signs[1].tolist(), strict=True))
    assert weights.worth()["fame"] == {"fame": 0.0}


def test_weights_come_back_from_json_as_they_were() -> None:
    weights = fit_weights(planted_examples())
    back = from_json(to_json(weights))
    assert back[WARM].signs.tolist() == weights[WARM].signs.tolist()
    assert back[WARM].channels == weights[WARM].channels


def spoilt(change: dict[str, object]) -> str:
    plain = json.loads(to_json({WARM: FusionWeights(("a",), np.ones((1, 4)))}))
    return json.dumps(plain | change)


@pytest.mark.parametrize(
    "text",
    [
        "not json",
        "[]",
        "{}",
        spoilt({"version": 2}),
        spoilt({"of": ["luck"]}),
        spoilt({"weights": {"royal": {"channels": ["a"], "signs": [[1] * 4], "fame": 0}}}),
        spoilt({"weights": {"warm": {"channels": ["a"], "signs": [[1] * 3], "fame": 0}}}),
        spoilt({"weights": {"warm": {"channels": ["a"], "signs": [[1e999] * 4], "fame": 0}}}),
        spoilt({"weights": {"warm": {"channels": ["a"], "signs": "x", "fame": 0}}}),
    ],
)
def test_what_is_no_set_of_weights_is_refused(text: str) -> None:
    with pytest.raises(ShapeError, match="fusion weights"):
        from_json(text)


def test_examples_that_no_channel_got_right_are_refused() -> None:
    examples = [Example(lists={"a": ranked([1, 2])}, played=np.array([9]), kind=WARM)] * 50
    with pytest.raises(NoTruthError, match="20 users"):
        fit_weights(examples)


def test_items_beyond_the_catalogue_are_refused() -> None:
    with pytest.raises(ShapeError, match="of 3 in the catalogue"):
        fit_weights(planted_examples(), catalogue=Catalogue(popularity=np.ones(3)))


@pytest.mark.parametrize("name", ["penalty", "others", "min_users"])
def test_settings_out_of_range_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=name):
        FittingConfig(**{name: -1})  # type: ignore[arg-type]


def test_the_kind_of_a_user_is_what_a_query_knows() -> None:
    kinds = {name: UserKind.of(query) for name, query in QUERIES.items()}
    assert kinds == {
        "unknown": UserKind.COLD,
        "cold": UserKind.COLD,
        "warm": UserKind.WARM,
        "mixed": UserKind.MIXED,
    }


def test_a_channel_whose_scores_are_all_equal_says_so_with_ones() -> None:
    flat = Candidates(np.array([1, 2]), np.ones(2, dtype=np.float32))
    assert evidence(Pool.of({"a": flat}))[:, 0, 3].tolist() == [1, 1]


def test_a_user_who_played_every_candidate_teaches_nothing_and_breaks_nothing() -> None:
    examples = planted_examples()
    every = replace(
        examples[0],
        played=np.unique(np.concatenate([each.items for each in examples[0].lists.values()])),
    )
    weights = fit_weights([*examples, every])[WARM]
    assert np.isfinite(weights.signs).all()
