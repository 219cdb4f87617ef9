"""A job goes from session to session until it is done, refused or stopped."""

import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from federation.protocol.profile import Profile
from parties.config import ITEM, RunConfig
from parties.data import PartnerData
from parties.errors import DataError, PolicyError
from parties.events import Progress, Stage
from parties.item import ItemOutcome
from parties.ledger_audit import audit_ledger
from parties.node.jobs import JobStatus
from parties.node.results import load_result, load_settings
from tests.parties.harness import Table, make_world, run_parties, tiny
from tests.parties.node.nodes import PARTNERS, Nodes, make_nodes, wait_until

WORLD = make_world(*PARTNERS)


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[Nodes]:
    made = make_nodes(tmp_path, WORLD)
    yield made
    made.steering.close()


def in_memory(config: RunConfig) -> ItemOutcome:
    """The same run over the memory hub."""
    outcome = run_parties(Table(config=config, partners=PARTNERS), WORLD).outcomes[ITEM]
    assert isinstance(outcome, ItemOutcome)
    return outcome


def assert_same(found: ItemOutcome, expected: ItemOutcome) -> None:
    np.testing.assert_array_equal(found.queries, expected.queries)
    np.testing.assert_array_equal(found.items, expected.items)
    assert found.history == expected.history


@pytest.mark.parametrize("profile", list(Profile))
def test_a_hosted_run_gives_the_model_of_a_run_in_memory(nodes: Nodes, profile: Profile) -> None:
    config = tiny(profile, training__epochs=2)
    job = nodes.job(config)
    progress = nodes.run(job)
    assert (progress.status, progress.reason) == (JobStatus.DONE, "")
    assert progress.session == 1
    folder = nodes.member_folder(ITEM, job)
    assert_same(load_result(folder), in_memory(config))
    assert load_settings(folder).agreement() == config.agreement()


def test_a_run_says_what_everybody_sent_and_how_soon_it_began(nodes: Nodes) -> None:
    progress = nodes.run(nodes.job(tiny(Profile.STRICT, training__epochs=1)))
    assert set(progress.sent) == {"coordinator", ITEM, *PARTNERS}
    assert all(stages["forward"] > 0 for name, stages in progress.sent.items() if name != ITEM)
    assert progress.seconds is not None
    assert progress.stage == Stage.SERVING.value
    assert nodes.progress


def test_a_run_begins_when_every_node_is_up(nodes: Nodes) -> None:
    job = nodes.job(tiny(Profile.FROZEN, training__epochs=1))
    nodes.steering.down = {"social"}
    thread = threading.Thread(target=nodes.run, args=(job,))
    thread.start()
    wait_until(lambda: job.progress().missing == ("social",))
    assert not nodes.steering.orders
    nodes.steering.down = set()
    thread.join()
    assert job.progress().status is JobStatus.DONE


def test_a_run_goes_on_after_a_crash_and_gives_the_same_model(nodes: Nodes) -> None:
    config = tiny(Profile.STRICT, training__epochs=3)
    job = nodes.job(config)
    crashes = iter([True])

    def crash_once(progress: Progress) -> None:
        if progress.stage is Stage.TRAINING and progress.done == 4 and next(crashes, False):
            raise RuntimeError("the process was killed")

    nodes.change(ITEM, watch=crash_once)
    progress = nodes.run(job)
    assert progress.status is JobStatus.DONE
    assert progress.session == 2
    assert_same(load_result(nodes.member_folder(ITEM, job)), in_memory(config))


def test_a_session_has_its_own_name_and_tokens(nodes: Nodes) -> None:
    nodes.change(ITEM, watch=_crashing_at(1, times=1))
    nodes.run(nodes.job(tiny(Profile.PLAIN, training__epochs=1)))
    first, second = nodes.steering.orders
    assert first[ITEM]["job"] == second[ITEM]["job"]
    assert first[ITEM]["session"] != second[ITEM]["session"]
    tokens = [order["token"] for orders in (first, second) for order in orders.values()]
    assert len(set(tokens)) == 2 * len(first)


def test_a_policy_that_refuses_ends_the_job_and_is_named(nodes: Nodes) -> None:
    def refuse(settings: Mapping[str, Any]) -> RunConfig:
        raise PolicyError(f"profile = {settings['profile']} is not agreed to")

    nodes.change("forum", adopt=refuse)
    progress = nodes.run(nodes.job(tiny(Profile.PLAIN)))
    assert progress.status is JobStatus.FAILED
    assert progress.reason == "forum: profile = plain is not agreed to"
    assert len(nodes.steering.orders) == 1


def test_what_is_wrong_with_data_is_told_by_its_kind_alone(nodes: Nodes) -> None:
    def broken(config: RunConfig) -> PartnerData:
        del config
        raise DataError("user alice has two ages")

    nodes.change("social", data=broken)
    progress = nodes.run(nodes.job(tiny(Profile.PLAIN)))
    assert progress.status is JobStatus.FAILED
    assert progress.reason.startswith("social: DataError")
    assert "alice" not in progress.reason


def test_a_job_that_fails_again_and_again_ends(nodes: Nodes) -> None:
    nodes.change(ITEM, watch=_crashing_at(0, times=100))
    progress = nodes.run(nodes.job(tiny(Profile.PLAIN)))
    assert progress.status is JobStatus.FAILED
    assert "5 sessions in a row failed" in progress.reason


def test_a_job_is_stopped_while_it_trains(nodes: Nodes) -> None:
    job = nodes.job(tiny(Profile.PLAIN, training__epochs=200, training__stopping__patience=200))

    def stop(progress: Progress) -> None:
        if progress.stage is Stage.TRAINING and progress.done == 2:
            job.ask_to_stop()

    nodes.change(ITEM, watch=stop)
    progress = nodes.run(job)
    assert progress.status is JobStatus.STOPPED
    assert not (nodes.member_folder(ITEM, job) / "result.npz").exists()


def test_a_job_is_stopped_while_it_waits(nodes: Nodes) -> None:
    job = nodes.job(tiny(Profile.PLAIN))
    nodes.steering.down = {"forum"}
    thread = threading.Thread(target=nodes.run, args=(job,))
    thread.start()
    wait_until(lambda: job.progress().missing == ("forum",))
    job.ask_to_stop()
    thread.join()
    assert job.progress().status is JobStatus.STOPPED


def test_a_lasting_seed_is_drawn_once_and_kept(nodes: Nodes) -> None:
    nodes.change("social", private_seed=lambda _: None)
    nodes.change(ITEM, watch=_crashing_at(2, times=1))
    job = nodes.job(tiny(Profile.PLAIN, training__epochs=2))
    assert nodes.run(job).status is JobStatus.DONE
    seed = nodes.member_folder("social", job) / "private.seed"
    assert len(seed.read_bytes()) == 8
    assert seed.stat().st_mode & 0o077 == 0


def test_every_party_has_a_ledger_of_what_it_released(nodes: Nodes) -> None:
    job = nodes.job(tiny(Profile.STRICT, training__epochs=1))
    nodes.run(job)
    for name in ("coordinator", ITEM, *PARTNERS):
        audit = audit_ledger(nodes.member_folder(name, job) / "ledger.jsonl")
        assert not audit.faults
        assert sum(total.bytes for total in audit.totals.values()) > 0


def _crashing_at(step: int, *, times: int) -> Any:  # noqa: ANN401 - a Watcher
    left = iter(range(times))

    def crash(progress: Progress) -> None:
        if progress.stage is Stage.TRAINING and progress.done >= step:
            for _ in left:
                raise RuntimeError("the process was killed")

    return crash
