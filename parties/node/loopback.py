"""What a node's own processes share on loopback: ports, a certificate and a secret.

They are made anew with every `fedrecall node up` and never leave the machine. The certificate is
not the party's: Flower's server has no use for the key that others know the party by.
"""

import datetime as dt
import ipaddress
import secrets
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from parties.checkpoints import write_whole

HOST: Final = "127.0.0.1"
SECRET_BYTES: Final = 32
LASTS: Final = dt.timedelta(days=3650)  # longer than any `up`
SKEW: Final = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopbackFiles:
    """Files of one folder that this node's processes read.

    Args:
        key: PEM, mode 0600.
        certificate: PEM; its own authority.
        secret: the exact bytes that executor and server share, mode 0600.
    """

    key: Path
    certificate: Path
    secret: Path


def make_loopback_files(folder: Path) -> LoopbackFiles:
    """Make them, in place of those of an earlier `up`.

    Raises:
        CheckpointError: the disk refused.
    """
    files = LoopbackFiles(
        key=folder / "loopback.key",
        certificate=folder / "loopback.crt",
        secret=folder / "executor.secret",
    )
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    write_whole(files.key, pem)
    write_whole(files.certificate, _certificate(key).public_bytes(Encoding.PEM), mode=0o644)
    write_whole(files.secret, secrets.token_bytes(SECRET_BYTES))
    return files


def free_port() -> int:
    """A TCP port on loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def listening(host: str, port: int) -> socket.socket:
    """A socket bound to a public address.

    Raises:
        OSError: the address is taken, or is not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family)


def _certificate(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "fedrecall loopback")])
    hosts = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address(HOST))]
    now = dt.datetime.now(dt.UTC)
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(now + LASTS)
        .add_extension(x509.SubjectAlternativeName(hosts), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(), critical=True)
        .add_extension(identifier, critical=False)
        .sign(key, SHA256())
    )


def _usage() -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
