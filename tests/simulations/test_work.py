"""Both kinds of tasks, done in this process."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from federation.crypto.cipher import Scheme
from federation.protocol.profile import Profile
from parties.config import RunConfig
from parties.events import Progress, Stage, ignore_progress
from parties.settings import override
from simulations.baselines import Nobody, Pool, Trained, slots_of_users
from simulations.federation import Scenario, run_federation
from simulations.listening import Listening
from simulations.recording import CONTINUED, NO_OWN_FEATURES, record_run
from simulations.run_folder import Plan, SimulationConfig
from simulations.splits import EvaluationConfig
from simulations.tasks import FIRST, Task, TaskKind, TaskResult
from simulations.work import Clock, perform


def task(kind: TaskKind, data: Path, folder: Path, config: RunConfig) -> Task:
    return Task(
        kind=kind,
        data=str(data),
        seed=config.seed,
        config=config,
        evaluation=EvaluationConfig(),
        folder=folder,
    )


@pytest.fixture(scope="module")
def plain(quick: RunConfig) -> RunConfig:
    return replace(quick, profile=Profile.PLAIN)


@pytest.fixture(scope="module")
def done(
    tiny: Path, tmp_path_factory: pytest.TempPathFactory, plain: RunConfig
) -> dict[tuple[int, TaskKind], TaskResult]:
    folder = tmp_path_factory.mktemp("split")
    return {(0, kind): perform(task(kind, tiny, folder, plain), ignore_progress) for kind in FIRST}


def test_the_baselines_are_every_system_but_the_federated(
    done: dict[tuple[int, TaskKind], TaskResult],
) -> None:
    baselines = done[0, TaskKind.BASELINES]
    names = [system.name for system in baselines.systems]
    trained = ["own", "partner:social", "partner:video", "central", "shuffled"]
    assert names == ["popularity", *trained]
    assert list(baselines.curves) == trained
    assert baselines.sent == {}
    judged = {len(system.per_user["recall@50"]) for system in baselines.systems}
    assert judged == {len(done[0, TaskKind.FEDERATED].systems[0].per_user["recall@50"])}


def test_a_federated_task_says_what_it_cost(done: dict[tuple[int, TaskKind], TaskResult]) -> None:
    federated = done[0, TaskKind.FEDERATED]
    assert {"data", "alignment", "training", "serving", "evaluation"} <= set(federated.seconds)
    assert federated.values > 0
    assert not federated.continued
    assert all(federated.sent[name]["forward"] > 0 for name in ("social", "video"))
    curve = federated.curves["federated"]
    assert [each.epoch for each in curve] == [*range(1, len(curve) + 1)]
    assert [each.seconds for each in curve] == sorted(each.seconds for each in curve)


def test_a_run_is_recorded_with_its_systems_in_order(
    done: dict[tuple[int, TaskKind], TaskResult], listening: Listening, plain: RunConfig
) -> None:
    plan = Plan(data="tiny", splits=1, config=SimulationConfig(run=plain), command="typed")
    record = record_run(plan, listening, done)
    (split,) = record.splits
    names = [system.name for system in split.result.systems]
    assert names == [
        *("popularity", "own", "partner:social", "partner:video"),
        *("federated", "central", "shuffled"),
    ]
    assert {"partners", "activity", "entry point"} <= set(split.result.cohorts)
    listeners = np.count_nonzero(np.diff(listening.weights.indptr))
    assert record.warm_users + record.cold_users == listeners
    assert record.command == "typed"
    assert record.notes == ()
    # Nothing was packed under plain: 4 bytes a number and a little for frames.
    assert record.cost.bytes_per_value is not None
    assert 4 <= record.cost.bytes_per_value < 8


def test_a_continued_run_and_one_without_own_features_are_noted(
    done: dict[tuple[int, TaskKind], TaskResult], listening: Listening, plain: RunConfig
) -> None:
    plan = Plan(data="tiny", splits=1, config=SimulationConfig(run=plain))
    results = {key: replace(result, continued=True) for key, result in done.items()}
    record = record_run(plan, replace(listening, own=None), results)
    assert record.notes == (NO_OWN_FEATURES, CONTINUED)


def test_embeddings_that_were_often_cut_are_noted(
    done: dict[tuple[int, TaskKind], TaskResult], listening: Listening, plain: RunConfig
) -> None:
    plan = Plan(data="tiny", splits=1, config=SimulationConfig(run=plain))
    federated = done[0, TaskKind.FEDERATED]
    often = replace(federated, values=1000, clipped=25)
    (note,) = record_run(plan, listening, done | {(0, TaskKind.FEDERATED): often}).notes
    assert note.startswith("2.5% of the numbers")
    seldom = replace(federated, values=1000, clipped=1)
    assert record_run(plan, listening, done | {(0, TaskKind.FEDERATED): seldom}).notes == ()


@pytest.mark.parametrize("scheme", Scheme)
def test_the_cipher_of_the_sums_is_said_in_words(
    scheme: Scheme,
    done: dict[tuple[int, TaskKind], TaskResult],
    listening: Listening,
    plain: RunConfig,
) -> None:
    profile = Profile.PLAIN if scheme is Scheme.CLEAR else Profile.STRICT
    run = replace(plain, profile=profile, exchange=replace(plain.exchange, scheme=scheme))
    plan = Plan(data="tiny", splits=1, config=SimulationConfig(run=run))
    said = record_run(plan, listening, done).privacy.cipher
    assert ("encrypted" in said) is (scheme is not Scheme.CLEAR)
    assert "{" not in said


def test_users_without_entry_point_or_segment_are_of_unknown_ones(
    done: dict[tuple[int, TaskKind], TaskResult], listening: Listening, plain: RunConfig
) -> None:
    plan = Plan(data="tiny", splits=1, config=SimulationConfig(run=plain))
    none = np.full(len(listening.users), "", dtype=np.str_)
    half = none.astype("<U9")
    half[::2] = "radio"
    record = record_run(plan, replace(listening, entry_points=half, segments=none), done)
    cohorts = record.splits[0].result.cohorts
    assert set(cohorts["entry point"]) == {"radio", "unknown"}
    assert "segment" not in cohorts


def test_without_own_features_the_own_system_is_the_popular_list(
    tiny: Path, tmp_path: Path, plain: RunConfig
) -> None:
    data = shutil.copytree(tiny, tmp_path / "data")
    text = (data / "federation.toml").read_text()
    (data / "federation.toml").write_text(text.replace('users = "users.csv"\n', ""))
    brief = override(plain, "training.epochs", 1)
    result = perform(task(TaskKind.BASELINES, data, tmp_path, brief), ignore_progress)
    popular, own = result.systems[:2]
    assert (popular.name, own.name) == ("popularity", "own")
    assert own.per_user["recall@50"].tolist() == popular.per_user["recall@50"].tolist()
    assert "own" not in result.curves


def test_who_knows_nothing_sends_zeros_and_learns_nothing(plain: RunConfig) -> None:
    nobody, slots = Nobody(plain.dim), np.arange(3)
    nobody.keep()
    nobody.backward(slots, np.ones((3, plain.dim), np.float32))
    assert nobody.embed(slots).shape == (3, plain.dim)
    assert not nobody.embed(slots).any()
    nobody.restore()
    assert not nobody.forward(slots).any()


def test_the_slots_of_the_pool_are_those_of_the_federation(
    listening: Listening, plain: RunConfig
) -> None:
    item = listening.item_data(np.array([0]))
    pool = Pool(plain, item, listening.partners)
    assert sorted(pool.slots.tolist()) == [*range(len(listening.users))]
    assert pool.slots.tolist() == slots_of_users(plain, len(listening.users)).tolist()
    rows, slots = pool.shared("social")
    partner = listening.partners["social"]
    by_slot = dict(zip(pool.slots.tolist(), listening.users, strict=True))
    assert [by_slot[slot] for slot in slots] == [partner.identifiers[row] for row in rows]


def test_shuffled_features_are_the_same_rows_at_other_users(
    listening: Listening, plain: RunConfig
) -> None:
    pool = Pool(plain, listening.item_data(np.array([0])), listening.partners)
    slots = np.arange(len(listening.users))
    straight, dealt = pool.side("social"), pool.side("social", shuffle=True)
    assert not np.allclose(straight.forward(slots), dealt.forward(slots))


def test_raw_features_lie_at_the_slots_of_their_users(
    listening: Listening, plain: RunConfig
) -> None:
    pool = Pool(plain, listening.item_data(np.array([0])), listening.partners)
    features = pool.features("video")
    rows, slots = pool.shared("video")
    raw = listening.partners["video"].features
    given = raw.multi_hot[rows].toarray()
    np.testing.assert_array_equal(features.multi_hot[slots].toarray(), given)
    unknown = np.setdiff1d(np.arange(features.rows), slots)
    assert features.multi_hot[unknown].nnz == 0


def pooled_by_all(pool: Pool, listening: Listening) -> Trained:
    """All partners, as a federation with nothing hidden would train."""
    return pool.train([pool.side(name) for name in listening.partners])


def test_plain_over_the_hub_equals_the_pool_in_one_process(
    listening: Listening, plain: RunConfig
) -> None:
    item = listening.item_data(np.array([0, 1, 2]))
    scenario = Scenario(config=plain, item=item, partners=listening.partners, job=bytes(16))
    outcome = run_federation(scenario)
    pooled = pooled_by_all(Pool(plain, item, listening.partners), listening)
    np.testing.assert_allclose(outcome.item.queries, pooled.queries, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(outcome.item.items, pooled.items, rtol=1e-5, atol=1e-6)


def test_under_frozen_the_pool_keeps_partners_fixed_as_the_federation_does(
    listening: Listening, plain: RunConfig
) -> None:
    frozen = replace(override(plain, "training.epochs", 1), profile=Profile.FROZEN)
    item = listening.item_data(np.array([0, 1, 2]))
    scenario = Scenario(config=frozen, item=item, partners=listening.partners, job=bytes(16))
    outcome = run_federation(scenario)
    pooled = pooled_by_all(Pool(frozen, item, listening.partners), listening)
    # What is left between the two is the fixed-point grid of the encrypted sums.
    for found, wanted in (
        (outcome.item.queries, pooled.queries),
        (outcome.item.items, pooled.items),
    ):
        assert np.linalg.norm(found - wanted) < 0.01 * np.linalg.norm(wanted)


def test_time_is_booked_to_the_stage_it_was_spent_in() -> None:
    seen: list[Progress] = []
    clock = Clock(seen.append)
    reports = [
        Progress(stage=Stage.ALIGNMENT, done=0, total=1),
        Progress(stage=Stage.TRAINING, done=1, total=2),
        Progress(stage=Stage.TRAINING, done=2, total=2),
    ]
    for report in reports:
        clock(report)
    assert "training" not in clock.seconds
    clock.enter(None)
    clock.enter(None)
    assert set(clock.seconds) == {"alignment", "training"}
    assert list(clock.steps) == [1, 2]
    assert clock.steps[1] <= clock.steps[2]
    assert seen == reports


def test_progress_of_the_comparisons_names_the_system(
    tiny: Path, tmp_path: Path, plain: RunConfig
) -> None:
    class Enough(Exception):
        pass

    notes: list[str] = []

    def watch(progress: Progress) -> None:
        notes.append(progress.note)
        raise Enough

    with pytest.raises(Enough):
        perform(task(TaskKind.BASELINES, tiny, tmp_path, plain), watch)
    assert notes == ["own"]
    assert not any(tmp_path.iterdir())
