from collections import Counter
from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recall import (
    NOTHING,
    Candidates,
    Catalogue,
    ConfigError,
    DiversityConfig,
    Exposure,
    Fuser,
    Fusion,
    FusionConfig,
    FusionWeights,
    Method,
    Popularity,
    ShapeError,
    Source,
    UserKind,
    fetch,
    fit_weights,
)
from tests.recall.contract import CHANNELS, POPULARITY, QUERIES, RECENT, TWO_TOWER
from tests.recall.made_channels import ITEMS, made_lists, planted_examples, ranked

WEIGHTS = {
    UserKind.WARM: FusionWeights(("a", "b", "c"), np.arange(12.0).reshape(3, 4), -0.5),
}
CATALOGUE = Catalogue(
    popularity=np.arange(ITEMS, dtype=np.float64),
    groups=np.arange(ITEMS) % 7 - 1,  # every seventh item has no group
    vectors=np.random.default_rng(0).normal(size=(ITEMS, 3)).astype(np.float32),
)


@st.composite
def fusers(draw: st.DrawFn) -> Fuser:
    """Any way to fuse, with and without caps, quotas and diversity."""
    quotas = draw(st.dictionaries(st.sampled_from("abcdef"), st.floats(0, 0.33), max_size=3))
    config = FusionConfig(
        method=draw(st.sampled_from(Method)),
        quotas=quotas,
        group_cap=draw(st.sampled_from([0, 1, 3])),
        diversity=DiversityConfig(relevance=draw(st.sampled_from([1.0, 0.6])), among=12),
    )
    return Fuser(config=config, catalogue=CATALOGUE, learned=WEIGHTS)


EXCLUDED = st.lists(st.integers(0, ITEMS - 1), max_size=10).map(
    lambda items: np.array(items, dtype=np.int64)
)


@given(made_lists(), fusers(), EXCLUDED, st.integers(1, 40))
@settings(deadline=None, max_examples=150)
def test_every_fused_list_keeps_what_was_promised(
    lists: dict[str, Candidates], fuser: Fuser, excluded: np.ndarray, k: int
) -> None:
    fused = fuser.fuse(lists, k, excluded=excluded)
    items = fused.items.tolist()
    recalled = {i for each in lists.values() for i in each.items.tolist()} - set(excluded.tolist())
    assert len(items) == len(set(items)) <= k
    assert set(items) <= recalled
    groups = Counter(int(CATALOGUE.groups[i]) for i in items if CATALOGUE.groups[i] >= 0)
    if fuser.config.group_cap:
        assert max(groups.values(), default=0) <= fuser.config.group_cap
    else:
        assert len(items) == min(k, len(recalled))
        check_quotas(
            fuser.config, {n: each.without(excluded) for n, each in lists.items()}, k, items
        )


def check_quotas(
    config: FusionConfig, lists: dict[str, Candidates], k: int, items: list[int]
) -> None:
    """Each channel's best items, as many as its quota says, are in the list."""
    names = sorted(lists)
    for name, places in zip(names, config.reserved(names, k), strict=True):
        assert set(lists[name].items[:places].tolist()) <= set(items)


@given(made_lists(), fusers(), EXCLUDED)
@settings(deadline=None, max_examples=80)
def test_the_sources_of_a_recommendation_are_true(
    lists: dict[str, Candidates], fuser: Fuser, excluded: np.ndarray
) -> None:
    left = {name: each.without(excluded) for name, each in lists.items()}
    for each in fuser.fuse(lists, 12, excluded=excluded):
        owners = [name for name, found in left.items() if each.item in found.items]
        assert sorted(source.channel for source in each.sources) == sorted(owners)
        assert [source.rank for source in each.sources] == sorted(s.rank for s in each.sources)
        for source in each.sources:
            found = left[source.channel]
            assert found.items[source.rank - 1] == each.item
            assert found.scores[source.rank - 1] == pytest.approx(source.score)
            assert source.reason == f"because of {source.channel}"


@given(made_lists(most=1), st.sampled_from([Method.QUOTAS, Method.RECIPROCAL_RANK]))
@settings(deadline=None)
def test_one_channel_alone_keeps_its_order(lists: dict[str, Candidates], method: Method) -> None:
    [(_, only)] = lists.items()
    fused = Fuser(config=FusionConfig(method=method)).fuse(lists, 50)
    assert fused.items.tolist() == only.items.tolist()


@given(made_lists(), st.sampled_from([Method.QUOTAS, Method.RECIPROCAL_RANK]), st.randoms())
@settings(deadline=None)
def test_channels_of_equal_weight_may_change_places(
    lists: dict[str, Candidates], method: Method, random: Random
) -> None:
    fuser = Fuser(config=FusionConfig(method=method))
    names = list(lists)
    random.shuffle(names)
    renamed = dict(zip(names, lists.values(), strict=True))
    assert fuser.fuse(renamed, 50).items.tolist() == fuser.fuse(lists, 50).items.tolist()


@given(made_lists(), fusers())
@settings(deadline=None, max_examples=60)
def test_the_order_in_which_lists_come_changes_nothing(
    lists: dict[str, Candidates], fuser: Fuser
) -> None:
    backwards = dict(reversed(lists.items()))
    first, second = fuser.fuse(lists, 20), fuser.fuse(backwards, 20)
    assert first.items.tolist() == second.items.tolist()
    assert first.scores.tolist() == second.scores.tolist()


def test_a_weight_of_zero_silences_a_channel() -> None:
    lists = {"a": ranked([1, 2, 3]), "b": ranked([3, 4])}
    fused = Fuser(config=FusionConfig(weights={"b": 0})).fuse(lists, 3)
    assert fused.items.tolist() == [1, 2, 3]


def test_quotas_bring_in_what_scores_alone_would_not() -> None:
    lists = {"many": ranked(range(20)), "more": ranked(range(20)), "rare": ranked([25, 26, 27])}
    plain = Fuser().fuse(lists, 10).items
    assert 25 not in plain
    reserved = Fuser(config=FusionConfig(quotas={"rare": 0.2})).fuse(lists, 10).items
    assert {25, 26} <= set(reserved.tolist())
    assert 27 not in reserved


def test_an_exposure_cap_holds_over_a_batch_and_the_next_best_come_instead() -> None:
    lists = {"a": ranked(range(10))}
    fuser = Fuser(exposure=Exposure(ITEMS, share=0.25, window=20))
    shown = [fuser.fuse(lists, 2).items.tolist() for _ in range(20)]
    counts = Counter(item for each in shown for item in each)
    assert max(counts.values()) == 5
    assert shown[0] == shown[4] == [0, 1]
    assert shown[5] == [2, 3]


@given(st.lists(made_lists(), min_size=5, max_size=25), fusers())
@settings(deadline=None, max_examples=30)
def test_no_cap_is_ever_exceeded_whatever_else_is_asked_for(
    batch: list[dict[str, Candidates]], fuser: Fuser
) -> None:
    capped = replace(fuser, exposure=Exposure(ITEMS, share=0.4, window=len(batch)))
    counts = Counter(item for lists in batch for item in capped.fuse(lists, 5).items.tolist())
    assert max(counts.values(), default=0) <= int(0.4 * len(batch) + 1e-9)


def test_diversity_moves_an_artists_second_song_down() -> None:
    groups = np.full(ITEMS, -1)
    groups[[0, 1, 2]] = 3
    config = FusionConfig(diversity=DiversityConfig(relevance=0.4))
    fused = Fuser(config=config, catalogue=Catalogue(groups=groups)).fuse(
        {"a": ranked(range(9))}, 5
    )
    assert fused.items.tolist()[0] == 0
    assert not {1, 2} & set(fused.items.tolist())


def test_as_a_channels_answer_scores_never_rise_and_reasons_stay() -> None:
    config = FusionConfig(diversity=DiversityConfig(relevance=0.3))
    lists = {"a": ranked(range(12), reason="why"), "b": ranked([5, 29])}
    answer = Fuser(config=config, catalogue=CATALOGUE).fuse(lists, 13).candidates()
    assert (np.diff(answer.scores) <= 0).all()
    because = dict(zip(answer.items.tolist(), answer.reasons, strict=True))
    assert because[5] == "why"  # of the channel that gives one, though b ranks it higher
    assert because[29] == ""
    assert Fuser().fuse({"b": ranked([1])}, 5).candidates().reasons == ()


def test_nothing_recalled_is_an_empty_list() -> None:
    for lists in ({}, {"a": NOTHING}):
        fused = Fuser().fuse(lists, 5)
        assert len(fused) == 0
        assert list(fused) == []


def test_learned_fusion_looks_at_popularity() -> None:
    weights = {UserKind.WARM: FusionWeights(("a",), np.zeros((1, 4)), 1.0)}
    config = FusionConfig(method=Method.LEARNED)
    fuser = Fuser(config=config, catalogue=CATALOGUE, learned=weights)
    assert fuser.fuse({"a": ranked([3, 9, 6])}, 3).items.tolist() == [9, 6, 3]


def test_fusion_asks_its_channels_and_names_them() -> None:
    fused = Fusion((TWO_TOWER, POPULARITY, RECENT))(QUERIES["mixed"], 4)
    assert 5 not in fused.items
    first = fused[0]
    assert {source.channel for source in first.sources} <= {"two-tower", "popularity", "recent"}
    everyone = fetch(POPULARITY, QUERIES["mixed"], 9)
    ranks = {source.channel: source.rank for source in first.sources}
    if "popularity" in ranks:
        assert everyone.items[ranks["popularity"] - 1] == first.item


def test_a_cold_user_gets_what_partners_and_popularity_know() -> None:
    fused = Fusion((TWO_TOWER, POPULARITY, RECENT))(QUERIES["cold"], 9)
    assert {s.channel for each in fused for s in each.sources} == {"two-tower", "popularity"}
    unknown = Fusion((TWO_TOWER, POPULARITY, RECENT))(QUERIES["unknown"], 9)
    assert {s.channel for each in unknown for s in each.sources} == {"popularity"}


def test_each_kind_of_user_is_fused_by_its_own_weights() -> None:
    swap = [
        replace(
            each,
            kind=UserKind.COLD,
            lists={"good": each.lists["noise"], "noise": each.lists["good"]},
        )
        for each in planted_examples(seed=3)
    ]
    learned = fit_weights([*planted_examples(), *swap])
    fuser = Fuser(config=FusionConfig(method=Method.LEARNED), learned=learned)
    lists = {"good": ranked([1, 2]), "noise": ranked([3, 4])}
    assert fuser.fuse(lists, 1, kind=UserKind.WARM).items.tolist() == [1]
    assert fuser.fuse(lists, 1, kind=UserKind.COLD).items.tolist() == [3]


def test_a_source_prints_what_it_is() -> None:
    [only] = Fuser().fuse({"a": Candidates(np.array([4]), np.ones(1, np.float32), ("why",))}, 1)
    assert only.sources == (Source("a", 1, 1.0, "why"),)
    assert only.item == 4


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"quotas": {"a": 1.5}}, "quota"),
        ({"quotas": {"a": -0.1}}, "quota"),
        ({"quotas": {"a": 0.6, "b": 0.6}}, "sum to 1.2"),
        ({"weights": {"a": -1.0}}, "weight"),
        ({"weights": {"a": np.inf}}, "weight"),
        ({"rank_constant": -1.0}, "rank_constant"),
        ({"depth": 0}, "depth"),
        ({"group_cap": -1}, "group_cap"),
    ],
)
def test_settings_out_of_range_are_refused(wrong: dict[str, object], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        FusionConfig(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", [{"relevance": 1.1}, {"among": 0}])
def test_diversity_out_of_range_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="diversity"):
        DiversityConfig(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("config", "missing"),
    [
        (FusionConfig(group_cap=2), "groups"),
        (FusionConfig(diversity=DiversityConfig(relevance=0.5)), "vectors or groups"),
        (FusionConfig(method=Method.LEARNED), "weights"),
    ],
)
def test_settings_that_lack_their_facts_are_refused(config: FusionConfig, missing: str) -> None:
    with pytest.raises(ConfigError, match=missing):
        Fuser(config=config)


def test_a_list_without_places_is_refused() -> None:
    with pytest.raises(ConfigError, match="at least one place"):
        Fuser().fuse({"a": ranked([1])}, 0)


def test_items_beyond_the_catalogue_are_refused() -> None:
    with pytest.raises(ShapeError, match="item 30"):
        Fuser(catalogue=CATALOGUE).fuse({"a": ranked([ITEMS])}, 5)


def test_channels_must_have_names_of_their_own_and_settings_must_name_them() -> None:
    with pytest.raises(ConfigError, match="at least one channel"):
        Fusion(())
    with pytest.raises(ConfigError, match="name of its own"):
        Fusion((POPULARITY, Popularity.from_counts([1])))
    with pytest.raises(ConfigError, match="no channel"):
        Fusion((POPULARITY,), Fuser(config=FusionConfig(quotas={"linear": 0.5})))
    assert set(CHANNELS) >= {"fusion"}


@pytest.mark.parametrize(
    "facts",
    [
        {"popularity": np.array([-1.0])},
        {"popularity": np.array([np.nan])},
        {"popularity": np.ones((1, 1))},
        {"groups": np.ones(2, dtype=np.int64), "popularity": np.ones(3)},
        {"vectors": np.full((2, 2), np.nan, dtype=np.float32)},
        {"vectors": np.ones(2, dtype=np.float32)},
    ],
)
def test_facts_that_do_not_fit_are_refused(facts: dict[str, np.ndarray]) -> None:
    with pytest.raises(ShapeError, match=r"popularity|vectors"):
        Catalogue(**facts)
