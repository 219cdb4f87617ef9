"""Parties on one hub: links that have greeted, or are about to."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from federation.crypto.sealing import Identity
from federation.exchange.link import Link, LinkConfig
from federation.exchange.memory import MemoryHub
from federation.exchange.traffic import Released, nothing
from federation.exchange.transport import Transport
from federation.protocol.limits import Limits

JOB = bytes(range(16))
AGREEMENT = hashlib.sha256(b"settings").digest()
NAMES = ("coordinator", "item", "social", "video")
Wrap = Callable[[str, Transport], Transport]


def identity_of(name: str) -> Identity:
    """The same long-term key for the same name, always."""
    return Identity(X25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest()))


def unwrapped(_: str, transport: Transport) -> Transport:
    return transport


@dataclass(frozen=True, kw_only=True)
class Line:
    """Settings of the parties of a test; what is not said is the same for all."""

    names: Sequence[str] = NAMES
    limits: Limits = field(default_factory=Limits)
    timeout_s: float = 5.0
    job: Mapping[str, bytes] = field(default_factory=dict)
    agreement: Mapping[str, bytes] = field(default_factory=dict)
    rosters: Mapping[str, Mapping[str, bytes]] = field(default_factory=dict)
    wrap: Wrap = unwrapped
    released: Mapping[str, Released] = field(default_factory=dict)

    def config(self, name: str) -> LinkConfig:
        roster = {each: identity_of(each).public for each in self.names}
        return LinkConfig(
            name=name,
            roster=self.rosters.get(name, roster),
            job=self.job.get(name, JOB),
            agreement=self.agreement.get(name, AGREEMENT),
            limits=self.limits,
            timeout_s=self.timeout_s,
        )

    def links(self, hub: MemoryHub | None = None) -> dict[str, Link]:
        """A link for every party, none of which has greeted."""
        hub = hub or MemoryHub(self.names, self.limits)
        return {
            name: Link(
                self.wrap(name, hub.attach(name)),
                identity_of(name),
                self.config(name),
                released=self.released.get(name, nothing),
            )
            for name in self.names
        }

    def greeted(self) -> dict[str, Link]:
        """A link for every party, all of which have greeted."""
        links = self.links()
        greet_all(links)
        return links


def greet_all(links: Mapping[str, Link]) -> None:
    """Let every party greet at once; raises what the first failing one raised."""
    errors = greet_each(links)
    for error in errors.values():
        if error is not None:
            raise error


def greet_each(links: Mapping[str, Link]) -> dict[str, BaseException | None]:
    """Let every party greet at once; what each raised."""
    with ThreadPoolExecutor(len(links)) as pool:
        futures = {name: pool.submit(link.greet) for name, link in links.items()}
        return {name: future.exception() for name, future in futures.items()}
