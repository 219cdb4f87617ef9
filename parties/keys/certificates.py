"""Certificate requests and certificates: X.509 and nothing of files or folders.

A party's certificate names the party as its first DNS name, and nobody else; the coordinator's
also names the hosts it is reached at. It serves both ends of a TLS link. What a request asks for
beyond its names is not granted.
"""

import datetime as dt
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256, Hash
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from parties.errors import (
    KeyFormatError,
    OwnCertificateError,
    SigningRefusedError,
)
from parties.keys.names import host_problem, is_address, name_problem, role_of
from parties.keys.parsing import PARSING
from parties.role import Role

# Clocks of honest machines differ by a little; those that differ by more are told so.
BACKDATED: Final = dt.timedelta(minutes=5)
MAX_HOSTS: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A certificate request whose signature and form were checked.

    Args:
        name: the party that asks.
        hosts: host names and addresses; the coordinator's alone may have any.
        key: the P-256 key that a certificate would be for.
    """

    name: str
    hosts: tuple[str, ...]
    key: ec.EllipticCurvePublicKey = field(repr=False)

    @property
    def pin(self) -> bytes:
        """SHA-256 of the key, 32 bytes: the value that people compare."""
        return key_pin(self.key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """An authority's certificate and its secret key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Validity:
    """From when to when a certificate holds."""

    begins: dt.datetime
    ends: dt.datetime

    @classmethod
    def from_now(cls, now: dt.datetime, days: int) -> "Validity":
        """So many days from now, and a few minutes back for clocks that are behind."""
        return cls(begins=now - BACKDATED, ends=now + dt.timedelta(days=days))


def key_pin(key: object) -> bytes:
    """SHA-256 of a public key's SubjectPublicKeyInfo, 32 bytes.

    Raises:
        KeyFormatError: it is no elliptic-curve key.
    """
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise KeyFormatError("only elliptic-curve keys are used here")
    digest = Hash(SHA256())
    digest.update(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
    return digest.finalize()


def make_request(key: ec.EllipticCurvePrivateKey, name: str, hosts: Sequence[str]) -> bytes:
    """A PEM request for a certificate of `name`, signed with the key it is for.

    Raises:
        KeyFormatError: a host is none, or the party may name no hosts.
    """
    if problem := _hosts_problem(name, hosts):
        raise KeyFormatError(problem)
    builder = x509.CertificateSigningRequestBuilder(_common_name(name))
    builder = builder.add_extension(_alternative_names(name, hosts), critical=False)
    return builder.sign(key, SHA256()).public_bytes(Encoding.PEM)


def read_request(data: bytes, *, place: str) -> Request:
    """Check a PEM request from anywhere.

    Raises:
        SigningRefusedError: it is not what a party's program makes.
    """
    try:
        found = x509.load_pem_x509_csr(data)
        genuine = found.is_signature_valid
        key = found.public_key()
        names = _names(found.extensions, found.subject)
    except PARSING as error:
        raise SigningRefusedError(f"{place} is no certificate request: {error}") from error
    if not genuine:
        raise SigningRefusedError(f"{place} was not signed with the key that it names")
    if not isinstance(key, ec.EllipticCurvePublicKey) or not is_curve(key, ec.SECP256R1):
        raise SigningRefusedError(f"{place} is for a key that is not P-256")
    name, hosts = names
    problem = name_problem(name, role_of(name)) or _hosts_problem(name, hosts)
    if problem:
        raise SigningRefusedError(f"{place}: {problem}")
    return Request(name=name, hosts=hosts, key=key)


def self_sign(key: ec.EllipticCurvePrivateKey, name: str, validity: Validity) -> x509.Certificate:
    """The certificate of an authority, by which it vouches for itself."""
    builder = _builder(_common_name(name), key.public_key(), validity)
    builder = builder.issuer_name(_common_name(name))
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_usage(authority=True), critical=True)
    return builder.sign(key, SHA256())


def issue(signer: Signer, request: Request, validity: Validity) -> x509.Certificate:
    """The certificate of a party."""
    builder = _builder(_common_name(request.name), request.key, validity)
    builder = builder.issuer_name(signer.certificate.subject)
    extensions: list[tuple[x509.ExtensionType, bool]] = [
        (_alternative_names(request.name, request.hosts), False),
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (_usage(authority=False), True),
        (
            x509.ExtendedKeyUsage(
                [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
            ),
            False,
        ),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.key.public_key()), False),
    ]
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    return builder.sign(signer.key, SHA256())


def read_certificate(data: bytes, *, place: str) -> x509.Certificate:
    """Read the one certificate of a PEM file.

    Raises:
        KeyFormatError: there is none, or several: each would be trusted.
    """
    try:
        found = x509.load_pem_x509_certificates(data)
        for certificate in found:
            _ = (certificate.extensions, certificate.subject, certificate.public_key())
    except PARSING as error:
        raise KeyFormatError(f"{place} is no certificate: {error}") from error
    if len(found) != 1:
        raise KeyFormatError(f"{place} holds {len(found)} certificates; it must hold one")
    return found[0]


def certified_names(certificate: x509.Certificate, *, place: str) -> tuple[str, tuple[str, ...]]:
    """The party that a certificate names, and its hosts.

    Raises:
        OwnCertificateError: it names none.
    """
    try:
        return _names(certificate.extensions, certificate.subject)
    except PARSING as error:
        raise OwnCertificateError(f"{place} names no party: {error}") from error


def is_curve(key: object, curve: type[ec.EllipticCurve]) -> bool:
    """Whether a key, public or private, is on this curve."""
    kinds = (ec.EllipticCurvePublicKey, ec.EllipticCurvePrivateKey)
    return isinstance(key, kinds) and isinstance(key.curve, curve)


def _names(extensions: x509.Extensions, subject: x509.Name) -> tuple[str, tuple[str, ...]]:
    """A party's name and its hosts; the first DNS name and the subject must agree."""
    found = list(extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    texts = tuple(
        str(name.value) for name in found if isinstance(name, x509.DNSName | x509.IPAddress)
    )
    if not texts or len(texts) != len(found) or not isinstance(found[0], x509.DNSName):
        raise ValueError("its names must be DNS names and addresses, the party's name first")
    if subject != _common_name(texts[0]):
        raise ValueError(f"its subject is not {texts[0]!r}, its first DNS name")
    return texts[0], texts[1:]


def _hosts_problem(name: str, hosts: Sequence[str]) -> str | None:
    serves = role_of(name) is Role.COORDINATOR
    if serves and not hosts:
        return "the coordinator must name a host at which parties reach it; give --host"
    if hosts and not serves:
        return f"{name!r} may not name hosts; parties dial the coordinator alone"
    if len(hosts) > MAX_HOSTS:
        return f"{len(hosts)} hosts are too many; {MAX_HOSTS} are the limit"
    return next((problem for problem in map(host_problem, hosts) if problem), None)


def _common_name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _alternative_names(name: str, hosts: Sequence[str]) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName(
        [
            x509.DNSName(name),
            *(
                x509.IPAddress(ipaddress.ip_address(host))
                if is_address(host)
                else x509.DNSName(host)
                for host in hosts
            ),
        ]
    )


def _builder(
    subject: x509.Name, key: ec.EllipticCurvePublicKey, validity: Validity
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(validity.begins)
        .not_valid_after(validity.ends)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _usage(*, authority: bool) -> x509.KeyUsage:
    """An authority signs certificates and nothing else; a party signs handshakes."""
    return x509.KeyUsage(
        digital_signature=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
