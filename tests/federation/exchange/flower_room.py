"""Flower's own server state and grid in this process, with nodes that are worked by hand."""

import time
from uuid import uuid4

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from flwr.app import Context, Error, Message, RecordDict
from flwr.clientapp import ClientApp
from flwr.proto.task_pb2 import Task
from flwr.server.superlink.linkstate import InMemoryLinkState, LinkStateFactory
from flwr.server.superlink.linkstate.in_memory_linkstate import RunRecord
from flwr.supercore.constant import FLWR_IN_MEMORY_DB_NAME, NOOP_FEDERATION_ID
from flwr.supercore.object_store import ObjectStoreFactory
from flwr.supercore.run import Run
from flwr.supercore.task_identity import TaskIdentity
from flwr.superlink.federation import NoOpFederationManager
from flwr.superlink.grid import InMemoryGrid

HOUR_S = 3600.0
RUN, TASK = 7, 8


def node_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP384R1())


def pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def openssh(key: ec.EllipticCurvePrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


class Room:
    """A run at a server of Flower's."""

    def __init__(self) -> None:
        factory = LinkStateFactory(
            FLWR_IN_MEMORY_DB_NAME, NoOpFederationManager(), ObjectStoreFactory()
        )
        state = factory.state()
        assert isinstance(state, InMemoryLinkState)
        run = Run.create_empty(run_id=RUN)
        run.primary_task_id, run.federation_id = TASK, NOOP_FEDERATION_ID
        state.run_ids[RUN] = RunRecord(run=run)
        state.task_store[TASK] = Task(task_id=TASK, run_id=RUN)
        TaskIdentity.task_id, TaskIdentity.run_id, TaskIdentity.node_id = TASK, RUN, 1
        self.state = state
        self.grid = InMemoryGrid(state_factory=factory)
        self.grid.set_run(run)

    def register(self, public: bytes) -> int:
        """A node that is up."""
        node = self.state.create_node("owner", "owner", public, heartbeat_interval=HOUR_S)
        self.up(node)
        return node

    def up(self, node: int) -> None:
        self.state.acknowledge_node_heartbeat(node, heartbeat_interval=HOUR_S)

    def down(self, node: int) -> None:
        assert self.state.deactivate_node(node)

    def take(self, node: int) -> Message:
        """The next message for a node."""
        (message,) = self.state.get_message_ins(node_id=node, limit=1)
        return message

    def work(self, node: int, app: ClientApp) -> None:
        """Have a node's app answer the next message."""
        message = self.take(node)
        context = Context(
            run_id=RUN, node_id=node, node_config={}, state=RecordDict(), run_config={}
        )
        self.reply(app(message, context))

    def outlive(self, node: int) -> None:
        """Have a node take the next message, and an hour go by."""
        self.take(node).metadata.__dict__["_created_at"] -= HOUR_S

    def fail(self, node: int) -> None:
        """Have Flower find no answer of a node's to the next message."""
        self.reply(Message(Error(code=2, reason="gone"), reply_to=self.take(node)))

    def reply(self, message: Message) -> None:
        message.metadata.__dict__["_message_id"] = str(uuid4())
        message.metadata.__dict__["_created_at"] = time.time()
        assert self.state.store_message_res(message) is not None
