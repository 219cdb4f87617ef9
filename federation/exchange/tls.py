"""What a party shows and trusts on the wire: its TLS key and certificate, and the authority."""

import hashlib
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from federation.errors import CertificateError


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsMaterial:
    """PEM bytes of one party.

    Args:
        key: its private key, without a passphrase.
        certificate: signed by the authority; its DNS name is the party's name.
        authority: the certificate of the federation's authority.
    """

    key: bytes = field(repr=False)
    certificate: bytes = field(repr=False)
    authority: bytes = field(repr=False)


def spki_pin(certificate: bytes) -> bytes:
    """SHA-256 of a PEM certificate's SubjectPublicKeyInfo (RFC 7469, section 2.4), 32 bytes.

    It is the same for every certificate of one key, so a certificate may be renewed.

    Raises:
        CertificateError: it is no certificate.
    """
    try:
        public = x509.load_pem_x509_certificate(certificate).public_key()
        info = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except ValueError as error:
        raise CertificateError("these bytes are no PEM certificate") from error
    return hashlib.sha256(info).digest()
