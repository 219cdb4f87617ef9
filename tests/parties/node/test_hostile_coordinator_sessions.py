"""A coordinator that plays with sessions: parties and hub are real, its orders are not honest."""

import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from federation.crypto.cipher import FINGERPRINT_BYTES
from federation.exchange.grpc_hub import HubServer
from federation.exchange.hub import Admission, Hub
from federation.exchange.steering import Answer
from federation.protocol.limits import Limits
from federation.protocol.messages import Activations
from federation.protocol.profile import Profile
from parties.config import COORDINATOR, ITEM, RunConfig
from parties.events import Progress, Stage
from parties.ledger_audit import Audit, audit_ledger
from parties.node.activity import coordinator_activity
from parties.node.health import metrics
from parties.node.jobs import Job, JobStatus
from parties.node.orders import Ending, SessionOrder, SessionReport
from parties.node.serving import serve
from parties.node.status import NodeStatus
from parties.settings import to_plain
from tests.parties.harness import Broken, Table, make_world, run_parties, tiny
from tests.parties.node.nodes import PARTNERS, Nodes, make_nodes

WORLD = make_world(*PARTNERS)
EPOCHS = 3
OTHER_SETTINGS: Sequence[Mapping[str, object]] = (
    {"seed": 99},
    {"exchange__batch_groups": 1},
    {"encoder__width": 4},
    {"training__epochs": 9},
    {"trainer__dropout": 0.0},
)
IMPATIENT = tiny(Profile.STRICT, exchange__timeout_s=1.5)


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[Nodes]:
    made = make_nodes(tmp_path, WORLD)
    yield made
    made.steering.close()


@dataclass(frozen=True)
class Scheme:
    """A coordinator's hub with one session open, and the orders it gives for it."""

    nodes: Nodes
    hub: Hub
    job: Job
    admission: Admission

    def order(self, party: str, *, token_of: str | None = None) -> SessionOrder:
        return SessionOrder(
            job=self.job.id,
            session=self.admission.session,
            number=1,
            token=self.admission.tokens.get(token_of or party, bytes(32)),
            settings=to_plain(self.job.config),
        )

    def give(self, party: str, order: SessionOrder) -> SessionReport:
        values = serve(self.nodes.steering.members[party], order.to_values())
        return SessionReport.from_values(values)

    def sent(self, party: str) -> Mapping[str, int]:
        """Frames by kind of message, as the party's own ledger has them."""
        return kinds(audit_of(self.nodes, party, self.job))


def audit_of(nodes: Nodes, party: str, job: Job) -> Audit:
    return audit_ledger(nodes.member_folder(party, job) / "ledger.jsonl")


def kinds(audit: Audit) -> Mapping[str, int]:
    found: dict[str, int] = {}
    for (_, _, kind, _), total in audit.totals.items():
        found[kind] = found.get(kind, 0) + total.frames
    return found


@contextmanager
def scheming(
    nodes: Nodes, config: RunConfig, admitted: Sequence[str] = (ITEM, *PARTNERS)
) -> Iterator[Scheme]:
    roster = nodes.host.roster
    hub = Hub(roster.names, Limits())
    server = HubServer(hub, nodes.host.address, tls=nodes.host.keys.tls, pins=roster.pins())
    tokens = {name: secrets.token_bytes(32) for name in admitted}
    admission = Admission(session=secrets.token_bytes(16), tokens=tokens)
    hub.admit(admission)
    server.start()
    try:
        yield Scheme(nodes, hub, nodes.job(config), admission)
    finally:
        server.stop()


def test_an_order_replayed_after_its_session_moves_a_party_to_nothing(nodes: Nodes) -> None:
    with scheming(nodes, IMPATIENT) as scheme:
        old = scheme.order("social")
        newer = {name: secrets.token_bytes(32) for name in (ITEM, *PARTNERS)}
        scheme.hub.admit(Admission(session=secrets.token_bytes(16), tokens=newer))
        report = scheme.give("social", old)
    assert report.ending is Ending.LOST
    assert "session is over" in report.reason
    assert kinds(audit_of(nodes, "social", scheme.job)) == {}


def test_a_token_of_another_party_admits_nobody(nodes: Nodes) -> None:
    with scheming(nodes, IMPATIENT) as scheme:
        report = scheme.give("social", scheme.order("social", token_of="forum"))  # noqa: S106 - a party's name
    assert report.ending is Ending.LOST
    assert "token of another session" in report.reason
    assert scheme.admission.tokens["forum"].hex() not in report.reason


def test_without_every_partner_of_the_roster_nothing_but_a_greeting_leaves(nodes: Nodes) -> None:
    """Neither for a coordinator that orders half of them, nor for one that admits half of them."""
    with scheming(nodes, IMPATIENT, admitted=(ITEM, "social")) as scheme:
        orders = {name: scheme.order(name) for name in (ITEM, "social")}
        nodes.steering.begin({name: order.to_values() for name, order in orders.items()})
        nodes.steering.close()
    for name in orders:
        answer = SessionReport.from_values(nodes.steering.answers()[name].values)
        assert answer.ending is Ending.LOST
        assert set(scheme.sent(name)) <= {"Greeting", "KeyConfirmation", "Stopped"}


def test_an_old_job_is_never_taken_up_with_other_settings(nodes: Nodes) -> None:
    """Other batches at the same weights: the difference of two batch sums names fewer users."""
    with scheming(nodes, IMPATIENT) as scheme:
        first = scheme.give("social", scheme.order("social"))
        assert first.ending is Ending.LOST  # nobody else came
        before = audit_of(nodes, "social", scheme.job).place
        for change in OTHER_SETTINGS:
            other = to_plain(tiny(Profile.STRICT, exchange__timeout_s=1.5, **change))
            report = scheme.give("social", replace(scheme.order("social"), settings=other))
            assert report.ending is Ending.REFUSED
            assert "begin a new job" in report.reason
    assert audit_of(nodes, "social", scheme.job).place == before


def test_an_old_job_is_never_taken_up_with_another_cohort(nodes: Nodes) -> None:
    """h₁ + h₂ and later h₁ + h₃, at the same weights, would give away h₂ - h₃."""
    with scheming(nodes, IMPATIENT) as scheme:
        assert scheme.give("social", scheme.order("social")).ending is Ending.LOST
        before = audit_of(nodes, "social", scheme.job).place
        kept = tuple(each for each in nodes.host.roster.entries if each.name != "forum")
        nodes.change("social", roster=replace(nodes.host.roster, entries=kept))
        report = scheme.give("social", scheme.order("social"))
    assert report.ending is Ending.REFUSED
    assert "partners" in report.reason
    assert audit_of(nodes, "social", scheme.job).place == before


# --- what two sessions of one job show ---


def contributions(table: Table) -> dict[int, set[tuple[bytes, ...]]]:
    """What the coordinator heard of each step, whoever it was from."""
    found: dict[int, set[tuple[bytes, ...]]] = {}
    for message in table.links[COORDINATOR].heard:
        if isinstance(message, Activations):
            # Each begins with the fingerprint of its session's key.
            parts = tuple(bytes(part[FINGERPRINT_BYTES:]) for part in message.parts)
            found.setdefault(message.step, set()).add(parts)
    return found


def two_sessions(profile: Profile, folder: Path) -> tuple[dict[int, set[tuple[bytes, ...]]], ...]:
    """Steps of epoch 1, in a session that the item party leaves there and in the one after."""

    def leave(progress: Progress) -> None:
        if progress.stage is Stage.TRAINING and progress.done == progress.total // EPOCHS + 1:
            raise Broken("gone")

    config = tiny(profile, training__epochs=EPOCHS)
    table = partial(Table, config=config, partners=PARTNERS, folder=folder)
    first, second = table(watch=leave), table()
    assert isinstance(run_parties(first, WORLD).errors[ITEM], Broken)
    assert not run_parties(second, WORLD).errors
    before, after = contributions(first), contributions(second)
    complete = {step for step, heard in before.items() if len(heard) == len(PARTNERS)}
    repeated = complete & after.keys()
    assert repeated
    return {step: before[step] for step in repeated}, {step: after[step] for step in repeated}


def test_a_resumed_session_shows_the_values_it_showed_before_and_no_others(
    tmp_path: Path,
) -> None:
    before, after = two_sessions(Profile.PLAIN, tmp_path)
    assert before == after


def test_a_resumed_session_shows_nothing_of_a_step_under_the_masks_of_before(
    tmp_path: Path,
) -> None:
    before, after = two_sessions(Profile.STRICT, tmp_path)
    for step, contributed in before.items():
        for one in contributed:
            assert all(set(one).isdisjoint(other) for other in after[step])


# --- a party that lies in its report ---

EVIL = "\x1b]0;owned\x07\x1b[2J\u202e\n{}"
LIES: Mapping[str, Mapping[str, object]] = {
    "escapes": {"ending": "refused", "reason": EVIL * 50},
    "a label": {"ending": "refused", "reason": "", "sent": '{"x\\"} 1 up{a=\\"": 5}'},
    "another stage": {"ending": "done", "sent": '{"everything": 5}'},
    "no number": {"ending": "done", "sent": '{"forward": NaN}'},
    "too large": {"ending": "done", "sent": '{"forward": 1e999}'},
    "other types": {"ending": 3, "reason": b"x", "sent": 1.5, "values": "1", "clipped": None},
    "megabytes": {"ending": "refused", "reason": "x" * 10**6},
    "nothing": {},
}
HONEST = SessionReport(ending=Ending.DONE).to_values()
SAMPLE = re.compile(r'fedrecall_\w+(\{(\w+="[^"\\{}]*",?)+\})? [0-9.e+-]+')


def status_of(state: Path) -> NodeStatus:
    return NodeStatus(
        party=COORDINATOR,
        role=COORDINATOR,
        pid=1,
        started=1.0,
        written=1.0,
        activity=coordinator_activity(state),
    )


@pytest.mark.parametrize("lie", LIES)
def test_what_a_party_reports_can_write_to_no_terminal_log_or_page(
    nodes: Nodes, lie: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("parties.node.hosting.MOST_FAILURES", 1)
    told: Any = {**HONEST, **LIES[lie]} if LIES[lie] else {}
    answers = nodes.steering.answers

    def lying() -> Mapping[str, Answer]:
        return {
            name: replace(answer, values=told) if name == "social" else answer
            for name, answer in answers().items()
        }

    monkeypatch.setattr(nodes.steering, "answers", lying)
    job = nodes.job(tiny(Profile.FROZEN, training__epochs=1))
    progress = nodes.run(job)
    assert progress.status in (JobStatus.FAILED, JobStatus.DONE)
    assert progress.reason.isprintable()
    assert len(progress.reason) < 600
    assert all(message.isprintable() for message in caplog.messages)
    page = metrics(status_of(nodes.folder / "coordinator-state"))
    samples = [line for line in page.splitlines() if not line.startswith("#")]
    assert all(SAMPLE.fullmatch(line) for line in samples), samples
