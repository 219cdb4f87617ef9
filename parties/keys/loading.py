"""Loading a party's keys, and refusing those that could not be used or should not be."""

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_ssh_private_key,
)

from federation.crypto.sealing import Identity
from federation.exchange.tls import TlsMaterial
from parties.errors import KeyFormatError, KeyMismatchError
from parties.keys.certificates import (
    key_pin,
    read_certificate,
)
from parties.keys.files import Access, read_file
from parties.keys.folder import (
    AUTHORITY_CERTIFICATE,
    EXCHANGE_KEY,
    NODE_KEY,
    TLS_CERTIFICATE,
    TLS_KEY,
    TLS_REQUEST,
    mismatch,
    own_card,
    own_tls_key,
    read_private_key,
)
from parties.keys.parsing import PARSING
from parties.keys.roster import Roster, RosterEntry
from parties.keys.trust import check_authority, check_issued, check_time, time_warning
from parties.role import Role


@dataclass(frozen=True, slots=True, kw_only=True)
class PartyKeys:
    """All that a party proves its name with.

    Args:
        name: the party's name.
        role: what it is in the run.
        identity: its X25519 key, for frames between parties.
        tls: its key and certificate, and the authority's certificate.
        node_key: file of its SuperNode's key; None for the coordinator.
        card: its entry as it must stand on the roster.
        expires: when its certificate or the authority's ends, whichever is first, UTC.
        warnings: what must be seen to soon, a sentence each.
    """

    name: str
    role: Role
    identity: Identity
    tls: TlsMaterial
    node_key: Path | None
    card: RosterEntry
    expires: dt.datetime
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Certified:
    """A party's certificate and its authority's, checked against each other, key and clock."""

    certificate: x509.Certificate
    authority: x509.Certificate
    warnings: tuple[str, ...]

    @property
    def expires(self) -> dt.datetime:
        """When the first of the two ends, UTC."""
        return min(self.certificate.not_valid_after_utc, self.authority.not_valid_after_utc)


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """A party's secret keys, once they are those of its card."""

    identity: Identity
    node_key: Path | None


def load_keys(folder: Path, *, now: dt.datetime | None = None) -> PartyKeys:
    """Load a party's keys and check that all of them can be used now.

    Args:
        folder: the key folder.
        now: the time, with its zone; the machine's clock if None.

    Raises:
        KeysMissingError: a file is not there.
        ExposedKeyError: others may read a secret or change what is trusted.
        KeyFormatError: a file is damaged or of another kind.
        KeyMismatchError: card, keys and certificate are not of one making.
        OwnCertificateError: the certificate is another's, or its time is over or has not come.
    """
    card = own_card(folder)
    secrets = check_secrets(folder, card)
    certified = certificates_of(folder, card, now=now or dt.datetime.now(dt.UTC))
    return PartyKeys(
        name=card.name,
        role=card.role,
        identity=secrets.identity,
        tls=TlsMaterial(
            key=read_file(folder / TLS_KEY, Access.OWNER),
            certificate=read_file(folder / TLS_CERTIFICATE, Access.EVERYONE),
            authority=read_file(folder / AUTHORITY_CERTIFICATE, Access.EVERYONE),
        ),
        node_key=secrets.node_key,
        card=card,
        expires=certified.expires,
        warnings=certified.warnings,
    )


def check_on_roster(keys: PartyKeys, roster: Roster) -> None:
    """Refuse a roster that has another name, role or key for this party than its folder.

    Raises:
        RosterError: the party is not on the roster.
        KeyMismatchError: it is, with something else than its card says.
    """
    found = roster.entry(keys.name)
    for what, same in (
        ("role", found.role is keys.card.role),
        ("exchange", found.exchange == keys.card.exchange),
        ("tls", found.tls_pin == keys.card.tls_pin),
        ("node", found.node == keys.card.node),
    ):
        if not same:
            raise KeyMismatchError(
                f"the roster has another {what} for {keys.name!r} than its card.toml; "
                "give everyone a roster with the present card"
            )


def certificates_of(folder: Path, card: RosterEntry, *, now: dt.datetime) -> Certified:
    """The certificates of a key folder, if they fit its card, each other and the time.

    Raises:
        KeysError: they are missing or do not fit; the message says which file and why.
    """
    certificate = _read(folder, TLS_CERTIFICATE)
    authority = _read(folder, AUTHORITY_CERTIFICATE)
    places = (str(folder / TLS_CERTIFICATE), str(folder / AUTHORITY_CERTIFICATE))
    check_authority(authority, place=places[1])
    if key_pin(certificate.public_key()) != card.tls_pin:
        raise KeyMismatchError(
            f"{places[0]} is for another key than {TLS_KEY} beside it; let {TLS_REQUEST} be signed"
        )
    check_issued(certificate, authority, card.name, place=places[0])
    remedies = (
        f"let {folder / TLS_REQUEST} be signed again",
        "the run needs a new authority: fedrecall keys new --authority",
    )
    warnings = []
    for found, place, remedy in zip((certificate, authority), places, remedies, strict=True):
        check_time(found, now, place=place, remedy=remedy)
        if warning := time_warning(found, now, place=place):
            warnings.append(f"{warning}: {remedy}")
    return Certified(certificate=certificate, authority=authority, warnings=tuple(warnings))


def check_secrets(folder: Path, card: RosterEntry) -> Secrets:
    """The secret keys of a key folder, if its owner alone may read them and the card names them.

    Raises:
        KeysError: one is missing, exposed, damaged, of another kind or not the card's.
    """
    identity = Identity(read_exchange_key(folder / EXCHANGE_KEY))
    if identity.public != card.exchange:
        raise mismatch(folder, EXCHANGE_KEY)
    own_tls_key(folder, card)
    return Secrets(identity=identity, node_key=_node_key(folder, card))


def read_exchange_key(path: Path) -> X25519PrivateKey:
    """Read an X25519 key that its owner alone may read.

    Raises:
        KeysError: it is missing, exposed, damaged or of another kind.
    """
    key = read_private_key(path)
    if not isinstance(key, X25519PrivateKey):
        raise KeyFormatError(f"{path} must be an X25519 key")
    return key


def _read(folder: Path, name: str) -> x509.Certificate:
    hint = (
        f"send {quote(str(folder / TLS_REQUEST))} to the run's authority and put what "
        f"`fedrecall keys sign` makes of it here as {TLS_CERTIFICATE}, "
        f"its certificate as {AUTHORITY_CERTIFICATE}"
    )
    path = folder / name
    return read_certificate(read_file(path, Access.EVERYONE, hint=hint), place=str(path))


def _node_key(folder: Path, card: RosterEntry) -> Path | None:
    """The SuperNode's key file, absolute, once it is the P-384 key of the card."""
    if card.role is Role.COORDINATOR:
        return None
    path = folder / NODE_KEY
    data = read_file(path, Access.OWNER)
    try:
        key = load_ssh_private_key(data, None)
    except PARSING:
        raise KeyFormatError(f"{path} is no unencrypted private key in OpenSSH's form") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP384R1):
        raise KeyFormatError(f"{path} must be a P-384 key; Flower takes no other here")
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    if public.decode() != card.node:
        raise mismatch(folder, NODE_KEY)
    return path.resolve()
