"""Whether a certificate can be relied on: whose it is, who signed it, and when it holds."""

import datetime as dt
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec

from parties.errors import (
    CertificateExpiredError,
    CertificateNotYetValidError,
    OwnCertificateError,
)
from parties.keys.certificates import certified_names, is_curve
from parties.keys.parsing import PARSING

WARNING_DAYS: Final = 30


def check_authority(certificate: x509.Certificate, *, place: str) -> None:
    """Refuse a certificate that is not a self-signed authority's.

    Raises:
        OwnCertificateError: it is none.
    """
    try:
        limits = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    except PARSING:
        limits = x509.BasicConstraints(ca=False, path_length=None)
    if not limits.ca or not _signed_by(certificate, certificate):
        raise OwnCertificateError(f"{place} is no authority's certificate")
    if not is_curve(certificate.public_key(), ec.SECP256R1):
        raise OwnCertificateError(f"{place} is for a key that is not P-256")


def check_issued(
    certificate: x509.Certificate, authority: x509.Certificate, name: str, *, place: str
) -> None:
    """Refuse a party's certificate of another authority or for another name.

    Raises:
        OwnCertificateError: it is one.
    """
    if not _signed_by(certificate, authority):
        raise OwnCertificateError(
            f"{place} was not signed by the authority of authority.crt beside it; "
            "get both files from the same authority"
        )
    found = certified_names(certificate, place=place)[0]
    if found != name:
        raise OwnCertificateError(f"{place} is for {found!r}, and these keys are {name!r}'s")


def check_time(
    certificate: x509.Certificate, now: dt.datetime, *, place: str, remedy: str
) -> None:
    """Refuse a certificate before and after its time.

    Raises:
        CertificateExpiredError: its time is over.
        CertificateNotYetValidError: its time has not come.
    """
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if now >= ends:
        raise CertificateExpiredError(f"{place} expired on {ends:%Y-%m-%d %H:%M} UTC; {remedy}")
    if now < begins:
        raise CertificateNotYetValidError(
            f"{place} is valid from {begins:%Y-%m-%d %H:%M} UTC and this machine's clock says "
            f"{now:%Y-%m-%d %H:%M} UTC; set the clock"
        )


def time_warning(certificate: x509.Certificate, now: dt.datetime, *, place: str) -> str | None:
    """A sentence when a certificate ends within 30 days; None when it does not."""
    left = certificate.not_valid_after_utc - now
    if left >= dt.timedelta(days=WARNING_DAYS):
        return None
    ends = certificate.not_valid_after_utc
    return f"{place} expires on {ends:%Y-%m-%d %H:%M} UTC, in {left.days} days; renew it"


def _signed_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (*PARSING, InvalidSignature):
        return False
    return True
