"""A hub with sockets on loopback, and parties that dial it."""

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from federation.exchange.grpc_hub import HubServer
from federation.exchange.grpc_transport import DialConfig, GrpcTransport
from federation.exchange.hub import Admission, Hub, HubConfig
from federation.exchange.tls import TlsMaterial, spki_pin
from federation.exchange.transport import Transport
from federation.protocol.limits import Limits
from tests.federation.exchange.certificates import material

NAMES = ("coordinator", "item", "social", "video")
COORDINATOR = "coordinator"


def admission(*parties: str) -> Admission:
    tokens = {name: secrets.token_bytes(32) for name in parties}
    return Admission(session=secrets.token_bytes(16), tokens=tokens)


def pins_of(names: Sequence[str]) -> dict[str, bytes]:
    return {name: spki_pin(material(name).certificate) for name in names}


@dataclass
class Deployed:
    """A hub that listens, with a session open for all parties but those it attaches itself."""

    names: Sequence[str] = NAMES
    limits: Limits = field(default_factory=Limits)
    config: HubConfig = field(default_factory=HubConfig)
    here: Sequence[str] = (COORDINATOR,)  # parties in the hub's process
    address: str = "127.0.0.1:0"
    pins: dict[str, bytes] | None = None
    tls: TlsMaterial = field(default_factory=lambda: material(COORDINATOR))

    def __post_init__(self) -> None:
        self.hub = Hub(self.names, self.limits, self.config)
        pins = self.pins if self.pins is not None else pins_of([COORDINATOR, *self.names])
        self.server = HubServer(self.hub, self.address, tls=self.tls, pins=pins)
        self.port = self.server.start()
        self.opened: list[Transport] = []
        self.admission = self.admit()

    def admit(self) -> Admission:
        self.admission = admission(*(name for name in self.names if name not in self.here))
        self.hub.admit(self.admission)
        return self.admission

    def dial_config(self, name: str, **changes: Any) -> DialConfig:  # noqa: ANN401 - fields of a dataclass
        config = DialConfig(
            address=f"127.0.0.1:{self.port}",
            name=name,
            tls=material(name),
            hub_pin=spki_pin(material(COORDINATOR).certificate),
            session=self.admission.session,
            token=self.admission.tokens.get(name, bytes(32)),
            limits=self.limits,
            reconnect_s=10.0,
            send_timeout_s=5.0,
        )
        return replace(config, **changes)

    def dial(self, name: str, **changes: Any) -> GrpcTransport:  # noqa: ANN401 - fields of a dataclass
        transport = GrpcTransport(self.dial_config(name, **changes))
        self.opened.append(transport)
        return transport

    def transports(self) -> dict[str, Transport]:
        return {
            name: self.hub.attach(name) if name in self.here else self.dial(name)
            for name in self.names
        }

    def close(self) -> None:
        self.hub.end("the test is over")  # so that closing transports waits for nobody
        for transport in self.opened:
            transport.close()
        self.server.stop()


@contextmanager
def deployed(**settings: Any) -> Iterator[Deployed]:  # noqa: ANN401 - fields of a dataclass
    running = Deployed(**settings)
    try:
        yield running
    finally:
        running.close()
