"""Hubs for whole runs: one that keeps all it carries, and one that tampers with a single frame."""

import threading
from collections.abc import Sequence

import numpy as np

from federation.exchange.memory import MemoryHub
from federation.exchange.routing import route
from federation.protocol.frames import decode_frame
from federation.protocol.limits import Limits

Delivery = tuple[str, bytes]  # recipient and frame


class RecordingHub(MemoryHub):
    """Carries everything faithfully and keeps a copy."""

    def __init__(self, names: Sequence[str], limits: Limits) -> None:
        super().__init__(names, limits)
        self.deliveries: list[Delivery] = []
        self._lock = threading.Lock()

    def deliver(self, sender: str, data: bytes) -> None:
        for recipient in route(sender, data, self._names, self._limits):
            with self._lock:
                self.deliveries.append((recipient, data))
                out = self.carry(recipient, data)
            for to, frame in out:
                self._put(sender, to, frame)

    def carry(self, recipient: str, data: bytes) -> list[Delivery]:
        """What is delivered for one frame."""
        return [(recipient, data)]


class TamperingHub(RecordingHub):
    """Does something to the delivery with one number, and is honest for the rest of the run."""

    target = 0
    seed = 0
    attack: "type[Tampering]"

    def carry(self, recipient: str, data: bytes) -> list[Delivery]:
        number = len(self.deliveries) - 1
        if number == self.target:
            rng = np.random.default_rng(self.seed)
            self.plan = self.attack(self._names, self.deliveries, rng)
            return self.plan.now(recipient, data)
        if number > self.target:
            return [(recipient, data), *self.plan.after(recipient)]
        return [(recipient, data)]


class Tampering:
    """One way to tamper; drops the frame unless a subclass does something else."""

    def __init__(
        self, names: Sequence[str], before: Sequence[Delivery], rng: np.random.Generator
    ) -> None:
        self.names, self.before, self.rng = names, before, rng
        self.held: Delivery | None = None

    def now(self, recipient: str, data: bytes) -> list[Delivery]:
        return []

    def after(self, recipient: str) -> list[Delivery]:
        if self.held is None or self.held[0] != recipient:
            return []
        held, self.held = self.held, None
        return [held]


class Drop(Tampering):
    pass


class FlipBit(Tampering):
    def now(self, recipient: str, data: bytes) -> list[Delivery]:
        bad = bytearray(data)
        bit = int(self.rng.integers(8 * len(bad)))
        bad[bit // 8] ^= 1 << bit % 8
        return [(recipient, bytes(bad))]


class Truncate(Tampering):
    def now(self, recipient: str, data: bytes) -> list[Delivery]:
        return [(recipient, data[: int(self.rng.integers(len(data)))])]


class Extend(Tampering):
    def now(self, recipient: str, data: bytes) -> list[Delivery]:
        return [(recipient, data + b"\x00")]


class Forge(Tampering):
    """Another body under the same header."""

    def now(self, recipient: str, data: bytes) -> list[Delivery]:
        header = decode_frame(data, Limits()).header()
        return [(recipient, header + self.rng.bytes(len(data) - len(header)))]


class Replace(Tampering):
    """An earlier frame to the same party instead."""

    def now(self, recipient: str, data: bytes) -> list[Delivery]:
        earlier = [frame for to, frame in self.before[:-1] if to == recipient]
        chosen = earlier[int(self.rng.integers(len(earlier)))] if earlier else b""
        return [(recipient, chosen)]


class Redirect(Tampering):
    def now(self, recipient: str, data: bytes) -> list[Delivery]:
        others = [name for name in self.names if name != recipient]
        return [(others[int(self.rng.integers(len(others)))], data)]


class Reflect(Tampering):
    def now(self, recipient: str, data: bytes) -> list[Delivery]:
        return [(decode_frame(data, Limits()).sender, data)]


class Repeat(Tampering):
    def now(self, recipient: str, data: bytes) -> list[Delivery]:
        return [(recipient, data), (recipient, data)]


class Delay(Tampering):
    """The frame comes after the next one to the same party."""

    def now(self, recipient: str, data: bytes) -> list[Delivery]:
        self.held = (recipient, data)
        return []
