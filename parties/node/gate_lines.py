"""Connections at the gate: closed when they are silent, or too many from one address."""

import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import ClassVar

from uvicorn.protocols.http.h11_impl import H11Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class GateLimits:
    """What one peer may take up.

    Args:
        body_bytes: longest body; orders and answers have a few hundred bytes.
        body_s: seconds a body may take to arrive.
        idle_s: seconds a connection may be silent.
        connections: most of them at once, from one address.
        answer_s: seconds Flower's server may take to answer.
    """

    body_bytes: int = 4 * 1024 * 1024
    body_s: float = 20.0
    idle_s: float = 20.0
    connections: int = 32
    answer_s: float = 60.0


class LimitedProtocol(H11Protocol):
    """One connection; `limited_protocol` makes the class that a server uses."""

    limits: ClassVar[GateLimits]
    open_from: ClassVar[Counter[str]]
    _from = ""
    _quiet: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Count it, and close one too many."""
        super().connection_made(transport)
        self._from = self.client[0] if self.client else ""
        self.open_from[self._from] += 1
        if self.open_from[self._from] > self.limits.connections:
            transport.abort()
            return
        self._quiet = self.loop.call_later(self.limits.idle_s, transport.abort)

    def data_received(self, data: bytes) -> None:
        """Once its headers are complete, the application counts the time of a request."""
        super().data_received(data)
        if self.cycle is not None:
            self._stop_waiting()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        super().connection_lost(exc)
        self.open_from[self._from] -= 1
        if not self.open_from[self._from]:
            del self.open_from[self._from]
        self._stop_waiting()

    def _stop_waiting(self) -> None:
        if self._quiet is not None:
            self._quiet.cancel()
            self._quiet = None


def limited_protocol(limits: GateLimits) -> type[LimitedProtocol]:
    """Connections of one server, which counts them."""

    class OneServer(LimitedProtocol):
        """A connection of this server."""

    OneServer.limits = limits
    OneServer.open_from = Counter()
    return OneServer
