"""The node's own executor: it runs listed apps only, where Flower's would run whatever comes.

Whoever reaches a SuperLink can submit an app, and a SuperNode runs what its SuperLink sends. So
this executor stands between them and the machine: it claims every task there is, answers those it
will not run, and runs the others one at a time, each in a process of its own that dies with it.

Rules:
1. An app whose hash is not on the allow-list never runs and is not unpacked (`flower_task`).
2. Every task is answered, if need be for an app that died: an unanswered one blocks its SuperNode
   until Flower gives it up.
3. The secret that claims tasks stays in this process; an app's process gets its own token alone.
4. A server that is away is asked again, forever.
"""

import argparse
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import IO, Final, cast

# A privacy product phones nobody; Flower reads these once, when it is imported.
os.environ.setdefault("FLWR_TELEMETRY_ENABLED", "0")
os.environ.setdefault("FLWR_DISABLE_UPDATE_CHECK", "1")

import httpx

from federation.exchange.flower_bundle import bundle_hash
from federation.exchange.flower_runtime import (
    Claim,
    ClaimedTask,
    Claims,
    Post,
    Runtime,
    crash,
    from_envelope,
)
from federation.exchange.flower_task import (
    ANSWERED,
    LENGTH_BYTES,
    AllowList,
    TaskOrder,
    note_refusal,
)
from federation.exchange.leash import leashed
from federation.exchange.log_lines import fields, log_as_json

PATIENCE_S: Final = 10.0  # for an app that is asked to end
MAX_WAIT_S: Final = 5.0  # between two attempts to reach a server that is away
logger = logging.getLogger("fedrecall.executor")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutorConfig:
    """What an executor works on.

    Args:
        allowed: whose node this is, and what may run there.
        runtime: the SuperNode's or SuperLink's Runtime API.
        secret: file with the secret that both share; the exact bytes count.
        poll_s: seconds between two questions for work.
    """

    allowed: AllowList
    runtime: Runtime
    secret: Path
    poll_s: float = 0.5


class AppProcess:
    """The process that works on one task."""

    def __init__(self, config: ExecutorConfig, claim: Claim) -> None:
        self._config = config
        self._claim = claim
        reading, writing = os.pipe()
        self._notes: IO[bytes] = os.fdopen(reading, "rb")
        program = [sys.executable, "-m", "federation.exchange.flower_task", str(writing)]
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                leashed(program), stdin=subprocess.PIPE, pass_fds=[writing]
            )
        finally:
            os.close(writing)
        self._hand_over()

    def _hand_over(self) -> None:
        authority = self._config.runtime.authority
        order = TaskOrder(
            party=self._config.allowed.party,
            post=self._config.allowed.post,
            kind=self._claim.kind,
            address=self._config.runtime.address,
            authority=str(authority) if authority else "",
            token=self._claim.token,
            allowed=tuple(sorted(self._config.allowed.apps)),
        )
        try:
            with cast(IO[bytes], self._process.stdin) as stdin:  # it was asked for
                stdin.write(f"{order.to_json()}\n".encode())
        except BrokenPipeError:
            logger.error("the process for an app ended before it had its order")

    @property
    def running(self) -> bool:
        """Whether it still works."""
        return self._process.poll() is None

    def stop(self) -> None:
        """Ask it to end, and end it if it does not."""
        self._process.terminate()
        try:
            self._process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def settle(self) -> None:
        """Answer for it, if it ended without an answer."""
        code = self._process.wait()
        with self._notes as notes:
            noted = notes.read()
        size = LENGTH_BYTES + int.from_bytes(noted[:LENGTH_BYTES], "big")
        leads = self._config.allowed.post is Post.COORDINATOR
        if noted[size:] == ANSWERED or (leads and code >= 0):  # Flower's own code answers there
            return
        reason = f"the app's process at {self._config.allowed.party} ended, {_ending(code)}"
        logger.error(reason, extra=fields("app_died", code=code, run=self._claim.run))
        try:
            self._answer(noted[LENGTH_BYTES:size], reason)
        except httpx.HTTPError as error:
            logger.warning("its task could not be answered, Flower gives it up in 60 s: %s", error)

    def _answer(self, noted: bytes, reason: str) -> None:
        task = ClaimedTask(self._config.runtime, self._claim.token)
        try:
            if self._config.allowed.post is Post.NODE:
                message = from_envelope(noted) if noted else task.pull().message
                task.answer(crash(message, reason))
            task.finish(reason)
        finally:
            task.close()


def _ending(code: int) -> str:
    return f"killed by signal {-code}" if code < 0 else f"with exit code {code}"


class Executor:
    """Claims tasks and has listed apps work on them."""

    def __init__(self, config: ExecutorConfig) -> None:
        self._config = config
        self._claims = Claims(config.runtime, config.secret.read_bytes())
        self._app: AppProcess | None = None
        self._wait_s = config.poll_s

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set.

        Raises:
            httpx.HTTPStatusError: the server refuses this executor; its secret is another.
        """
        logger.info(
            "ready for the apps on the allow-list",
            extra=fields("executor_ready", allowed=sorted(self._config.allowed.apps)),
        )
        while not stop.wait(self._wait_s):
            self._settle()
            claim = self._claim()
            if claim is not None:
                self._begin(claim)
        if self._app is not None:
            self._app.stop()
            self._settle()
        self._claims.close()

    def _claim(self) -> Claim | None:
        try:
            claim = self._claims.next()
        except httpx.HTTPStatusError as error:
            if not error.response.is_server_error:
                raise
            self._away(error)
            return None
        except httpx.TransportError as error:
            self._away(error)
            return None
        self._wait_s = self._config.poll_s
        return claim

    def _away(self, error: httpx.HTTPError) -> None:
        if self._wait_s == self._config.poll_s:
            logger.warning("no server at %s yet: %s", self._config.runtime.address, error)
        self._wait_s = min(2 * self._wait_s, max(MAX_WAIT_S, self._config.poll_s))

    def _begin(self, claim: Claim) -> None:
        if self._app is not None:
            # Its task was answered, or given up: a SuperNode has one at a time.
            self._end_former(self._app)
        if self._config.allowed.post is Post.COORDINATOR and self._refused(claim):
            return
        about = fields("app_begins", kind=claim.kind, app=claim.app, run=claim.run)
        logger.info("a task of run %d begins", claim.run, extra=about)
        self._app = AppProcess(self._config, claim)

    def _refused(self, claim: Claim) -> bool:
        """Refuse what may not run at the coordinator, by the hash that its own server computed.

        A node's server is another party's, so there the app's process hashes what it was given.
        """
        reason = self._config.allowed.why_refused(claim.kind, claim.app)
        if reason is None:
            return False
        note_refusal(reason, kind=claim.kind, app=claim.app, run=claim.run)
        task = ClaimedTask(self._config.runtime, claim.token)
        try:
            task.finish(reason)
        except httpx.HTTPError as error:
            logger.warning("the server did not take the refusal: %s", error)
        finally:
            task.close()
        return True

    def _end_former(self, app: AppProcess) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while app.running and time.monotonic() < deadline:
            time.sleep(self._config.poll_s)
        app.stop()
        self._settle()

    def _settle(self) -> None:
        if self._app is not None and not self._app.running:
            self._app.settle()
            self._app = None


def main(arguments: list[str] | None = None) -> None:
    """Work until SIGTERM."""
    parser = argparse.ArgumentParser(prog="fedrecall executor", description=__doc__)
    parser.add_argument("--party", required=True)
    parser.add_argument("--post", type=Post, choices=list(Post), required=True)
    parser.add_argument("--runtime", required=True, help="host:port of the Runtime API")
    parser.add_argument("--authority", type=Path, help="PEM file; without it, plain HTTP")
    parser.add_argument("--secret", type=Path, required=True, help="file with the shared secret")
    parser.add_argument("--allow", action="append", default=[], help="SHA-256 of an app")
    parser.add_argument("--allow-shipped", action="store_true", help="the app of this release")
    given = parser.parse_args(arguments)
    log_as_json()
    stop = threading.Event()

    def leave(number: int, frame: FrameType | None) -> None:
        del number, frame
        stop.set()

    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGINT, leave)
    apps = [*given.allow, *([bundle_hash()] if given.allow_shipped else [])]
    config = ExecutorConfig(
        allowed=AllowList(party=given.party, post=given.post, apps=frozenset(apps)),
        runtime=Runtime(address=given.runtime, authority=given.authority),
        secret=given.secret,
    )
    Executor(config).run(stop)


if __name__ == "__main__":
    main()
