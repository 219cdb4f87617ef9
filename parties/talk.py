"""One end of the conversation between the item party and a partner, over a link."""

from typing import TypeVar, cast

from federation.exchange.link import Link
from federation.protocol.conversation import Conversation, Phase
from federation.protocol.messages import Message
from federation.protocol.profile import Profile

Expected = TypeVar("Expected", bound=Message)
Other = TypeVar("Other", bound=Message)


class Talk:
    """Says and hears messages of one peer, each only when the protocol allows it."""

    def __init__(self, link: Link, peer: str, profile: Profile) -> None:
        self._link = link
        self._peer = peer
        self._conversation = Conversation(profile)

    @property
    def phase(self) -> Phase:
        """Where the conversation stands."""
        return self._conversation.phase

    def say(self, message: Message) -> None:
        """Send a message.

        Raises:
            OutOfTurnError: it is not its turn; nothing is sent.
            FederationError: the link refuses it; the conversation stands where it stood.
        """
        self._conversation.check(message)
        self._link.post(self._peer, message)
        self._conversation.advance(message)

    def hear_either(self, one: type[Expected], other: type[Other]) -> Expected | Other:
        """Wait for a message of one of two kinds; raises as `hear` does."""
        # mypy joins two type variables to their bound, not to their union.
        return cast("Expected | Other", self._hear(one, other))

    def hear(self, kind: type[Expected]) -> Expected:
        """Wait for a message of one kind.

        Raises:
            OutOfTurnError: the peer sent another one, or one that is not its turn.
            PeerLostError: the peer stopped or is silent.
        """
        return cast("Expected", self._hear(kind))

    def _hear(self, *kinds: type[Message]) -> Message:
        message = self._link.receive(self._peer, *kinds)
        self._conversation.advance(message)
        return message
