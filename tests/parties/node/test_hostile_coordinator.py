"""A coordinator that orders what it should not, to members made of real party files."""

import json
import select
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from federation.exchange.steering import Order
from parties.config import RunConfig
from parties.node.members import member_of
from parties.node.orders import Ending, SessionOrder, SessionReport
from parties.node.party_file import read_party_file
from parties.node.serving import Member, serve
from parties.role import Role
from parties.settings import to_plain

NodeMaker = Callable[..., Path]
ORDER = SessionOrder(
    job=b"j" * 16,
    session=b"s" * 16,
    number=1,
    token=b"t" * 32,
    settings=json.loads(json.dumps(to_plain(RunConfig()))),
)


@dataclass(frozen=True)
class Victim:
    """A member whose coordinator's hub is a socket that this test looks at."""

    member: Member
    hub: socket.socket

    def follow(self, order: Order) -> SessionReport:
        return SessionReport.from_values(serve(self.member, order))

    def dialled(self) -> bool:
        return bool(select.select([self.hub], [], [], 0)[0])

    def assert_untouched(self) -> None:
        """Nothing was sent, and nothing was kept."""
        assert not self.dialled()
        assert not (self.member.state / "jobs").exists()


@pytest.fixture(params=[Role.PARTNER, Role.ITEM])
def victim(request: pytest.FixtureRequest, node: NodeMaker) -> Iterator[Victim]:
    with socket.create_server(("127.0.0.1", 0)) as hub:
        file = node(request.param, hub_port=hub.getsockname()[1])
        yield Victim(member_of(read_party_file(file)), hub)


def settings(**changes: object) -> dict[str, Any]:
    """Settings of a run by dotted keys; ``__`` stands for a dot."""
    return {key.replace("__", ".", 2): each for key, each in changes.items()}


WEAKER: Mapping[str, dict[str, Any]] = {
    "embeddings in the clear": settings(profile="plain"),
    "sums in the clear": settings(exchange__scheme="clear"),
    "sums without masks": settings(exchange__scheme="ckks"),
    "a cohort of one": settings(exchange__min_cohort=1),
    "a lone partner": settings(exchange__accept_single_partner=True),
    "partners left out of sums": settings(exchange__partner_dropout=0.9),
    "gradients without end": settings(training__epochs=10**6),
    "a wide encoder": settings(encoder__width=1000),
    "the key of another run": settings(exchange__key="00"),
    "the inside of a setting": {"exchange.__class__": "x"},
}
ABSURD: Mapping[str, dict[str, Any]] = {
    "a frame of all memory": settings(exchange__max_frame_mib=10**6),
    "a batch of all users": settings(exchange__batch_groups=10**9),
    "a silence without end": settings(exchange__timeout_s=1e300),
    "no number": settings(exchange__clip=float("nan")),
    "infinite noise": settings(projection__learning_rate=float("inf")),
    "a list of everyone": settings(alignment__max_users=2**50),
    "an endless layer": settings(trainer__model__top_hidden_dims=[2**40]),
    "a negative seed": settings(seed=-1),
}


@pytest.mark.parametrize("attack", [*WEAKER, *ABSURD])
def test_an_order_that_weakens_or_exhausts_a_party_is_refused_before_anything_happens(
    victim: Victim, attack: str
) -> None:
    ordered = {**WEAKER, **ABSURD}[attack]
    report = victim.follow(replace(ORDER, settings=ordered).to_values())
    assert report.ending is Ending.REFUSED
    assert "the coordinator orders" in report.reason
    victim.assert_untouched()


@pytest.mark.parametrize(
    "changes",
    [
        {"job": b"../../../../tmp/"},  # 16 bytes, of which a folder's name is made
        {"job": b"\x00" * 15},
        {"session": b""},
        {"token": b"t" * 33},
        {"token": "t" * 32},
        {"number": 0},
        {"number": -(2**63)},
        {"number": True},
        {"version": 2},
        {"version": "1"},
        {"settings": "null"},
        {"settings": "\x1b[2J"},
        {"settings": '{"profile": "strict"' + " " * 65_536 + "}"},
        {"settings": '{"seed": ' + "9" * 60_000 + "}"},
        {"settings": '{"a":' * 10_000 + "1" + "}" * 10_000},
    ],
    ids=lambda changes: f"{changes!r:.30}",
)
def test_an_order_of_another_form_never_reaches_a_partys_disk_or_its_hub(
    victim: Victim, changes: dict[str, Any]
) -> None:
    values = {**ORDER.to_values(), "settings": json.dumps({"profile": "plain"}), **changes}
    report = victim.follow(values)
    assert report.ending is Ending.REFUSED
    assert report.reason.isprintable()
    assert len(report.reason) <= 300
    victim.assert_untouched()


def test_a_jobs_folder_is_named_by_digits_whatever_the_coordinator_calls_the_job(
    victim: Victim,
) -> None:
    evil = b"/../..\n\x00etc/pass"
    victim.hub.close()  # so that the member gives up dialling at once
    member = replace(victim.member, data=_unreadable)
    serve(member, replace(ORDER, job=evil).to_values())
    assert [path.name for path in (member.state / "jobs").iterdir()] == [evil.hex()]


def _unreadable(config: RunConfig) -> Any:  # noqa: ANN401 - never returns
    del config
    raise OSError(5, "the disk is gone", "/srv/secret/users-of-ann.csv")


def test_a_coordinator_learns_no_path_and_no_text_of_a_partys_own_troubles(
    victim: Victim, caplog: pytest.LogCaptureFixture
) -> None:
    member = replace(victim.member, data=_unreadable)
    report = SessionReport.from_values(serve(member, ORDER.to_values()))
    assert report.reason == "OSError; its own log says more"
    assert "users-of-ann" in caplog.text
    assert not victim.dialled()
