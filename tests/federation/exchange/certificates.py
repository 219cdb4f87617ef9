"""An authority and certificates for tests: made once, of keys that nothing else uses."""

import functools
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from federation.exchange.tls import TlsMaterial

DAY = timedelta(days=1)


@functools.cache
def key_of(name: str) -> ec.EllipticCurvePrivateKey:
    """The same key for the same name, within one test run."""
    return ec.generate_private_key(ec.SECP256R1())


def key_pem(name: str) -> bytes:
    return key_of(name).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def signed(
    name: str,
    *,
    key: str | None = None,
    authority: str = "authority",
    start: datetime | None = None,
    end: datetime | None = None,
) -> bytes:
    """A certificate for `name`, PEM; the key is its own unless another's is asked for."""
    now = datetime.now(UTC)
    is_authority = name == authority
    common = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, authority)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(common)
        .issuer_name(issuer)
        .public_key(key_of(key or name).public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start or now - DAY)
        .not_valid_after(end or now + DAY)
        .add_extension(x509.BasicConstraints(is_authority, None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key_of(authority), SHA256())
    )
    return certificate.public_bytes(Encoding.PEM)


@functools.cache
def authority_of(authority: str = "authority") -> bytes:
    return signed(authority, authority=authority)


@functools.cache
def material(name: str, *, authority: str = "authority") -> TlsMaterial:
    """What a party shows and trusts when all is well."""
    return TlsMaterial(
        key=key_pem(name),
        certificate=signed(name, authority=authority),
        authority=authority_of(authority),
    )
