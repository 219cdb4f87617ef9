"""Which node of Flower's is which party's."""

import logging
import os
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from typing import Final, Protocol, TypeAlias

# A privacy product phones nobody; Flower reads these once, when it is imported.
os.environ.setdefault("FLWR_TELEMETRY_ENABLED", "0")
os.environ.setdefault("FLWR_DISABLE_UPDATE_CHECK", "1")

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_public_key,
    load_ssh_public_key,
)
from flwr.app import Message
from flwr.serverapp import Grid

from federation.errors import EngineError, MalformedError
from federation.exchange.flower_messages import answer_of, content_of

HELLO: Final = "query.hello"  # asks a node who it is
PARTY: Final = "party"  # its answer
HELLO_TTL_S: Final = 600.0  # a process that starts on a busy machine takes minutes to answer
HELLOS: Final = 3  # how often a node is asked before a run without it is given up

Nodes: TypeAlias = Mapping[int, bytes]  # number → public key, PEM

logger = logging.getLogger(__name__)


class Directory(Protocol):
    """Says which party a node belongs to."""

    def names(self, nodes: Nodes) -> Mapping[int, str]:
        """Party by node, for those of `nodes` that are known; no party has two."""
        ...


class KnownKeys:
    """Parties are known by the public keys that their nodes sign every request with."""

    def __init__(self, keys: Mapping[str, str]) -> None:
        """Know the parties of `keys`: party → public key of its node, in OpenSSH's form.

        Raises:
            MalformedError: that is no such key.
        """
        self._parties = {_key_of(text, load_ssh_public_key): name for name, text in keys.items()}
        self._strangers: set[int] = set()

    def names(self, nodes: Nodes) -> Mapping[int, str]:
        """Look up who has the key of each node."""
        known: dict[int, str] = {}
        for node, public in nodes.items():
            party = self._party(public)
            if party is not None:
                known[node] = party
            elif node not in self._strangers:
                self._strangers.add(node)
                logger.warning("node %d is left alone: its key is not on the roster", node)
        return known

    def _party(self, public: bytes) -> str | None:
        try:
            return self._parties.get(_key_of(public.decode(), load_pem_public_key))
        except (MalformedError, UnicodeDecodeError):
            return None


def _key_of(text: str, read: Callable[[bytes], object]) -> bytes:
    """A public key's canonical bytes."""
    try:
        key = read(text.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise MalformedError(f"{text[:40]!r} is no public key of a node") from error
    if not isinstance(key, EllipticCurvePublicKey):
        raise MalformedError(f"{text[:40]!r} is not an elliptic curve's key, as Flower's are")
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


class Introductions:
    """Parties that say who they are when they are asked: in a simulation, where none lies."""

    def __init__(self, grid: Grid, parties: Collection[str], ttl_s: float = HELLO_TTL_S) -> None:
        """Ask nodes of `grid`, which have `ttl_s` seconds to answer with a name of `parties`."""
        self._grid = grid
        self._parties = frozenset(parties)
        self._ttl_s = ttl_s
        self._asked: Counter[int] = Counter()  # how often, by node
        self._awaited: dict[str, int] = {}  # message → node
        self._known: dict[int, str] = {}

    def names(self, nodes: Nodes) -> Mapping[int, str]:
        """Ask nodes that are new, and take in who has answered by now.

        Raises:
            EngineError: Flower had no answer of a node, however often it was asked.
        """
        for node in nodes:
            if not self._asked[node]:
                self._ask(node)
        for reply in self._grid.pull_messages(list(self._awaited)) if self._awaited else ():
            self._meet(reply)
        return {node: name for node, name in self._known.items() if node in nodes}

    def _ask(self, node: int) -> None:
        self._asked[node] += 1
        message = Message(content_of({}), node, HELLO, ttl=self._ttl_s)
        self._awaited.update((sent, node) for sent in self._grid.push_messages([message]))

    def _meet(self, reply: Message) -> None:
        node = self._awaited.pop(reply.metadata.reply_to_message_id, None)
        answer = answer_of(reply, party=f"node {node}", order=0)
        name = answer.values.get(PARTY)
        if node is not None and reply.has_error() and answer.failure:
            self._ask_again(node, answer.failure)
        elif node is None or name not in self._parties or name in self._known.values():
            logger.warning("node %s is left alone: %s", node, answer.failure or f"it is {name!r}")
        else:
            self._known[node] = str(name)

    def _ask_again(self, node: int, failure: str) -> None:
        """What Flower lost, or brought too late on a busy machine, says nothing of the node."""
        if self._asked[node] == HELLOS:
            raise EngineError(f"{failure}; it was asked {HELLOS} times who it is")
        logger.warning("%s; it is asked again who it is", failure)
        self._ask(node)
