"""A party's key folder: making its keys, its request and its card, and rotating them.

| file | | what it is |
|---|---|---|
| exchange.key | secret | X25519, PKCS #8: seals frames between parties |
| tls.key | secret | P-256, PKCS #8: both ends of TLS |
| node.key | secret | P-384, OpenSSH: by which Flower knows the node; not the coordinator's |
| node.pub, tls.csr, card.toml | public | what the others need |
| tls.crt, authority.crt | public | what comes back from the run's authority |
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from shlex import quote
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from parties.errors import KeyFormatError, KeyMismatchError, KeysError
from parties.keys.certificates import Request, is_curve, key_pin, make_request, read_request
from parties.keys.files import (
    FOLDER_MODE,
    Access,
    check_folder,
    fill_folder,
    read_file,
    write_file,
)
from parties.keys.names import name_problem
from parties.keys.parsing import PARSING
from parties.keys.roster import RosterEntry, read_card
from parties.role import Role

EXCHANGE_KEY: Final = "exchange.key"
TLS_KEY: Final = "tls.key"
TLS_REQUEST: Final = "tls.csr"
TLS_CERTIFICATE: Final = "tls.crt"
AUTHORITY_CERTIFICATE: Final = "authority.crt"
NODE_KEY: Final = "node.key"
NODE_PUBLIC: Final = "node.pub"
CARD: Final = "card.toml"
# What a rotation replaces; the authority stays the same.
ROTATED: Final = (
    EXCHANGE_KEY,
    TLS_KEY,
    TLS_REQUEST,
    TLS_CERTIFICATE,
    NODE_KEY,
    NODE_PUBLIC,
    CARD,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewParty:
    """Whom keys are made for.

    Args:
        name: the party's name.
        role: what it is in the run; the coordinator and the item party are called by their role.
        hosts: host names and addresses at which a coordinator is reached.
    """

    name: str
    role: Role
    hosts: Sequence[str] = ()


def make_keys(folder: Path, party: NewParty) -> RosterEntry:
    """Make all keys of a party in `folder`, which is made if it is missing.

    Raises:
        KeysExistError: there are keys already.
        KeysError: name or host cannot be used, or the disk refused.
    """
    if problem := name_problem(party.name, party.role):
        raise KeysError(problem)
    entry, files = _fresh(party)
    fill_folder(folder, files)
    return entry


def rotate_keys(
    folder: Path, *, hosts: Sequence[str] | None = None, now: dt.datetime | None = None
) -> tuple[RosterEntry, Path]:
    """Make new keys of the same party and put the old ones aside.

    Args:
        folder: the key folder.
        hosts: those of a coordinator; None keeps those it had.
        now: the time, which names the folder of the old keys.

    Returns:
        The new card, and the folder in which the old keys are.

    Raises:
        KeysError: there is no party in the folder, or the disk refused.
    """
    card = own_card(folder)
    names = request_of(folder).hosts if hosts is None else hosts
    entry, files = _fresh(NewParty(name=card.name, role=card.role, hosts=names))
    fresh = folder / f".new-{token_hex(4)}"
    fill_folder(fresh, files)
    old = folder / f"old-{now or dt.datetime.now(dt.UTC):%Y%m%dT%H%M%S}-{token_hex(2)}"
    _exchange(folder, old, fresh)
    return entry, old


def _exchange(folder: Path, old: Path, fresh: Path) -> None:
    """Move present keys to `old`, which is made, and those of `fresh` to where they were."""
    try:
        old.mkdir(mode=FOLDER_MODE)
        for path in [folder / name for name in ROTATED]:
            if path.exists():
                path.rename(old / path.name)
        for path in list(fresh.iterdir()):
            path.rename(folder / path.name)
        fresh.rmdir()
    except OSError as error:
        raise KeysError(
            f"{folder}: rotation stopped: {error.strerror}; old keys are in {old}, new ones in "
            f"{fresh}; move one set back by hand"
        ) from error


def renew_request(folder: Path, *, hosts: Sequence[str]) -> None:
    """Write `tls.csr` anew under the same key, for these hosts.

    Raises:
        KeysError: the folder has no usable TLS key, or the party may not name these hosts.
    """
    card = own_card(folder)
    request = make_request(own_tls_key(folder, card), card.name, hosts)
    write_file(folder / TLS_REQUEST, request, Access.EVERYONE)


def own_card(folder: Path) -> RosterEntry:
    """The card of a key folder.

    Raises:
        KeysError: the folder or its card is missing, open to others or damaged.
    """
    check_folder(folder)
    read_file(folder / CARD, Access.EVERYONE, hint="make keys with: fedrecall keys new")
    return read_card(folder / CARD)


def own_tls_key(folder: Path, card: RosterEntry) -> ec.EllipticCurvePrivateKey:
    """The TLS key of a key folder, if it is the one that its card names.

    Raises:
        KeysError: it is not, or cannot be used.
    """
    key = read_tls_key(folder / TLS_KEY)
    if key_pin(key.public_key()) != card.tls_pin:
        raise mismatch(folder, TLS_KEY)
    return key


def mismatch(folder: Path, name: str) -> KeyMismatchError:
    """The error for a secret key that is not the one on the card beside it."""
    return KeyMismatchError(
        f"{folder / name} is not the key that {CARD} beside it names; put both back from one "
        "backup, or make new keys with: fedrecall keys new --rotate"
    )


def request_of(folder: Path) -> Request:
    """The certificate request of a key folder.

    Raises:
        KeysError: there is none, or it is damaged.
    """
    path = folder / TLS_REQUEST
    hint = f"make it anew with: fedrecall keys csr {quote(str(folder))}"
    return read_request(read_file(path, hint=hint), place=str(path))


def read_tls_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """Read a P-256 key that its owner alone may read.

    Raises:
        KeysError: it is missing, exposed, damaged or of another kind.
    """
    key = read_private_key(path)
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not is_curve(key, ec.SECP256R1):
        raise KeyFormatError(f"{path} must be a P-256 key")
    return key


def read_private_key(path: Path) -> object:
    """Read an unencrypted PKCS #8 key that its owner alone may read.

    Raises:
        KeysError: it is missing, exposed or damaged.
    """
    data = read_file(path, Access.OWNER)
    try:
        return load_pem_private_key(data, None)
    except PARSING:
        # Without the cause: parsers may quote what they read.
        raise KeyFormatError(f"{path} is no unencrypted private key in PEM") from None


def _fresh(party: NewParty) -> tuple[RosterEntry, Mapping[str, tuple[bytes, Access]]]:
    """New keys: the card and the files, the card last, as it says that all others are there."""
    exchange = X25519PrivateKey.generate()
    tls = ec.generate_private_key(ec.SECP256R1())
    files = {
        EXCHANGE_KEY: (_pkcs8(exchange), Access.OWNER),
        TLS_KEY: (_pkcs8(tls), Access.OWNER),
        TLS_REQUEST: (make_request(tls, party.name, party.hosts), Access.EVERYONE),
    }
    node = ""
    if party.role is not Role.COORDINATOR:
        secret = ec.generate_private_key(ec.SECP384R1())
        public = secret.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
        node = public.decode()
        files[NODE_KEY] = (
            secret.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()),
            Access.OWNER,
        )
        files[NODE_PUBLIC] = (public + b"\n", Access.EVERYONE)
    entry = RosterEntry(
        name=party.name,
        role=party.role,
        exchange=exchange.public_key().public_bytes_raw(),
        tls_pin=key_pin(tls.public_key()),
        node=node,
    )
    files[CARD] = (entry.card().encode(), Access.EVERYONE)
    return entry, files


def _pkcs8(key: X25519PrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
