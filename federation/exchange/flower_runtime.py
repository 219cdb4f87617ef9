"""Flower's Runtime API on loopback, as the node's own executor uses it: claim, pull, answer.

A task is claimed with the secret that the SuperNode (or SuperLink) and the executor share; the
claim gives a token, and with the token comes the task's input. A task that is never answered
blocks its SuperNode until Flower gives it up, 60 s after its last sign of life.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Final

# A privacy product phones nobody; Flower reads these once, when it is imported.
os.environ.setdefault("FLWR_TELEMETRY_ENABLED", "0")
os.environ.setdefault("FLWR_DISABLE_UPDATE_CHECK", "1")

from flwr.app import Context, Error, Message, RecordDict
from flwr.app.message import remove_content_from_message
from flwr.common.constant import ErrorCode, SubStatus
from flwr.common.serde import message_from_proto, message_to_proto
from flwr.proto.message_pb2 import Message as MessageProto
from flwr.proto.runtime_pb2 import AcquireTaskRequest, PushTaskOutputRequest
from flwr.supercore.constant import TaskType
from flwr.supercore.heartbeat import HeartbeatSender, make_task_heartbeat_fn_http
from flwr.supercore.interceptors import (
    RuntimeTokenHttpInterceptor,
    RuntimeVersionHttpInterceptor,
    SuperExecAuthHttpInterceptor,
)
from flwr.supercore.protobuf.client import ProtobufClientInterceptor
from flwr.supercore.runtime import RuntimeHttpClient
from flwr.supernode.runtime.run_clientapp import pull_task_input, push_message

TASKS: Final = tuple(task.value for task in TaskType)
_NAME: Final = "fedrecall-executor"
_CLAIMING: Final = frozenset({"/flwr.proto.Runtime/AcquireTask"})


class Post(Enum):
    """Where an executor works; the value is the one kind of task that is its to run."""

    NODE = TaskType.CLIENT_APP.value
    COORDINATOR = TaskType.SERVER_APP.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """Where a Runtime API is.

    Args:
        address: host:port on loopback.
        authority: PEM file of who signed its certificate; None when it speaks plain HTTP.
    """

    address: str
    authority: Path | None = None

    def connect(self, *interceptors: ProtobufClientInterceptor) -> RuntimeHttpClient:
        """A client; each of its calls is made once."""
        return RuntimeHttpClient.from_server_address(
            self.address,
            insecure=self.authority is None,
            root_certificates=self.authority.read_bytes() if self.authority else None,
            interceptors=[RuntimeVersionHttpInterceptor(_NAME), *interceptors],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A task that is this executor's to answer.

    Args:
        kind: what Flower would have run for it, one of `TASKS`.
        app: SHA-256 of the app as the server calls it, in hexadecimal; not yet checked.
        run: number of the run.
        token: opens the task's input and takes its answer.
    """

    kind: str
    app: str
    run: int
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskInput:
    """What a task is to work on.

    Args:
        message: from the coordinator.
        context: of the run at this node.
        app: the bytes of the app bundle, as they came.
    """

    message: Message
    context: Context
    app: bytes = field(repr=False)


class Claims:
    """Claims tasks."""

    def __init__(self, runtime: Runtime, secret: bytes) -> None:
        signed = SuperExecAuthHttpInterceptor(master_secret=secret, protected_methods=_CLAIMING)
        self._client = runtime.connect(signed)

    def next(self, kinds: Sequence[str] = TASKS) -> Claim | None:
        """The oldest task that waits; None if none does.

        Raises:
            httpx.HTTPError: the server is not there, or refuses.
        """
        request = AcquireTaskRequest(supported_task_types=list(kinds))
        reply = self._client.AcquireTask(request)
        if not reply.token:
            return None
        task = reply.task
        return Claim(kind=task.type, app=task.fab_hash, run=task.run_id, token=reply.token)

    def close(self) -> None:
        """Close the connection."""
        self._client.close()


class ClaimedTask:
    """A claimed task: its input, its signs of life and its answer."""

    def __init__(self, runtime: Runtime, token: str) -> None:
        self._client = runtime.connect(RuntimeTokenHttpInterceptor(token))
        self._heartbeat = HeartbeatSender(make_task_heartbeat_fn_http(self._client))

    def keep_alive(self) -> None:
        """Give signs of life from now on, from a thread of its own."""
        self._heartbeat.start()

    def pull(self) -> TaskInput:
        """The input; it can be had once.

        Raises:
            httpx.HTTPError: the claim ran out, or the input was given before.
        """
        message, context, _, app = pull_task_input(self._client)
        return TaskInput(message=message, context=context, app=app.content)

    def answer(self, reply: Message) -> None:
        """Hand over the answer to the message."""
        metadata = reply.metadata
        context = Context(metadata.run_id, metadata.src_node_id, {}, RecordDict(), {})
        push_message(self._client, reply, context)

    def finish(self, failure: str = "") -> None:
        """Say that the task is over, and how."""
        status = SubStatus.FAILED if failure else SubStatus.COMPLETED
        self._client.PushTaskOutput(PushTaskOutputRequest(sub_status=status, details=failure))

    def close(self) -> None:
        """Stop the signs of life and close the connection."""
        if self._heartbeat.is_running:
            self._heartbeat.stop()
        self._client.close()


def refusal(message: Message, reason: str) -> Message:
    """The answer that an app will not be run."""
    return Message(Error(ErrorCode.INVALID_FAB, reason), reply_to=message)


def crash(message: Message, reason: str) -> Message:
    """The answer that an app did not come to an end."""
    return Message(Error(ErrorCode.CLIENT_APP_CRASHED, reason), reply_to=message)


def envelope(message: Message) -> bytes:
    """What is needed to answer a message later: everything about it but its content."""
    data: bytes = message_to_proto(remove_content_from_message(message)).SerializeToString()
    return data


def from_envelope(data: bytes) -> Message:
    """The message, without its content."""
    return message_from_proto(MessageProto.FromString(data))
