"""The run's authority: the key that says which TLS key is whose.

It signs one certificate a party and nothing else. It is needed when parties join, rotate or renew,
never during a run, so its folder belongs on a machine that is otherwise off. What it has signed
stands in `signed.json` beside it, so a second key under a known name does not go through unseen.
"""

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from parties.errors import KeyFormatError, KeyMismatchError, KeysError, SigningRefusedError
from parties.keys.certificates import (
    Request,
    Signer,
    Validity,
    issue,
    key_pin,
    read_certificate,
    read_request,
    self_sign,
)
from parties.keys.files import Access, check_folder, fill_folder, read_file, write_file
from parties.keys.fingerprint import grouped, same_fingerprint
from parties.keys.folder import AUTHORITY_CERTIFICATE, read_tls_key
from parties.keys.trust import check_authority, check_time

AUTHORITY_KEY: Final = "authority.key"
INDEX: Final = "signed.json"
AUTHORITY_DAYS: Final = 1825
CERTIFICATE_DAYS: Final = 365
MAX_DAYS: Final = 7300
MAX_NAME_CHARACTERS: Final = 64  # RFC 5280, ub-common-name


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """One certificate that an authority has made; `tls` is the key's fingerprint."""

    name: str
    tls: str
    hosts: tuple[str, ...]
    serial: str  # hexadecimal
    expires: str  # ISO 8601, UTC


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a request is signed under.

    Args:
        days: how long the certificate holds.
        fingerprint: what the party said its key's fingerprint is; None if nobody asked.
        replace: whether a name that has a certificate for another key may get this one.
        now: the time, with its zone; the machine's clock if None.
    """

    days: int = CERTIFICATE_DAYS
    fingerprint: str | None = None
    replace: bool = False
    now: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class Authority:
    """An authority that was opened."""

    folder: Path
    signer: Signer

    @property
    def pin(self) -> bytes:
        """SHA-256 of its key, 32 bytes."""
        return key_pin(self.signer.key.public_key())

    @property
    def name(self) -> str:
        """What it calls itself."""
        found = self.signer.certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        return ", ".join(str(attribute.value) for attribute in found)

    @property
    def expires(self) -> dt.datetime:
        """When its own certificate ends, UTC."""
        return self.signer.certificate.not_valid_after_utc

    def signed(self) -> tuple[Signed, ...]:
        """Every certificate made so far, the newest last.

        Raises:
            KeyFormatError: the list is damaged.
        """
        path = self.folder / INDEX
        try:
            rows = json.loads(read_file(path, Access.EVERYONE))
            return tuple(_signed(row) for row in rows)
        except (ValueError, TypeError, KeyError) as error:
            raise KeyFormatError(f"{path} is damaged; restore it from a backup") from error

    def sign(self, request: Request, terms: Terms) -> bytes:
        """The PEM certificate for a request, which is written down first.

        Raises:
            SigningRefusedError: the fingerprint or the name forbids it.
            KeysError: the time asked for is out of range, or the disk refused.
        """
        signed = self.signed()
        _check_fingerprint(request, terms.fingerprint)
        _check_names(request, signed, replace=terms.replace)
        validity = self._validity(terms)
        certificate = issue(self.signer, request, validity)
        entry = Signed(
            name=request.name,
            tls=request.pin.hex(),
            hosts=request.hosts,
            serial=f"{certificate.serial_number:x}",
            expires=certificate.not_valid_after_utc.isoformat(),
        )
        write_file(self.folder / INDEX, _index((*signed, entry)), Access.EVERYONE)
        return certificate.public_bytes(Encoding.PEM)

    def _validity(self, terms: Terms) -> Validity:
        validity = _validity(terms.days, terms.now)
        own = self.signer.certificate
        # Not before the authority's own time: a fresh authority is backdated no further itself.
        begins = max(validity.begins, own.not_valid_before_utc)
        if validity.ends > own.not_valid_after_utc:
            left = (own.not_valid_after_utc - (validity.ends - dt.timedelta(days=terms.days))).days
            raise KeysError(
                f"the authority itself ends on {own.not_valid_after_utc:%Y-%m-%d}; "
                f"--days {left} is the most it can give"
            )
        return Validity(begins=begins, ends=validity.ends)


def make_authority(
    folder: Path, name: str, *, days: int = AUTHORITY_DAYS, now: dt.datetime | None = None
) -> Authority:
    """Make the key and the self-signed certificate of an authority.

    Raises:
        KeysExistError: there is one already.
        KeysError: the name or the time cannot be used, or the disk refused.
    """
    if not 1 <= len(name) <= MAX_NAME_CHARACTERS or not name.isprintable():
        raise KeysError(f"an authority's name has 1 to {MAX_NAME_CHARACTERS} printable characters")
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = self_sign(key, name, _validity(days, now))
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    fill_folder(
        folder,
        {
            AUTHORITY_KEY: (secret, Access.OWNER),
            AUTHORITY_CERTIFICATE: (certificate.public_bytes(Encoding.PEM), Access.EVERYONE),
            INDEX: (_index(()), Access.EVERYONE),
        },
    )
    return Authority(folder, Signer(certificate=certificate, key=key))


def open_authority(folder: Path, *, now: dt.datetime | None = None) -> Authority:
    """Open an authority's folder.

    Raises:
        KeysError: it is none, is open to others, or its time is over.
    """
    check_folder(folder)
    key = read_tls_key(folder / AUTHORITY_KEY)
    path = folder / AUTHORITY_CERTIFICATE
    certificate = read_certificate(read_file(path, Access.EVERYONE), place=str(path))
    check_authority(certificate, place=str(path))
    if key_pin(certificate.public_key()) != key_pin(key.public_key()):
        raise KeyMismatchError(f"{path} is for another key than {AUTHORITY_KEY} beside it")
    check_time(
        certificate,
        now or dt.datetime.now(dt.UTC),
        place=str(path),
        remedy="make a new one with: fedrecall keys new --authority",
    )
    return Authority(folder, Signer(certificate=certificate, key=key))


def sign_request(folder: Path, request: Path, terms: Terms) -> tuple[Request, bytes]:
    """Sign the request in a file; returns what was asked and the PEM certificate.

    Raises:
        KeysError: the authority cannot sign, or the request may not be signed.
    """
    authority = open_authority(folder, now=terms.now)
    asked = read_request(read_file(request), place=str(request))
    return asked, authority.sign(asked, terms)


def _check_fingerprint(request: Request, expected: str | None) -> None:
    if expected is not None and not same_fingerprint(expected, request.pin):
        raise SigningRefusedError(
            f"the request of {request.name!r} is for the key {grouped(request.pin)}, which is not "
            "the fingerprint given; call the party before anything else"
        )


def _check_names(request: Request, signed: tuple[Signed, ...], *, replace: bool) -> None:
    newest = {entry.name: entry for entry in signed}
    known = newest.get(request.name)
    if known is not None and known.tls != request.pin.hex() and not replace:
        raise SigningRefusedError(
            f"{request.name!r} has a certificate for the key {grouped(bytes.fromhex(known.tls))}; "
            "if the party says that it rotated its keys, sign with --replace"
        )
    for entry in newest.values():
        if entry.name == request.name:
            continue
        if clash := {request.name, *request.hosts} & {entry.name, *entry.hosts}:
            raise SigningRefusedError(
                f"the request of {request.name!r} names {min(clash)!r}, which stands in the "
                f"certificate of {entry.name!r}"
            )


def _validity(days: int, now: dt.datetime | None) -> Validity:
    if not 1 <= days <= MAX_DAYS:
        raise KeysError(f"--days {days} is out of range; 1 to {MAX_DAYS}")
    return Validity.from_now(now or dt.datetime.now(dt.UTC), days)


def _index(entries: tuple[Signed, ...]) -> bytes:
    return (json.dumps([asdict(entry) for entry in entries], indent=1) + "\n").encode()


def _signed(row: Mapping[str, Any]) -> Signed:
    texts = {key: row[key] for key in ("name", "tls", "serial", "expires")}
    hosts = tuple(row["hosts"])
    if not all(isinstance(text, str) for text in (*texts.values(), *hosts)):
        raise TypeError("only strings stand in the list")
    bytes.fromhex(texts["tls"])
    return Signed(hosts=hosts, **texts)
