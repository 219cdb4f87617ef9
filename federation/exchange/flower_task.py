"""One claimed task, in a process of its own: nothing of an app runs before its hash is allowed.

The order to work comes on stdin, so that its token is in no argument list and no environment.
What must outlive this process goes to a pipe that the executor reads: the envelope of the
message, so that the executor can answer for an app that dies, and one byte once it is answered.

Rules:
1. The hash that counts is of the bytes that would run. What the server calls them is not asked.
2. An app that is refused is not unpacked, and its coordinator is told why.
3. An allowed app is unpacked into a folder that nobody used before, so that what runs is what was
   hashed.
4. The coordinator learns the kind of an app's error, never its text, which may name files or
   users. The text is in this node's log.
"""

import hashlib
import json
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Collection
from dataclasses import asdict, dataclass, field
from pathlib import Path
from queue import Queue
from typing import IO, Final

# A privacy product phones nobody; Flower reads these once, when it is imported.
os.environ.setdefault("FLWR_TELEMETRY_ENABLED", "0")
os.environ.setdefault("FLWR_DISABLE_UPDATE_CHECK", "1")

from flwr.app import Message
from flwr.cli.install import install_from_fab
from flwr.clientapp import ClientApp
from flwr.common.config import get_project_config
from flwr.common.constant import APP_DIR
from flwr.supercore.object_ref import load_app
from flwr.supercore.utils import get_flwr_home
from flwr.superlink.runtime import run_serverapp

from federation.errors import MalformedError
from federation.exchange.flower_runtime import (
    ClaimedTask,
    Post,
    Runtime,
    TaskInput,
    crash,
    envelope,
    refusal,
)
from federation.exchange.log_lines import fields, log_as_json

LENGTH_BYTES: Final = 4  # of an envelope, ahead of it, big-endian
ANSWERED: Final = b"."
logger = logging.getLogger("fedrecall.executor")


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskOrder:
    """Executor → its process for one task.

    Args:
        party: whose node this is.
        post: where it works.
        kind: of the task, as Flower calls it.
        address: host:port of the Runtime API.
        authority: path of the PEM file of who signed its certificate; empty for plain HTTP.
        token: of the task.
        allowed: SHA-256 of the apps that may run, in hexadecimal.
    """

    party: str
    post: Post
    kind: str
    address: str
    authority: str
    token: str = field(repr=False)
    allowed: tuple[str, ...]

    @property
    def runtime(self) -> Runtime:
        """Where the task's input is."""
        return Runtime(
            address=self.address, authority=Path(self.authority) if self.authority else None
        )

    def to_json(self) -> str:
        """As one line."""
        return json.dumps({**asdict(self), "post": self.post.value})

    @classmethod
    def from_json(cls, line: str) -> "TaskOrder":
        """Read what the executor wrote."""
        values = json.loads(line)
        known = {"post": Post(values["post"]), "allowed": tuple(values["allowed"])}
        return cls(**{**values, **known})


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowList:
    """What may run at a node.

    Args:
        party: whose node it is; refusals name it.
        post: where its executor works.
        apps: SHA-256 of the app bundles that may run, in hexadecimal.
    """

    party: str
    post: Post
    apps: Collection[str]

    def why_refused(self, kind: str, app: str) -> str | None:
        """Why a task may not run here, and what to do; None if it may.

        Args:
            kind: of the task, as Flower calls it.
            app: SHA-256 of its app's bytes, in hexadecimal.
        """
        if kind != self.post.value:
            return f"{self.party} runs no {kind} tasks; submit the app that fedrecall ships"
        if app not in self.apps:
            return (
                f"{self.party} does not run the app {app}: its hash is not on that party's "
                "allow-list; submit the app that fedrecall ships, in the release that party has, "
                "or have its operator review the app and add the hash to policy.apps in party.toml"
            )
        return None


def work(order: TaskOrder, notes: IO[bytes]) -> None:
    """Answer one task.

    Args:
        order: which, and what may run.
        notes: where the executor reads the message's envelope and that it was answered.
    """
    task = ClaimedTask(order.runtime, order.token)
    task.keep_alive()
    given = task.pull()
    _note(notes, envelope(given.message))
    reply, failure = _reply(order, given)
    task.answer(reply)
    _write(notes, ANSWERED)
    task.finish(failure)
    task.close()


def _reply(order: TaskOrder, given: TaskInput) -> tuple[Message, str]:
    """The answer, and why the app did not run to its end if it did not."""
    digest = hashlib.sha256(given.app).hexdigest()
    allowed = AllowList(party=order.party, post=order.post, apps=order.allowed)
    reason = allowed.why_refused(order.kind, digest)
    if reason is not None:
        note_refusal(reason, kind=order.kind, app=digest, run=given.context.run_id)
        return refusal(given.message, reason), reason
    try:
        return _run(given), ""
    except Exception as error:
        logger.exception("the app failed", extra=fields("app_failed", app=digest))
        reason = f"the app at {order.party} failed with {type(error).__name__}; its log says why"
        return crash(given.message, reason), reason


def note_refusal(reason: str, **about: object) -> None:
    """Log that an app was refused."""
    logger.error("refused: %s", reason, extra=fields("app_refused", **about))


def _run(given: TaskInput) -> Message:
    with tempfile.TemporaryDirectory(prefix="fedrecall-app-") as folder:
        place = install_from_fab(given.app, Path(folder), skip_prompt=True)
        reference = get_project_config(place)["tool"]["flwr"]["app"]["components"]["clientapp"]
        app: ClientApp = load_app(reference, MalformedError, place)
        return app(message=given.message, context=given.context)


def lead(order: TaskOrder) -> None:
    """Run the server app of a run at the coordinator; its hash was checked by the executor.

    The SuperLink is the coordinator's own process and names an app by the hash that it computed.
    """
    # A process that was killed while it unpacked leaves half an app, which Flower would run.
    shutil.rmtree(get_flwr_home() / APP_DIR, ignore_errors=True)
    run_serverapp(
        runtime_api_address=order.address,
        log_queue=Queue(),
        token=order.token,
        insecure=order.runtime.authority is None,
        certificates=order.runtime.authority.read_bytes() if order.runtime.authority else None,
        runtime_dependency_install=False,
    )


def _note(notes: IO[bytes], data: bytes) -> None:
    _write(notes, len(data).to_bytes(LENGTH_BYTES, "big") + data)


def _write(notes: IO[bytes], data: bytes) -> None:
    notes.write(data)
    notes.flush()


def main() -> None:
    """Read the order and follow it; `sys.argv[1]` is the pipe to the executor."""
    log_as_json()
    order = TaskOrder.from_json(sys.stdin.readline())
    with os.fdopen(int(sys.argv[1]), "wb") as notes:
        if order.post is Post.COORDINATOR:
            lead(order)
        else:
            work(order, notes)


if __name__ == "__main__":
    main()
