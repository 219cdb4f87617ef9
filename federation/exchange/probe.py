"""A look at the hub before anything is said to it: is it the hub, and does it accept us?

gRPC says little about why a TLS handshake failed. So a connection is first made with Python's own
TLS, which gives a sentence for each reason, and the certificate it saw is the only one that the
gRPC connection after it will trust.
"""

import os
import socket
import ssl
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cryptography import x509

from federation.errors import CertificateError, SettingError
from federation.exchange.tls import TlsMaterial, spki_pin

HANDSHAKE_S: Final = 5.0
MINUTE: Final = "%Y-%m-%d %H:%M"
HANG_UPS: Final = 3  # in a row, which a bad line alone does not do
PAUSE_S: Final = 0.2


def probe_hub(address: str, tls: TlsMaterial, *, party: str, hub: str, pin: bytes) -> bytes:
    """Shake hands with the hub and hang up.

    Args:
        address: host:port.
        tls: what `party` shows and trusts.
        party: who dials, for the text of errors.
        hub: the DNS name in the hub's certificate, whatever its address.
        pin: `spki_pin` of the hub's key.

    Returns:
        The hub's certificate, PEM.

    Raises:
        CertificateError: the hub is not who it should be, or does not accept this party's
            certificate. Another try will not help.
        OSError: it cannot be reached; another try may help.
        SettingError: the address is none.
    """
    _check_dates(tls.certificate, party)
    context = _context(tls, party)
    for _ in range(HANG_UPS):
        try:
            seen = _look(context, address, hub)
        except ssl.SSLCertVerificationError as error:
            raise CertificateError(
                f"{party} does not accept the certificate of the hub at {address}: "
                f"{error.verify_message}; compare authority.crt, the roster and the clocks of both"
            ) from error
        if seen is None:
            time.sleep(PAUSE_S)
            continue
        if spki_pin(seen) != pin:
            raise CertificateError(
                f"the key of the hub at {address} is not the one that the roster of {party} has "
                f"for {hub}: compare rosters"
            )
        return seen
    raise CertificateError(
        f"the hub at {address} hangs up on the certificate of {party}: have the federation's "
        "authority sign a new one, and compare authority.crt and the clocks of both"
    )


def split_address(address: str) -> tuple[str, int]:
    """Host and port of ``host:port`` or ``[host]:port``.

    Raises:
        SettingError: it is something else.
    """
    host, colon, port = address.rpartition(":")
    if not (host and colon and port.isdecimal() and int(port) < 1 << 16):
        raise SettingError(f"{address} is no address of the form host:port")
    return host.strip("[]"), int(port)


def _look(context: ssl.SSLContext, address: str, hub: str) -> bytes | None:
    """The hub's certificate, PEM; None if it hung up on ours."""
    with (
        socket.create_connection(split_address(address), HANDSHAKE_S) as plain,
        context.wrap_socket(plain, server_hostname=hub) as line,
    ):
        seen = ssl.DER_cert_to_PEM_cert(line.getpeercert(binary_form=True) or b"")
        # In TLS 1.3 the hub judges our certificate when the handshake is over for us: it hangs
        # up, or begins with the settings of HTTP/2.
        return seen.encode("ascii") if line.recv(1) else None


def _context(tls: TlsMaterial, party: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.set_alpn_protocols(["h2"])
    try:
        context.load_verify_locations(cadata=tls.authority.decode("ascii"))
        _load_own(context, tls)
    except (ssl.SSLError, UnicodeDecodeError) as error:
        raise CertificateError(
            f"{party}'s own key, certificate or authority is unusable"
        ) from error
    return context


def _load_own(context: ssl.SSLContext, tls: TlsMaterial) -> None:
    """Python reads keys from files only; this one is in memory and has no name."""
    descriptor = os.memfd_create("tls", os.MFD_CLOEXEC)
    with os.fdopen(descriptor, "wb") as file:
        file.write(tls.certificate + b"\n" + tls.key)
        file.flush()
        context.load_cert_chain(Path("/proc/self/fd") / str(descriptor))


def _check_dates(certificate: bytes, party: str) -> None:
    try:
        own = x509.load_pem_x509_certificate(certificate)
    except ValueError as error:
        raise CertificateError(f"{party}'s own certificate is unusable") from error
    now, first, last = datetime.now(UTC), own.not_valid_before_utc, own.not_valid_after_utc
    if not first <= now <= last:
        raise CertificateError(
            f"{party}'s own certificate is valid from {first:{MINUTE}} to {last:{MINUTE}} UTC "
            f"and this clock says {now:{MINUTE}}: have the authority sign a new one, or correct "
            "the clock"
        )
