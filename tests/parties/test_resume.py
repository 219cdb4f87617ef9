"""A run that was killed goes on from its checkpoints as if nothing had happened."""

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest

from federation.errors import PeerLostError
from federation.protocol.messages import (
    ItemPoints,
    Message,
    PartnerPoints,
    ResumeFrom,
    StartAfresh,
)
from federation.protocol.profile import Profile
from parties.archive import pack_arrays, unpack_arrays
from parties.checkpoints import FolderCheckpoints
from parties.config import COORDINATOR, ITEM, RunConfig
from parties.data import ItemData, PartnerData
from parties.errors import CheckpointError
from parties.events import Progress, Stage
from parties.item import ItemOutcome
from tests.parties.harness import (
    Broken,
    Ended,
    Failing,
    Table,
    World,
    federate,
    make_world,
    run_parties,
    tiny,
)

Kind = TypeVar("Kind", bound=Message)
WORLD = make_world("forum", "social")
EPOCHS, STEPS = 4, 2
PLAIN = tiny(Profile.PLAIN, training__epochs=EPOCHS)
STRICT = tiny(Profile.STRICT, training__epochs=2)


def stop_at(stage: Stage, done: int) -> Callable[[Progress], None]:
    def watch(progress: Progress) -> None:
        if (progress.stage, progress.done) == (stage, done):
            raise Broken("killed by the test")

    return watch


def kill(config: RunConfig, folder: Path, stage: Stage, done: int) -> None:
    table = Table(
        config=config,
        partners=("forum", "social"),
        folder=folder,
        watch=stop_at(stage, done),
    )
    ended = run_parties(table, WORLD)
    assert isinstance(ended.errors[ITEM], Broken)
    assert len(ended.errors) == 4


def run_on(config: RunConfig, folder: Path, world: World = WORLD) -> tuple[Ended, Table]:
    table = Table(config=config, partners=("forum", "social"), folder=folder)
    return run_parties(table, world), table


def heard(table: Table, name: str, kind: type[Kind]) -> list[Kind]:
    return [message for message in table.links[name].heard if isinstance(message, kind)]


def assert_same(one: ItemOutcome, other: ItemOutcome) -> None:
    np.testing.assert_array_equal(one.queries, other.queries)
    np.testing.assert_array_equal(one.items, other.items)
    assert one.history == other.history


@pytest.fixture(scope="module")
def undisturbed() -> ItemOutcome:
    return federate(PLAIN, WORLD).item


@pytest.mark.parametrize(
    ("stage", "done", "resumed_from"),
    [
        (Stage.ALIGNMENT, 2, -1),
        (Stage.TRAINING, 1, -1),
        (Stage.TRAINING, STEPS, -1),
        (Stage.TRAINING, STEPS + 1, 0),
        (Stage.TRAINING, 3 * STEPS + 1, 2),
        (Stage.SERVING, 1, 3),
        (Stage.SERVING, 2, 3),
    ],
)
def test_a_killed_run_ends_as_an_undisturbed_one_and_aligns_once(
    tmp_path: Path, undisturbed: ItemOutcome, stage: Stage, done: int, resumed_from: int
) -> None:
    kill(PLAIN, tmp_path, stage, done)
    ended, table = run_on(PLAIN, tmp_path)
    assert not ended.errors
    assert_same(ended.item, undisturbed)
    finished = stage is Stage.SERVING
    for partner in WORLD.partners:
        assert heard(table, partner, ResumeFrom) == [ResumeFrom(resumed_from, finished)]
        assert not heard(table, partner, ItemPoints)
    assert not heard(table, ITEM, PartnerPoints)


def test_a_killed_strict_run_ends_as_an_undisturbed_one(tmp_path: Path) -> None:
    kill(STRICT, tmp_path, Stage.TRAINING, STEPS + 1)
    assert_same(run_on(STRICT, tmp_path)[0].item, federate(STRICT, WORLD).item)


def test_a_run_killed_again_and_again_ends_as_an_undisturbed_one(
    tmp_path: Path, undisturbed: ItemOutcome
) -> None:
    for done in (STEPS + 1, 2 * STEPS + 1, 3 * STEPS + 1):
        kill(PLAIN, tmp_path, Stage.TRAINING, done)
    assert_same(run_on(PLAIN, tmp_path)[0].item, undisturbed)


def test_a_run_that_is_complete_may_be_run_again(tmp_path: Path, undisturbed: ItemOutcome) -> None:
    run_on(PLAIN, tmp_path)
    ended, table = run_on(PLAIN, tmp_path)
    assert_same(ended.item, undisturbed)
    assert heard(table, "forum", ResumeFrom) == [ResumeFrom(EPOCHS - 1, finished=True)]


def test_a_run_that_is_given_fewer_epochs_is_over_when_it_has_had_them(tmp_path: Path) -> None:
    kill(PLAIN, tmp_path, Stage.TRAINING, 3 * STEPS + 1)
    ended, table = run_on(tiny(Profile.PLAIN, training__epochs=2), tmp_path)
    assert not ended.errors
    assert len(ended.item.history) == 3
    assert heard(table, "forum", ResumeFrom) == [ResumeFrom(2, finished=True)]


def test_a_state_that_lacks_something_ends_the_run(tmp_path: Path) -> None:
    kill(PLAIN, tmp_path, Stage.TRAINING, STEPS + 1)
    store = FolderCheckpoints(tmp_path / ITEM)
    arrays = unpack_arrays(store.load_epoch(0))
    del arrays["best"]
    store.save_epoch(0, pack_arrays(arrays))
    ended, _ = run_on(PLAIN, tmp_path)
    assert isinstance(ended.errors[ITEM], CheckpointError)
    assert "the state after epoch 0 lacks 'best'" in str(ended.errors[ITEM])


def test_frozen_resumes_its_alignment(tmp_path: Path) -> None:
    config = tiny(Profile.FROZEN)
    kill(config, tmp_path, Stage.SERVING, 1)
    ended, table = run_on(config, tmp_path)
    assert_same(ended.item, federate(config, WORLD).item)
    assert heard(table, "forum", ResumeFrom) == [ResumeFrom(-1, finished=False)]


@pytest.mark.parametrize("party", ["forum", "social", COORDINATOR])
@pytest.mark.parametrize("receipt", [14, 24])
def test_a_party_that_loses_its_line_can_come_back(
    tmp_path: Path, undisturbed: ItemOutcome, party: str, receipt: int
) -> None:
    table = Table(
        config=tiny(Profile.PLAIN, training__epochs=EPOCHS, exchange__timeout_s=1.0),
        partners=("forum", "social"),
        folder=tmp_path,
        wraps={party: partial(Failing, at=receipt, for_good=True)},
    )
    assert len(run_parties(table, WORLD).errors) == 4
    assert_same(run_on(PLAIN, tmp_path)[0].item, undisturbed)


def test_a_partner_one_epoch_behind_is_waited_for(
    tmp_path: Path, undisturbed: ItemOutcome
) -> None:
    kill(PLAIN, tmp_path, Stage.TRAINING, 2 * STEPS + 1)
    (tmp_path / "social" / "epoch-1.ckpt").unlink()
    ended, table = run_on(PLAIN, tmp_path)
    assert heard(table, "forum", ResumeFrom) == [ResumeFrom(0, finished=False)]
    assert_same(ended.item, undisturbed)


@pytest.mark.parametrize("party", [ITEM, "forum"])
def test_all_start_afresh_when_one_party_lost_its_disk(
    tmp_path: Path, undisturbed: ItemOutcome, party: str
) -> None:
    kill(PLAIN, tmp_path, Stage.TRAINING, 3 * STEPS + 1)
    shutil.rmtree(tmp_path / party)
    ended, table = run_on(PLAIN, tmp_path)
    assert_same(ended.item, undisturbed)
    for partner in WORLD.partners:
        assert heard(table, partner, StartAfresh)
        assert not heard(table, partner, ResumeFrom)


def test_states_of_an_earlier_alignment_are_never_taken_up(
    tmp_path: Path, undisturbed: ItemOutcome
) -> None:
    kill(PLAIN, tmp_path, Stage.TRAINING, 3 * STEPS + 1)
    (tmp_path / ITEM / "alignment.ckpt").unlink()
    kill(PLAIN, tmp_path, Stage.TRAINING, STEPS + 1)
    ended, table = run_on(PLAIN, tmp_path)
    assert heard(table, "forum", ResumeFrom) == [ResumeFrom(0, finished=False)]
    assert_same(ended.item, undisturbed)


def test_states_left_by_one_party_alone_are_forgotten_by_all(
    tmp_path: Path, undisturbed: ItemOutcome
) -> None:
    kill(PLAIN, tmp_path, Stage.TRAINING, 3 * STEPS + 1)
    for old in (tmp_path / "forum").glob("epoch-*.ckpt"):
        old.unlink()
    kill(PLAIN, tmp_path, Stage.TRAINING, STEPS + 1)
    ended, table = run_on(PLAIN, tmp_path)
    assert heard(table, "forum", ResumeFrom) == [ResumeFrom(0, finished=False)]
    assert_same(ended.item, undisturbed)


@pytest.mark.parametrize("party", [ITEM, "forum"])
@pytest.mark.parametrize("name", ["alignment", "epoch-0"])
def test_a_damaged_checkpoint_ends_the_run_and_is_named(
    tmp_path: Path, party: str, name: str
) -> None:
    kill(PLAIN, tmp_path, Stage.TRAINING, STEPS + 1)
    path = tmp_path / party / f"{name}.ckpt"
    damaged = bytearray(path.read_bytes())
    damaged[-1] ^= 1
    path.write_bytes(damaged)
    ended, _ = run_on(PLAIN, tmp_path)
    assert isinstance(ended.errors[party], CheckpointError)
    assert str(path) in str(ended.errors[party])
    others = {COORDINATOR, ITEM, "forum", "social"} - {party}
    for other in others:
        assert isinstance(ended.errors[other], PeerLostError)
        assert "CheckpointError" in str(ended.errors[other])
        assert str(path) not in str(ended.errors[other])


@pytest.mark.parametrize(
    ("party", "change"),
    [
        (ITEM, {"trainer__model__top_hidden_dims": "16"}),
        ("forum", {"encoder__width": 9}),
    ],
)
def test_states_of_another_model_end_the_run(
    tmp_path: Path, party: str, change: dict[str, object]
) -> None:
    kill(PLAIN, tmp_path, Stage.TRAINING, STEPS + 1)
    other = tiny(Profile.PLAIN, **{"training__epochs": EPOCHS, **change})
    ended, _ = run_on(other, tmp_path)
    error = ended.errors[party]
    # Both partners' states are of another model, and whoever says so first stops the other.
    other_was_first = isinstance(error, PeerLostError) and "CheckpointError" in str(error)
    assert other_was_first or "the state after epoch 0 does not fit" in str(error)
    assert any(isinstance(each, CheckpointError) for each in ended.errors.values())


def test_an_alignment_of_other_users_is_refused(tmp_path: Path) -> None:
    kill(PLAIN, tmp_path, Stage.TRAINING, 1)
    item = ItemData(users=WORLD.item.users[:200], listening=WORLD.item.listening[:200])
    ended, _ = run_on(
        PLAIN, tmp_path, World(item=item, partners=WORLD.partners, taste=WORLD.taste)
    )
    assert isinstance(ended.errors[ITEM], CheckpointError)
    assert "is of other users" in str(ended.errors[ITEM])


def test_an_alignment_of_users_in_another_order_is_refused(tmp_path: Path) -> None:
    kill(PLAIN, tmp_path, Stage.TRAINING, 1)
    forum = WORLD.partners["forum"]
    turned = PartnerData(forum.identifiers[::-1], forum.features)
    partners = {**WORLD.partners, "forum": turned}
    ended, _ = run_on(
        PLAIN, tmp_path, World(item=WORLD.item, partners=partners, taste=WORLD.taste)
    )
    assert isinstance(ended.errors["forum"], CheckpointError)
    assert "users in another order" in str(ended.errors["forum"])


def test_an_alignment_of_another_partner_s_users_is_refused(tmp_path: Path) -> None:
    kill(PLAIN, tmp_path, Stage.TRAINING, 1)
    partners = {**WORLD.partners, "social": make_world("social", users=40).partners["social"]}
    ended, _ = run_on(
        PLAIN, tmp_path, World(item=WORLD.item, partners=partners, taste=WORLD.taste)
    )
    assert isinstance(ended.errors["social"], CheckpointError)


def test_a_disk_that_refuses_ends_the_run_and_leaves_what_was_there(
    tmp_path: Path, undisturbed: ItemOutcome
) -> None:
    kill(PLAIN, tmp_path, Stage.TRAINING, STEPS + 1)
    folder = tmp_path / "social"
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert set(before) == {"alignment.ckpt", "epoch-0.ckpt"}
    blocked = folder / "epoch-1.ckpt"
    blocked.mkdir()  # a name that cannot be replaced by a file
    ended, _ = run_on(PLAIN, tmp_path)
    assert isinstance(ended.errors["social"], CheckpointError)
    assert str(blocked) in str(ended.errors["social"])
    blocked.rmdir()
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert_same(run_on(PLAIN, tmp_path)[0].item, undisturbed)
