"""Reaching a TLS port step by step, so that a failure says which step it was."""

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final

from federation.exchange.tls import spki_pin
from parties.errors import UnreachableError
from parties.keys.folder import AUTHORITY_CERTIFICATE, TLS_CERTIFICATE, TLS_KEY

# OpenSSL's X509_V_ERR_*: which part of a certificate is wrong.
_EARLY: Final = 9
_EXPIRED: Final = 10
_NAMES: Final = frozenset({62, 64})  # host name, address


class Step(Enum):
    """The steps of reaching a port, in their order; the value is what people call it."""

    DNS = "DNS"
    TCP = "TCP"
    TLS = "TLS"
    NAME = "name"
    PIN = "pin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A TLS port and what must be true of it.

    Args:
        host: a name or an address.
        port: its TCP port.
        name: what its certificate must be for.
        pin: SHA-256 of its key's SubjectPublicKeyInfo, 32 bytes.
        keys: this party's key folder, for the authority's certificate.
        mutual: show this party's certificate, and wait for what the other says to it.
        protocol: what is spoken inside, as ALPN names it.
        timeout_s: seconds each step may take.
    """

    host: str
    port: int
    name: str
    pin: bytes
    keys: Path
    mutual: bool
    protocol: str
    timeout_s: float

    @property
    def place(self) -> str:
        """Host and port as people write them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def _unreachable(
    step: Step, problem: str, remedy: str, *, refused: bool = False
) -> UnreachableError:
    return UnreachableError(problem, step=step.value, remedy=remedy, refused=refused)


@contextmanager
def reach(target: Target) -> Iterator[ssl.SSLSocket]:
    """Go through every step; yields the connection.

    Raises:
        UnreachableError: a step failed.
    """
    _resolve(target)
    with _connect(target) as plain, _secure(target, plain) as secured:
        _refuse_other_pin(target, secured)
        if target.mutual:
            _await_welcome(target, secured)
        yield secured


def _resolve(target: Target) -> None:
    try:
        socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        raise _unreachable(
            Step.DNS,
            f"no address is known for {target.host!r} ({error})",
            "write the coordinator's host name or address as coordinator.host, or mend DNS",
        ) from error


def _connect(target: Target) -> socket.socket:
    place = target.place
    try:
        return socket.create_connection((target.host, target.port), timeout=target.timeout_s)
    except ConnectionRefusedError as error:
        raise _unreachable(
            Step.TCP,
            f"{place} refuses: nothing listens there",
            "start the coordinator's node, or correct the port",
            refused=True,
        ) from error
    except TimeoutError as error:
        raise _unreachable(
            Step.TCP,
            f"{place} did not answer within {target.timeout_s:g} s",
            "let both sides' firewalls pass this port, and check host and routes",
        ) from error
    except OSError as error:
        raise _unreachable(
            Step.TCP, f"{place} cannot be reached: {error.strerror}", "check network and routes"
        ) from error


def _secure(target: Target, plain: socket.socket) -> ssl.SSLSocket:
    try:
        return _context(target).wrap_socket(plain, server_hostname=target.name)
    except ssl.SSLCertVerificationError as error:
        raise _distrusted(target, error) from error
    except OSError as error:  # SSLError is one
        raise _unreachable(
            Step.TLS,
            f"{target.place} ends the handshake: {_reason(error)}",
            "correct the port, if something else listens there; look into the coordinator's log",
        ) from error


def _context(target: Target) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(target.keys / AUTHORITY_CERTIFICATE)
    if target.mutual:
        context.load_cert_chain(target.keys / TLS_CERTIFICATE, target.keys / TLS_KEY)
    context.set_alpn_protocols([target.protocol])
    return context


def _distrusted(target: Target, error: ssl.SSLCertVerificationError) -> UnreachableError:
    if error.verify_code in _NAMES:
        remedy = (
            "write a host that the certificate names as coordinator.host, or let the coordinator "
            f"make a request that names {target.name!r} and have it signed"
            if target.name == target.host
            else "correct host and port: another party answers there"
        )
        problem = f"the certificate at {target.place} is not for {target.name!r}"
        return _unreachable(Step.NAME, problem, remedy)
    remedies = {
        _EARLY: "set this machine's clock; if it is right, the coordinator's certificate is new",
        _EXPIRED: "let the coordinator's certificate be renewed; is this machine's clock right?",
    }
    return _unreachable(
        Step.TLS,
        f"the certificate at {target.place} is not trusted: {error.verify_message}",
        remedies.get(
            error.verify_code,
            f"all parties need the same {AUTHORITY_CERTIFICATE}; if they have it, somebody else "
            "answers there",
        ),
    )


def _refuse_other_pin(target: Target, secured: ssl.SSLSocket) -> None:
    certificate = secured.getpeercert(binary_form=True) or b""
    if spki_pin(ssl.DER_cert_to_PEM_cert(certificate).encode()) != target.pin:
        raise _unreachable(
            Step.PIN,
            f"the key at {target.place} is not the coordinator's on the roster",
            "get the present roster; if the coordinator did not rotate its keys, somebody else "
            "answers there",
        )


def _await_welcome(target: Target, secured: ssl.SSLSocket) -> None:
    """Read what comes first: under TLS 1.3, a refused certificate shows only now."""
    try:
        first = secured.recv(1)
    except TimeoutError:
        return  # it has nothing to say, and did not refuse
    except OSError as error:
        raise _unwelcome(target, _reason(error)) from error
    if not first:
        raise _unwelcome(target, "the connection was closed")


def _unwelcome(target: Target, reason: str) -> UnreachableError:
    return _unreachable(
        Step.TLS,
        f"{target.place} refuses this party's certificate: {reason}",
        "the coordinator needs the present roster and the same authority; look into its log",
    )


def _reason(error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.lower().replace("_", " ")
    return error.strerror or str(error) or type(error).__name__
