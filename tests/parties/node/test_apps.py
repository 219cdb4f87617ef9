"""What a node does when Flower calls its app."""

import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from flwr.app import ConfigRecord, Context, Message, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import ServerApp

from federation.exchange.flower_messages import content_of
from federation.protocol.profile import Profile
from parties import apps
from parties.errors import PartyFileError
from parties.keys import read_roster
from parties.node.jobs import JobStatus, all_jobs, new_job
from parties.node.loopback import free_port
from parties.node.orders import Ending, SessionReport
from parties.node.party_file import PARTY_VARIABLE, read_party_file
from parties.role import Role
from tests.federation.exchange.flower_room import Room, node_key, pem
from tests.parties.harness import tiny
from tests.parties.node.conftest import NodeMaker

DEADLINE_S = 20.0


def context() -> Context:
    # Who a node is does not come from here, so here it claims to be somebody else.
    return Context(
        run_id=7,
        node_id=1,
        node_config={"party": "forum", "partition-id": 1},
        state=RecordDict(),
        run_config={},
    )


def run_as(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PARTY_VARIABLE, str(file))


def ask(kind: str, record: str) -> Mapping[str, Any]:
    """One record of what this node's app answers."""
    Room()  # messages say which run they are of
    message = Message(content_of({"version": 1}), 1, kind, ttl=9)
    message.metadata.__dict__["_message_id"] = "x"
    found = apps.client(message, context()).content[record]
    assert isinstance(found, ConfigRecord)
    return dict(found)


def test_the_bundle_names_apps_that_are_there() -> None:
    assert isinstance(apps.server, ServerApp)
    assert isinstance(apps.client, ClientApp)


def test_a_node_is_who_its_own_file_says(node: NodeMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    run_as(node(Role.PARTNER), monkeypatch)
    assert ask("query.hello", "values") == {"party": "social"}


def test_a_node_that_runs_under_no_file_takes_no_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PARTY_VARIABLE, raising=False)
    assert ask("train.session", "failed") == {"kind": "PartyFileError"}
    with pytest.raises(PartyFileError, match="fedrecall node up"):
        apps.server(Room().grid, context())


def test_a_coordinators_node_takes_no_order(
    node: NodeMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_as(node(Role.COORDINATOR), monkeypatch)
    assert ask("train.session", "failed") == {"kind": "PartyFileError"}


@pytest.mark.parametrize(("extra", "threads"), [("", 2), ("[experiment]\nrepeatable = true\n", 1)])
def test_an_order_that_is_none_is_refused_in_a_report(
    node: NodeMaker, monkeypatch: pytest.MonkeyPatch, extra: str, threads: int
) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        run_as(node(Role.ITEM, extra), monkeypatch)
        report = SessionReport.from_values(ask("train.session", "values"))
        assert report.ending is Ending.REFUSED
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)


def test_the_coordinator_knows_nodes_by_the_keys_on_the_roster(
    node: NodeMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = node(Role.COORDINATOR)
    run_as(file, monkeypatch)
    room, stranger = Room(), pem(node_key())
    roster = read_roster(read_party_file(file).roster)
    known = {entry.name: entry.node for entry in roster.entries if entry.node}
    assert set(known) == {"item", "social", "forum"}
    assert apps.known_nodes().names({room.register(stranger): stranger}) == {}


def test_the_coordinator_works_on_the_newest_job_that_is_not_over(
    node: NodeMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = node(Role.COORDINATOR, hub_port=free_port(), flower_port=free_port())
    run_as(file, monkeypatch)
    state = read_party_file(file).state
    over, due = (new_job(state, tiny(Profile.FROZEN)) for _ in range(2))
    due.ask_to_stop()
    apps.server(Room().grid, context())
    assert due.progress().status is JobStatus.STOPPED
    assert over.progress().status is JobStatus.WAITING
    over.ask_to_stop()
    apps.server(Room().grid, context())
    assert over.progress().status is JobStatus.STOPPED
    assert len(all_jobs(state)) == 2


def test_a_coordinator_without_a_job_begins_the_run_of_its_file(
    node: NodeMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = '[run]\nprofile = "frozen"\nseed = 5\n'
    file = node(Role.COORDINATOR, text, hub_port=free_port(), flower_port=free_port())
    run_as(file, monkeypatch)
    state = read_party_file(file).state
    thread = threading.Thread(target=apps.server, args=(Room().grid, context()))
    thread.start()
    deadline = time.monotonic() + DEADLINE_S
    while not (jobs := all_jobs(state)) and time.monotonic() < deadline:
        time.sleep(0.05)
    (job,) = jobs
    job.ask_to_stop()
    thread.join(DEADLINE_S)
    assert (job.config.profile, job.config.seed) == (Profile.FROZEN, 5)
    assert job.progress().status is JobStatus.STOPPED
