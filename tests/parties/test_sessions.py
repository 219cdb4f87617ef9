"""Whole runs: item party, partners and coordinator, joined by nothing but frames."""

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from federation.crypto.cipher import Scheme
from federation.errors import SinglePartnerError
from federation.protocol.messages import (
    Activations,
    Collected,
    Goodbye,
    GradientKey,
    Holdings,
    ItemDoubled,
    ItemPoints,
    MaskedProducts,
    Message,
    PartnerDoubled,
    PartnerPoints,
    ProductSums,
    SealedGradients,
    Slots,
    StartAfresh,
    SummedActivations,
    SummingKey,
    TrainingEnd,
)
from federation.protocol.profile import Profile
from parties.batches import BatchPlan
from parties.ciphers import forward_cipher
from parties.config import COORDINATOR, ITEM, RunConfig
from parties.events import Progress, Stage
from parties.item_training import History
from parties.labels import side_codes, slot_labels
from parties.seeds import derive_seed
from tests.parties.harness import (
    Ended,
    Table,
    World,
    federate,
    make_world,
    party_seed,
    run_parties,
    tiny,
)
from towers.encoders import fit_encoder
from towers.features import Features, Floats
from towers.pooled import EpochReport, LocalPartner, pooled_queries, train_pooled
from towers.training import ItemTrainer

Ids = npt.NDArray[np.int64]
TWO = make_world("forum", "social")
ONE = make_world("forum")
THREE = make_world("forum", "social", "video")
UNCLIPPED = {"exchange__gradient_clip": 100.0}  # `plain` never clips; this clips nothing either
ALIGNING_ITEM = {PartnerPoints, PartnerDoubled}
ALIGNING_PARTNER = {ItemPoints, ItemDoubled, Slots}


def local_partner(config: RunConfig, world: World, name: str, slots: Ids) -> LocalPartner:
    """A partner's model with its rows in slot order, as if everybody's data lay in one place."""
    seed = party_seed(config, name)
    data = world.partners[name]
    phi = fit_encoder(data.features, config.encoder, seed=seed)
    slot_of = dict(zip(world.item.users, slots.tolist(), strict=True))
    by_slot = np.zeros((len(slots), phi.shape[1]), np.float32)
    for row, identifier in zip(phi, data.identifiers, strict=True):
        if identifier in slot_of:
            by_slot[slot_of[identifier]] = row
    return LocalPartner(by_slot, config.dim, config.projection, seed=seed)


def train_in_one_process(config: RunConfig, world: World) -> tuple[Floats, Floats, History]:
    plan = BatchPlan(config, len(world.item.users))
    config = plan.paced
    rng = np.random.default_rng(party_seed(config, ITEM))
    slots = rng.permutation(len(world.item.users)).astype(np.int64)
    side = side_codes(world.item.own, world.item.songs, config)
    labels = slot_labels(world.item.listening, slots, side, config)
    trainer = ItemTrainer(config.trainer, labels, seed=derive_seed(config.seed, "trainer"))
    sides = [local_partner(config, world, name, slots) for name in world.partners]
    history = train_pooled(
        trainer,
        sides,
        plan.schedule,
        epochs=config.training.epochs,
        stopping=config.training.stopping,
    )
    queries = pooled_queries(trainer, sides, np.arange(len(slots), dtype=np.int64))
    return queries[slots], trainer.item_matrix(), tuple(history)


def assert_same_history(one: Sequence[EpochReport], other: Sequence[EpochReport]) -> None:
    assert [each.epoch for each in one] == [each.epoch for each in other]
    np.testing.assert_allclose([e.loss for e in one], [e.loss for e in other], rtol=1e-4)
    np.testing.assert_allclose([e.recall for e in one], [e.recall for e in other], atol=0.01)


@pytest.mark.parametrize("world", [ONE, TWO, THREE], ids=["one", "two", "three"])
def test_a_plain_federation_equals_the_same_model_trained_on_pooled_data(world: World) -> None:
    config = tiny(Profile.PLAIN, training__epochs=6)
    item = federate(config, world).item
    queries, items, history = train_in_one_process(config, world)
    np.testing.assert_allclose(item.queries, queries, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(item.items, items, rtol=1e-3, atol=1e-4)
    assert_same_history(item.history, history)


def test_training_stops_early_and_serves_the_best_epoch_as_pooled_training_does() -> None:
    config = tiny(
        Profile.PLAIN,
        training__epochs=40,
        training__stopping__patience=2,
        projection__learning_rate=1.0,
    )
    item = federate(config, TWO).item
    queries, _, history = train_in_one_process(config, TWO)
    assert len(item.history) == len(history) < 40
    np.testing.assert_allclose(item.queries, queries, rtol=1e-2, atol=1e-3)


def cold_hits(ended: Ended, world: World) -> float:
    """Share of cold users' ten best songs that are of their taste."""
    cold = np.flatnonzero(np.diff(world.item.listening.indptr) == 0)
    scores = ended.item.queries[cold] @ ended.item.items.T
    best = np.argsort(-scores, axis=1)[:, :10]
    return float(np.mean(best % 4 == world.taste[cold, None]))


def test_a_planted_taste_reaches_users_nobody_heard_a_play_from() -> None:
    config = tiny(Profile.PLAIN, training__epochs=20)
    told = cold_hits(federate(config, TWO), TWO)
    rng = np.random.default_rng(1)
    partners = {
        name: type(data)(rng.permutation(data.identifiers).tolist(), data.features)
        for name, data in TWO.partners.items()
    }
    shuffled = World(item=TWO.item, partners=partners, taste=TWO.taste)
    mixed_up = cold_hits(federate(config, shuffled), shuffled)
    assert told > 0.7
    assert mixed_up < 0.4


def test_strict_learns_what_plain_learns_within_fixed_point_error() -> None:
    plain = federate(tiny(Profile.PLAIN, **UNCLIPPED), TWO).item
    strict = federate(tiny(Profile.STRICT, **UNCLIPPED), TWO).item
    np.testing.assert_allclose(
        [each.loss for each in strict.history], [each.loss for each in plain.history], rtol=5e-3
    )
    np.testing.assert_allclose(
        [each.recall for each in strict.history],
        [each.recall for each in plain.history],
        atol=0.02,
    )
    np.testing.assert_allclose(strict.queries, plain.queries, atol=0.3)


def run_and_listen(config: RunConfig, world: World = TWO) -> Table:
    table = Table(config=config, partners=tuple(world.partners))
    for error in run_parties(table, world).errors.values():
        raise error
    return table


def first_embeddings(config: RunConfig, name: str) -> Floats:
    """What a partner's first batch of embeddings is before anything protects it."""
    rng = np.random.default_rng(party_seed(config, ITEM))
    slots = rng.permutation(len(TWO.item.users)).astype(np.int64)
    plan = BatchPlan(config, len(slots))
    batch = plan.rows(plan.epoch(0)[0])
    return local_partner(config, TWO, name, slots).forward(batch)


def numbers_near(message: Activations, values: Floats) -> bool:
    """Whether the parts hold the values as they are, as float32 after a fingerprint."""
    size = 4 * values.size
    found = [np.frombuffer(part[16 : 16 + size], "<f4") for part in message.parts]
    return any(len(f) == values.size and np.allclose(f, values.ravel(), atol=1e-5) for f in found)


@pytest.mark.parametrize(("profile", "readable"), [(Profile.PLAIN, True), (Profile.STRICT, False)])
def test_only_plain_shows_an_embedding_to_the_coordinator(
    profile: Profile, readable: bool
) -> None:
    config = tiny(profile, training__epochs=1)
    heard = run_and_listen(config).links[COORDINATOR].heard
    first = [m for m in heard if isinstance(m, Activations) and m.step == 0]
    assert len(first) == 2
    truth = {name: first_embeddings(config, name) for name in TWO.partners}
    shown = [any(numbers_near(m, values) for values in truth.values()) for m in first]
    assert shown == [readable, readable]


def test_strict_sums_are_bfv_ciphertexts_and_no_partner_hears_a_gradient_row() -> None:
    config = tiny(Profile.STRICT, training__epochs=1)
    table = run_and_listen(config)
    assert forward_cipher(config, 2).scheme is Scheme.BFV
    assert kinds(table, ITEM) == {Holdings, *ALIGNING_ITEM, SummedActivations, MaskedProducts}
    expected = {StartAfresh, *ALIGNING_PARTNER, SummingKey, GradientKey, SealedGradients}
    for name in TWO.partners:
        assert kinds(table, name) == expected | {ProductSums, Collected, TrainingEnd, Goodbye}


def test_frozen_sends_nothing_back_and_asks_once() -> None:
    table = run_and_listen(tiny(Profile.FROZEN))
    for name in TWO.partners:
        hearing = {StartAfresh, *ALIGNING_PARTNER, SummingKey, Collected, Goodbye}
        assert kinds(table, name) == hearing
    sums = [m for m in table.links[ITEM].heard if isinstance(m, SummedActivations)]
    assert sum(each.rows for each in sums) == 384  # 330 users in 3 groups of 128, once


def kinds(table: Table, name: str) -> set[type[Message]]:
    return {type(message) for message in table.links[name].heard}


@pytest.mark.parametrize("profile", list(Profile))
def test_the_same_seed_gives_the_same_run_although_keys_differ(profile: Profile) -> None:
    config = tiny(profile, training__epochs=2, seed=7)
    first, second = federate(config, TWO).item, federate(config, TWO).item
    np.testing.assert_array_equal(first.queries, second.queries)
    np.testing.assert_array_equal(first.items, second.items)
    assert first.history == second.history


def test_another_seed_gives_another_run() -> None:
    runs = [federate(tiny(Profile.PLAIN, seed=seed), TWO).item for seed in (0, 1)]
    assert runs[0].history != runs[1].history


@pytest.mark.parametrize("world", [ONE, TWO], ids=["one", "two"])
def test_frozen_learns_from_the_sum_of_fixed_projections(world: World) -> None:
    ended = federate(tiny(Profile.FROZEN, training__epochs=20), world)
    assert cold_hits(ended, world) > 0.6


def test_frozen_keeps_nobody_waiting_while_the_item_party_trains_alone() -> None:
    config = tiny(Profile.FROZEN, training__epochs=2, exchange__timeout_s=1.0)

    def dawdle(progress: Progress) -> None:
        if progress.stage is Stage.TRAINING and progress.done == 1:
            time.sleep(1.5)

    ended = federate(config, TWO, watch=dawdle)
    assert len(ended.item.history) == 2


@pytest.mark.parametrize("role", [COORDINATOR, ITEM, "forum"])
def test_strict_with_one_partner_is_refused_by_every_role(role: str) -> None:
    table = Table(config=tiny(Profile.STRICT), partners=("forum",))
    with pytest.raises(SinglePartnerError, match=r"frozen.*--accept-single-partner"):
        table.party(role, ONE)


def test_strict_with_one_partner_runs_when_that_is_accepted() -> None:
    config = tiny(Profile.STRICT, exchange__accept_single_partner=True, training__epochs=1)
    ended = federate(config, ONE)
    assert len(ended.item.history) == 1


def test_a_partner_that_leaves_users_out_changes_strict_as_it_changes_plain() -> None:
    # Width 8 needs 64 users a batch: left to chance, nearly every batch would be too small.
    config = tiny(Profile.STRICT, exchange__partner_dropout=0.9, training__epochs=4, **UNCLIPPED)
    history = federate(config, TWO).item.history
    plain = federate(replace(config, profile=Profile.PLAIN), TWO).item.history
    without = federate(tiny(Profile.PLAIN, training__epochs=4, **UNCLIPPED), TWO)
    np.testing.assert_allclose(
        [each.loss for each in history], [each.loss for each in plain], rtol=5e-3
    )
    assert plain != without.item.history


def test_stochastic_rounding_and_ckks_run_too() -> None:
    rounded = federate(tiny(Profile.FROZEN, exchange__rounding="stochastic"), TWO)
    approximate = federate(tiny(Profile.FROZEN, exchange__scheme="ckks"), TWO)
    np.testing.assert_allclose(
        [each.loss for each in rounded.item.history],
        [each.loss for each in approximate.item.history],
        rtol=1e-2,
    )


def test_own_user_and_song_features_of_the_item_party_take_part() -> None:
    rng = np.random.default_rng(0)
    own = Features.from_dense(rng.normal(size=(len(TWO.item.users), 3)).astype(np.float32))
    songs = Features.from_dense(rng.normal(size=(60, 2)).astype(np.float32))
    world = World(
        item=replace(TWO.item, own=own, songs=songs), partners=ONE.partners, taste=TWO.taste
    )
    config = tiny(Profile.PLAIN)
    item = federate(config, world).item
    queries, _, history = train_in_one_process(config, world)
    np.testing.assert_allclose(item.queries, queries, rtol=1e-3, atol=1e-4)
    assert item.history != federate(config, ONE).item.history
    assert_same_history(item.history, history)


def test_outcomes_count_what_was_shared_sent_and_clipped() -> None:
    config = tiny(Profile.STRICT, training__epochs=1, exchange__clip=0.01)
    ended = federate(config, TWO)
    for name, data in TWO.partners.items():
        partner = ended.outcomes[name]
        shared = set(data.identifiers) & set(TWO.item.users)
        assert partner.shared == len(shared) == len(ended.item.shared[name])
        assert partner.values == 2 * 384 * config.dim  # trained on once, served once
        assert 0 < partner.clipped <= partner.values
        assert partner.sent["forward"] > 7 * partner.values
        assert partner.sent["backward"] > 0
    assert ended.outcomes[COORDINATOR].sums == 4
    assert ended.item.sent["alignment"] > 0


def test_the_watcher_hears_of_every_stage_in_order() -> None:
    seen: list[Progress] = []
    federate(tiny(Profile.PLAIN), TWO, watch=seen.append)
    stages = [each.stage for each in seen]
    assert stages == sorted(stages, key=[Stage.ALIGNMENT, Stage.TRAINING, Stage.SERVING].index)
    training = [each for each in seen if each.stage is Stage.TRAINING]
    done = [each.done for each in training]  # the first before any step, epochs' ends twice
    assert done == [0, 1, 2, 2, 3, 4, 4, 5, 6, 6]
    assert {each.total for each in training} == {6}
    assert training[0].recall is None
    assert training[-1].recall is not None


def test_printed_sessions_and_data_show_no_secret_and_no_user() -> None:
    table = Table(config=tiny(Profile.PLAIN), partners=("forum",))
    session = table.session(table.link("forum"))
    assert str(session.private_seed) not in repr(session)
    for shown in (session, ONE.item, ONE.partners["forum"], table.identities["forum"]):
        assert "user-0" not in repr(shown)
    ended = federate(tiny(Profile.PLAIN), ONE)
    assert "queries" not in repr(ended.item)
    assert "array" not in repr(ended.item)
