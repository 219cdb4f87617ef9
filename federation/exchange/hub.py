"""The exchange hub, without its sockets: who may join a session, and what moves in it.

Rules:
1. One session is open at a time. It is known by 16 random bytes, and each remote party of it by
   a token of its own. A claim of another session, or an older one, is refused.
2. A remote party's name is what its TLS key says; the name it gives itself must be the same.
3. Every refusal is logged here, by party and reason, and told to the refused party. Tokens and
   frames are never logged.
4. The coordinator attaches in process. Its frames follow the same way as everyone's.
"""

import hmac
import logging
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from federation.errors import (
    FederationError,
    SecondProcessError,
    SessionOverError,
    SettingError,
    UnknownPeerError,
)
from federation.exchange.claims import SESSION_BYTES, TOKEN_BYTES, Claim
from federation.exchange.hub_session import Connection, HubSession
from federation.exchange.memory import MemoryTransport
from federation.exchange.quota import Quota
from federation.exchange.routing import route
from federation.exchange.transport import Transport
from federation.protocol.limits import Limits

LOG: Final = logging.getLogger("fedrecall.hub")
LOG_AGAIN_S: Final = 10.0  # the same refusal of the same party is logged this often at most


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """Who may join one session.

    Args:
        session: 16 random bytes.
        tokens: remote party → 32 random bytes.
    """

    session: bytes
    tokens: Mapping[str, bytes] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class HubConfig:
    """How much the hub keeps, and for how long.

    Args:
        mailbox: what one sender may have waiting for one recipient.
        send_timeout_s: how long a party in this process waits for one that takes no frames;
            longer than a remote party may be away.
    """

    mailbox: Quota = field(default_factory=Quota)
    send_timeout_s: float = 180.0


class Hub:
    """Joins the parties of one federation, session after session.

    Args:
        names: everyone on the roster, coordinator included.
        limits: upper bounds on a frame.
        config: quotas and time-outs.
    """

    def __init__(
        self, names: Sequence[str], limits: Limits, config: HubConfig | None = None
    ) -> None:
        self.names = tuple(names)
        self.limits = limits
        self._config = config or HubConfig()
        self._lock = threading.Lock()
        self._admission: Admission | None = None
        self._session: HubSession | None = None
        self._reason = "none has been opened yet"  # why no session is open
        self._logged: dict[tuple[str, type], float] = {}

    def admit(self, admission: Admission) -> None:
        """Open a session; one that was open is ended.

        Raises:
            SettingError: a token or the session's name has another size, or a party is not on the
                roster.
        """
        strangers = sorted(admission.tokens.keys() - set(self.names))
        if strangers:
            raise SettingError(f"not on the roster: {', '.join(strangers)}")
        sizes = {len(token) for token in admission.tokens.values()} | {TOKEN_BYTES}
        if len(admission.session) != SESSION_BYTES or sizes != {TOKEN_BYTES}:
            raise SettingError("a session has a name of 16 bytes and tokens of 32")
        self.end("a newer session was opened")
        session = HubSession(self.names, admission.tokens, self.limits, self._config.mailbox)
        with self._lock:
            self._admission, self._session = admission, session

    def attach(self, name: str) -> Transport:
        """The transport of a party of the open session in this process.

        Raises:
            UnknownPeerError: no such party, or it has to dial.
            SessionOverError: no session is open.
        """
        with self._lock:
            session, admission = self._session, self._admission
            if session is None or admission is None:
                raise SessionOverError(f"no session is open: {self._reason}")
        if name not in self.names:
            raise UnknownPeerError(f"{name} is not on the roster")
        if name in admission.tokens:
            raise UnknownPeerError(f"{name} is a remote party of this session")
        return MemoryTransport(_Attachment(session, self._config.send_timeout_s), name)

    def absent(self) -> Mapping[str, float]:
        """Admitted remote parties without a live connection → seconds since.

        A party that has closed its transport is not absent, it has left.
        """
        session = self._session
        return session.absent() if session is not None else {}

    def drain(self, timeout: float) -> bool:
        """Wait until remote parties have taken every frame for them; says whether they have.

        Args:
            timeout: seconds.
        """
        session = self._session
        return session is None or session.drain(timeout)

    def end(self, reason: str) -> None:
        """End the open session, if any: all its transports raise `SessionOverError(reason)`."""
        with self._lock:
            session, self._session = self._session, None
            if session is None:
                return
            self._admission, self._reason = None, reason
        LOG.info("the session is over: %s", reason)
        session.close(SessionOverError(reason))

    def enter(self, name: str, claim: Claim) -> Connection:
        """Let a remote party in.

        Args:
            name: who its TLS key belongs to.
            claim: what it says.

        Raises:
            FederationError: it is refused; the sentence says why and what to do.
        """
        with self._lock:
            session, admission = self._session, self._admission
            self._check_name(name, claim)
            if session is None or admission is None:
                raise SessionOverError(
                    f"{name}'s session is over, a new order will come ({self._reason})"
                )
            _check_session(name, claim, admission)
            _check_process(name, claim, session)
            return session.connect(claim)

    def log_refusal(self, name: str, error: FederationError) -> None:
        """Write a refusal into the log, seldom enough that nobody can flood it."""
        now = time.monotonic()
        key = (name, type(error))
        with self._lock:
            if now - self._logged.get(key, -LOG_AGAIN_S) < LOG_AGAIN_S:
                return
            self._logged[key] = now
        LOG.warning("refused %s: %s: %s", name, type(error).__name__, error)

    def _check_name(self, name: str, claim: Claim) -> None:
        if name not in self.names:
            raise UnknownPeerError(f"{name} is not on the hub's roster")
        if claim.party != name:
            raise UnknownPeerError(
                f"the TLS key is {name}'s and the party calls itself {claim.party}: correct the "
                "name in party.toml, or use the right key folder"
            )


@dataclass(frozen=True, slots=True)
class _Attachment:
    """The session as a party in this process has it."""

    session: HubSession
    send_timeout_s: float

    def deliver(self, sender: str, data: bytes) -> None:
        recipients = route(sender, data, self.session.names, self.session.limits)
        self.session.post(sender, recipients, data, self.send_timeout_s)

    def collect(self, recipient: str, timeout: float) -> bytes:
        return self.session.fetch(recipient, timeout)


def _check_session(name: str, claim: Claim, admission: Admission) -> None:
    if not hmac.compare_digest(claim.session, admission.session):
        raise SessionOverError(f"{name}'s session is over, a new order will come")
    token = admission.tokens.get(name)
    if token is None:
        raise UnknownPeerError(
            f"{name} is on the roster but not in this session; start the run with it, or stop its "
            "node"
        )
    if not hmac.compare_digest(claim.token, token):
        raise SessionOverError(
            f"{name} has a token of another session; it needs the newest order, which will come"
        )


def _check_process(name: str, claim: Claim, session: HubSession) -> None:
    process = session.process_of(name)
    if process is not None and not hmac.compare_digest(process, claim.instance):
        raise SecondProcessError(
            f"another process is in this session as {name}: stop it if there are two, and wait "
            "for the next order"
        )
    if session.has_left(name):
        raise SessionOverError(f"{name} has left this session, a new order will come")
