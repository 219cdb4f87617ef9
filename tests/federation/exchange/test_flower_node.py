"""The node's own executor against a real SuperLink and SuperNode on loopback."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from federation.errors import PeerLostError, SettingError
from federation.exchange.flower_control import Control, RunState
from federation.exchange.flower_runtime import TASKS, Post, Runtime
from federation.exchange.flower_task import AllowList, TaskOrder
from tests.federation.exchange.flower_network import (
    PARTY,
    FlowerNetwork,
    app_bundle,
    flower_network,
    node_key,
    place,
    superlink_at,
    until,
)

LISTED = app_bundle("listed")
UNLISTED = app_bundle("unlisted")
FAILING = app_bundle("failing", "raise ValueError('users.csv of Ann')")
STRANGE = app_bundle("strange")
DYING = app_bundle("dying", "os.kill(os.getpid(), signal.SIGKILL)")


def digest(bundle: bytes) -> str:
    return hashlib.sha256(bundle).hexdigest()


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlowerNetwork]:
    allowed = [digest(app) for app in (LISTED, FAILING, DYING)]
    folder = tmp_path_factory.mktemp("network")
    with flower_network(folder, allowed=allowed, led=[*allowed, digest(UNLISTED)]) as running:
        yield running


def test_an_app_on_the_allow_list_runs(network: FlowerNetwork) -> None:
    network.control.start(LISTED)
    assert network.reply("listed") is None
    assert network.imported("listed")


def test_an_app_that_is_not_on_the_allow_list_is_refused_before_its_code_runs(
    network: FlowerNetwork,
) -> None:
    network.control.start(UNLISTED)
    error = network.reply("unlisted")
    assert error is not None
    assert PARTY in error
    assert digest(UNLISTED) in error
    assert "policy.apps" in error
    assert not network.imported("unlisted")
    assert digest(UNLISTED) in network.log("executor")


def test_an_app_that_fails_tells_the_coordinator_the_kind_of_its_error_only(
    network: FlowerNetwork,
) -> None:
    network.control.start(FAILING)
    error = network.reply("failing")
    assert error is not None
    assert "ValueError" in error
    assert "Ann" not in error
    assert "Ann" in network.log("executor")


def test_an_app_that_is_killed_is_answered_for_at_once(network: FlowerNetwork) -> None:
    network.control.start(DYING)
    error = network.reply("dying")
    assert error == f"the app's process at {PARTY} ended, killed by signal 9"


def test_the_coordinator_leads_no_app_that_is_not_on_its_allow_list(
    network: FlowerNetwork,
) -> None:
    run = network.control.start(STRANGE)
    until(lambda: network.control.report(run).state.over, network.logs)
    report = network.control.report(run)
    assert report.state is RunState.FAILED
    assert digest(STRANGE) in report.details
    assert "allow-list" in report.details
    assert not network.imported("strange")


def test_a_run_that_was_stopped_is_reported_as_stopped(network: FlowerNetwork) -> None:
    run = network.control.start(LISTED)
    network.control.stop(run)
    assert network.control.report(run).state is RunState.STOPPED
    with pytest.raises(SettingError, match="refuses"):
        network.control.stop(run)


def test_a_run_that_this_server_never_had_is_unknown(network: FlowerNetwork) -> None:
    report = network.control.report(1)
    assert report.state is RunState.UNKNOWN
    assert report.state.over


def test_a_node_keeps_its_number_until_its_key_is_rotated(tmp_path: Path) -> None:
    old, new, item = (node_key(tmp_path, name) for name in ("old", "new", "item"))
    with superlink_at(place(tmp_path, "coordinator"), tmp_path) as control:
        before = control.enrol({"item": item, PARTY: old})
        assert control.enrol({"item": item, PARTY: old}) == before
        after = control.enrol({"item": item, PARTY: new})
        assert after["item"] == before["item"]
        assert after[PARTY] != before[PARTY]
        with pytest.raises(SettingError, match="OpenSSH"):
            control.enrol({PARTY: "no key"})
        ed25519 = Ed25519PrivateKey.generate().public_key()
        text = ed25519.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
        with pytest.raises(SettingError, match="P-384"):
            control.enrol({PARTY: text})


def test_a_superlink_that_is_away_is_named(tmp_path: Path) -> None:
    here = place(tmp_path, "coordinator")
    server = Runtime(address=here.address, authority=here.files.certificate)
    with Control(server) as control, pytest.raises(PeerLostError, match=here.address):
        control.report(1)


@pytest.mark.parametrize("kind", [task for task in TASKS if task != Post.NODE.value])
def test_a_node_runs_client_apps_only(kind: str) -> None:
    allowed = AllowList(party=PARTY, post=Post.NODE, apps=[digest(LISTED)])
    reason = allowed.why_refused(kind, digest(LISTED))
    assert reason is not None
    assert kind in reason
    assert allowed.why_refused(Post.NODE.value, digest(LISTED)) is None


def test_an_order_for_a_task_shows_no_token() -> None:
    order = TaskOrder(
        party=PARTY,
        post=Post.NODE,
        kind=Post.NODE.value,
        address="127.0.0.1:1",
        authority="",
        token="hidden",  # noqa: S106 - that is the test
        allowed=(),
    )
    assert "hidden" not in repr(order)
    assert TaskOrder.from_json(order.to_json()) == order


def test_no_token_and_no_secret_is_logged_or_in_an_argument_list(network: FlowerNetwork) -> None:
    secret = (network.folder / PARTY / "executor.secret").read_bytes()
    for name in network.processes:
        process = Path(f"/proc/{network.processes[name].pid}")
        assert secret not in (process / "cmdline").read_bytes()
        assert secret not in (process / "environ").read_bytes()
        assert secret.hex() not in network.log(name)
        assert "token" not in network.log(name)
