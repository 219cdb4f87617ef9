"""The hub's sockets: gRPC over mutual TLS, one stream for each remote party.

Rules:
1. A party is who its TLS key says, by the pins of the roster. TLS itself refuses certificates
   that are expired or of another authority, before a line of this file runs.
2. A stream carries frames and acknowledgements as they are; who dials, and into which session,
   is in the metadata of the call (`claims`).
3. Every call has two threads, a reader and a writer. Calls are bounded: a party's new one ends
   its old one.
"""

import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import grpc

from federation.errors import FederationError, SettingError, UnknownPeerError
from federation.exchange.claims import (
    PARTY_KEY,
    REASON_CHARACTERS,
    Claim,
    encode_refusal,
    printable,
)
from federation.exchange.grpc_options import CALL, SERVICE, server_options
from federation.exchange.grpc_transport import DialConfig, GrpcTransport
from federation.exchange.hub import LOG, Hub
from federation.exchange.hub_session import Connection
from federation.exchange.tls import TlsMaterial, spki_pin
from federation.protocol.frames import NAME

__all__ = ["DialConfig", "GrpcTransport", "HubServer"]

GRACE_S: Final = 2.0
SPARE_CALLS: Final = 4  # that are about to be refused


class HubServer:
    """Lets remote parties reach a `Hub`.

    Args:
        hub: what joins the parties.
        address: where to listen, as host:port; port 0 takes a free one.
        tls: the coordinator's.
        pins: party → `spki_pin` of its TLS key.
    """

    def __init__(
        self, hub: Hub, address: str, *, tls: TlsMaterial, pins: Mapping[str, bytes]
    ) -> None:
        self._hub = hub
        self._address = address
        self._parties = {pin: name for name, pin in pins.items()}
        self._credentials = grpc.ssl_server_credentials(
            [(tls.key, tls.certificate)], tls.authority, require_client_auth=True
        )
        self._calls: dict[str, Any] = {}  # party → its newest call
        self._lock = threading.Lock()
        calls = 2 * len(pins) + SPARE_CALLS
        self._writers = ThreadPoolExecutor(calls, thread_name_prefix="hub-writer")
        self._server = grpc.server(
            self._writers,
            options=server_options(hub.limits),
            maximum_concurrent_rpcs=calls,
        )
        handler = grpc.stream_stream_rpc_method_handler(self._serve)
        self._server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(SERVICE, {CALL: handler}),)
        )

    def start(self) -> int:
        """Listen; returns the port.

        Raises:
            SettingError: the address cannot be listened on.
        """
        try:
            port: int = self._server.add_secure_port(self._address, self._credentials)
        except RuntimeError as error:
            raise SettingError(
                f"the hub cannot listen on {self._address}: another program may have the port"
            ) from error
        self._server.start()
        return port

    def stop(self) -> None:
        """End the session, if one is open, and hang up on everyone."""
        self._hub.end("the coordinator has closed its hub")
        self._server.stop(GRACE_S).wait()
        self._writers.shutdown()

    def _serve(self, requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        connection = self._enter(context)
        if connection is None:
            return
        # gRPC calls back when the call is over, unless it is over by now.
        _ = context.add_callback(lambda: _lose(connection)) or _lose(connection)
        self._replace(connection.party, context)
        context.send_initial_metadata(connection.welcome.to_metadata())
        threading.Thread(
            target=_read, args=(requests, connection), name="hub-reader", daemon=True
        ).start()
        LOG.info("%s is connected", connection.party)
        try:
            while (message := connection.next()) is not None:
                yield message
        except FederationError as error:
            self._refuse(context, connection.party, error)

    def _enter(self, context: grpc.ServicerContext) -> Connection | None:
        name = "a party"
        try:
            name = self._name(context)
            return self._hub.enter(name, Claim.from_metadata(context.invocation_metadata(), name))
        except FederationError as error:
            self._refuse(context, name, error)
            return None

    def _name(self, context: grpc.ServicerContext) -> str:
        (certificate,) = context.auth_context()["x509_pem_cert"]
        pin = spki_pin(certificate)
        name = self._parties.get(pin)
        if name is None:
            claimed = dict(context.invocation_metadata()).get(PARTY_KEY)
            known = isinstance(claimed, str) and NAME.fullmatch(claimed)
            raise UnknownPeerError(
                f"the TLS key of {claimed if known else 'a party'}, {pin.hex()}, is not on the "
                "hub's roster: make one roster of all parties' present cards"
            )
        return name

    def _replace(self, party: str, context: grpc.ServicerContext) -> None:
        with self._lock:
            old = self._calls.get(party)
            self._calls[party] = context
        if old is not None:
            old.cancel()

    def _refuse(self, context: grpc.ServicerContext, name: str, error: FederationError) -> None:
        self._hub.log_refusal(name, error)
        context.set_trailing_metadata(encode_refusal(error))
        context.set_code(grpc.StatusCode.PERMISSION_DENIED)
        context.set_details(printable(str(error), REASON_CHARACTERS))


def _read(requests: Iterator[bytes], connection: Connection) -> None:
    try:
        for message in requests:
            connection.accept(message)
    except FederationError as error:
        connection.refuse(error)
    except grpc.RpcError:
        return  # it broke, which gRPC tells `_lose` too


def _lose(connection: Connection) -> bool:
    broke = connection.lose()
    if broke:
        LOG.info(
            "the connection of %s broke, or a frame in it was over the limit; it may come back",
            connection.party,
        )
    return broke
