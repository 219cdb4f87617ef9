"""The executor when what it works with fails: its server, or an app's process."""

import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import httpx
import pytest
from flwr.common.constant import FAB_MAX_SIZE

from federation.errors import PeerLostError, SettingError
from federation.exchange import flower_node
from federation.exchange.flower_control import Control
from federation.exchange.flower_node import AppProcess, Executor, ExecutorConfig
from federation.exchange.flower_runtime import Claim, Post, Runtime
from federation.exchange.flower_task import AllowList
from parties.node.loopback import free_port
from tests.federation.exchange.flower_network import place, superlink_at, until

STATES = {"ended": "the app's process at social ended", "unanswered": "could not be answered"}


@contextmanager
def answering_with(status: int) -> Iterator[Runtime]:
    """A server that answers every call with one status."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield Runtime(address=f"127.0.0.1:{server.server_address[1]}")
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def config_for(folder: Path, runtime: Runtime, post: Post = Post.NODE) -> ExecutorConfig:
    secret = folder / "secret"
    secret.write_bytes(b"s" * 32)
    allowed = AllowList(party="social", post=post, apps=["00" * 32])
    return ExecutorConfig(allowed=allowed, runtime=runtime, secret=secret, poll_s=0.05)


@pytest.fixture
def away(tmp_path: Path) -> ExecutorConfig:
    """For a server that is not there."""
    return config_for(tmp_path, Runtime(address=f"127.0.0.1:{free_port()}"))


def claim(kind: str = Post.NODE.value, app: str = "00" * 32) -> Claim:
    return Claim(kind=kind, app=app, run=7, token="1" * 32)


@contextmanager
def working(executor: Executor) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=executor.run, args=[stop])
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(30)
        assert not thread.is_alive()


def test_a_server_that_is_away_is_asked_again_and_told_of_once(
    away: ExecutorConfig, caplog: pytest.LogCaptureFixture
) -> None:
    executor = Executor(away)
    with working(executor):
        until(lambda: executor._wait_s > 4 * away.poll_s, seconds=10)
    assert caplog.text.count("no server at") == 1


def test_a_server_that_fails_is_asked_again(tmp_path: Path) -> None:
    with answering_with(503) as runtime:
        executor = Executor(config_for(tmp_path, runtime))
        with working(executor):
            until(lambda: executor._wait_s > 0.1, seconds=10)


def test_a_server_that_does_not_know_the_secret_ends_the_executor(tmp_path: Path) -> None:
    with answering_with(401) as runtime:
        executor = Executor(config_for(tmp_path, runtime))
        with pytest.raises(httpx.HTTPStatusError):
            executor.run(threading.Event())
        executor._claims.close()


def test_a_process_that_dies_without_a_server_is_told_of(
    away: ExecutorConfig, caplog: pytest.LogCaptureFixture
) -> None:
    app = AppProcess(away, claim())
    until(lambda: not app.running)
    app.settle()
    for said in STATES.values():
        assert said in caplog.text


def test_a_process_that_never_reads_its_order_is_told_of(
    away: ExecutorConfig, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    # More than a pipe holds, so that the order is still being written when the process is gone.
    monkeypatch.setattr(sys, "executable", "/bin/false")
    many = AllowList(party="social", post=Post.NODE, apps=[f"{n:064}" for n in range(4000)])
    app = AppProcess(
        ExecutorConfig(allowed=many, runtime=away.runtime, secret=away.secret), claim()
    )
    app.settle()
    assert "before it had its order" in caplog.text


def test_a_process_that_does_not_end_is_killed(
    away: ExecutorConfig, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(flower_node, "PATIENCE_S", 0.0)
    app = AppProcess(away, claim())
    app.stop()
    app.settle()
    assert "killed by signal" in caplog.text


def test_a_former_task_has_ended_before_the_next_begins(
    away: ExecutorConfig, caplog: pytest.LogCaptureFixture
) -> None:
    executor = Executor(away)
    caplog.set_level(logging.INFO)
    executor._begin(claim())
    former = executor._app
    assert former is not None
    executor._begin(claim())
    assert not former.running
    assert executor._app is not former
    assert STATES["ended"] in caplog.text
    assert executor._app is not None
    executor._app.stop()
    executor._settle()
    executor._claims.close()


def test_a_former_task_that_does_not_end_is_ended(
    away: ExecutorConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    executor = Executor(away)
    executor._begin(claim())
    monkeypatch.setattr(flower_node, "PATIENCE_S", 0.0)
    executor._begin(claim())
    assert executor._app is not None
    with working(executor):
        pass  # told to stop, it ends its app too
    assert executor._app is None


@pytest.mark.parametrize("kind", [Post.NODE.value, "flwr-agentapp", "flwr-simulation"])
def test_the_coordinator_refuses_what_is_no_server_app(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    with answering_with(503) as runtime:
        executor = Executor(config_for(tmp_path, runtime, Post.COORDINATOR))
        executor._begin(claim(kind))
        assert executor._app is None
        executor._claims.close()
    assert f"runs no {kind} tasks" in caplog.text
    assert "did not take the refusal" in caplog.text


def test_a_server_apps_process_that_is_killed_is_told_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flower_node, "PATIENCE_S", 0.0)
    with answering_with(503) as runtime:
        app = AppProcess(
            config_for(tmp_path, runtime, Post.COORDINATOR), claim(Post.COORDINATOR.value)
        )
        app.stop()
        app.settle()
    assert "killed by signal" in caplog.text


@pytest.mark.parametrize("code", [401, 500])
def test_an_error_of_the_superlink_is_told_as_what_it_is(code: int) -> None:
    expected = PeerLostError if code == 500 else SettingError
    with answering_with(code) as server, Control(server) as control, pytest.raises(expected):
        control.report(1)


def test_an_app_that_is_too_large_is_refused_and_no_run_is_left(tmp_path: Path) -> None:
    with superlink_at(place(tmp_path, "coordinator"), tmp_path) as control:
        with pytest.raises(SettingError, match="too large"):
            control.start(bytes(FAB_MAX_SIZE + 1))
        assert control.unfinished() == []


def test_the_executors_own_process_allows_the_app_of_its_release(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(os.urandom(32))
    command = [sys.executable, "-m", "federation.exchange.flower_node", "--party", "social"]
    command += ["--post", Post.NODE.value, "--runtime", f"127.0.0.1:{free_port()}"]
    command += ["--secret", str(secret), "--allow", "ab" * 32, "--allow-shipped"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        process.terminate()
        assert process.wait(20) == 0
    assert ready["event"] == "executor_ready"
    assert "ab" * 32 in ready["allowed"]
    assert len(ready["allowed"]) == 2
