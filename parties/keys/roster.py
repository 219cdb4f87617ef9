"""The roster: who takes part, in which role, under which public keys.

A card is one entry, as `fedrecall keys new` writes it. A roster is everyone's card in one file,
which is the same at every party. Partners are summed in the order in which they stand there.
"""

import base64
import binascii
import hashlib
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_ssh_public_key,
)

from parties.errors import RosterError
from parties.keys.files import read_file
from parties.keys.names import name_problem
from parties.keys.parsing import PARSING
from parties.role import Role

KEYS: Final = ("name", "role", "exchange", "tls", "node")
KEY_BYTES: Final = 32
PRIME: Final = 2**255 - 19  # RFC 7748: the field of X25519
HEX_SHA256: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class RosterEntry:
    """One party and its public keys.

    Args:
        name: the party's name.
        role: what it is in the run.
        exchange: X25519 public key, 32 bytes; frames between parties are sealed for it.
        tls_pin: SHA-256 of its TLS key's SubjectPublicKeyInfo, 32 bytes.
        node: its SuperNode's P-384 public key in OpenSSH's form; empty for the coordinator.
    """

    name: str
    role: Role
    exchange: bytes
    tls_pin: bytes
    node: str = ""

    def card(self) -> str:
        """The entry as it stands in a roster."""
        lines = [
            "[[party]]",
            f'name = "{self.name}"',
            f'role = "{self.role.value}"',
            f'exchange = "{base64.b64encode(self.exchange).decode()}"',
            f'tls = "{self.tls_pin.hex()}"',
        ]
        lines += [f'node = "{self.node}"'] if self.node else []
        return "\n".join(lines) + "\n"


@dataclass(frozen=True, slots=True)
class Roster:
    """Everyone who takes part: one coordinator, one item party and the partners."""

    entries: tuple[RosterEntry, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Every party, in the roster's order."""
        return tuple(entry.name for entry in self.entries)

    @property
    def partners(self) -> tuple[str, ...]:
        """The partners, in the order in which they are summed."""
        return tuple(entry.name for entry in self.entries if entry.role is Role.PARTNER)

    def entry(self, name: str) -> RosterEntry:
        """One party's entry.

        Raises:
            RosterError: nobody has this name.
        """
        for entry in self.entries:
            if entry.name == name:
                return entry
        raise RosterError(f"{name!r} is not on the roster; it has {', '.join(self.names)}")

    def identities(self) -> dict[str, bytes]:
        """X25519 public keys by party, 32 bytes each."""
        return {entry.name: entry.exchange for entry in self.entries}

    def pins(self) -> dict[str, bytes]:
        """SHA-256 of TLS keys by party, 32 bytes each."""
        return {entry.name: entry.tls_pin for entry in self.entries}

    def nodes(self) -> dict[str, str]:
        """SuperNodes' public keys by party, in OpenSSH's form; the coordinator has none."""
        return {entry.name: entry.node for entry in self.entries if entry.node}

    def text(self) -> str:
        """The roster as a file, cards one after the other."""
        return "\n".join(entry.card() for entry in self.entries)

    def fingerprint(self) -> bytes:
        """SHA-256 of what the entries say, 32 bytes; comments and blanks do not count."""
        return hashlib.sha256(self.text().encode()).digest()


def read_roster(path: Path) -> Roster:
    """Read and check a roster.

    Raises:
        KeysMissingError: the file is not there.
        RosterError: it is no roster; the message names file and entry.
    """
    return make_roster(read_entries(path), place=str(path))


def read_card(path: Path) -> RosterEntry:
    """Read and check the card of one party.

    Raises:
        KeysMissingError: the file is not there.
        RosterError: it is no card, or holds several.
    """
    entries = read_entries(path)
    if len(entries) != 1:
        raise RosterError(f"{path} holds {len(entries)} parties; a card is one")
    return entries[0]


def read_entries(path: Path) -> tuple[RosterEntry, ...]:
    """The entries of a roster or card, each checked by itself.

    Raises:
        KeysMissingError: the file is not there.
        RosterError: it is not TOML, or an entry is not complete.
    """
    try:
        top = tomllib.loads(read_file(path).decode("utf-8"))
    except UnicodeDecodeError as error:
        raise RosterError(f"{path} is not UTF-8") from error
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise RosterError(f"{path} is not valid TOML: {error}") from error
    for key in top:
        if key != "party":
            raise RosterError(f"{path}: unknown key {key!r}; a roster holds [[party]] only")
    parties = top.get("party", [])
    if not isinstance(parties, list) or not all(isinstance(values, dict) for values in parties):
        raise RosterError(f"{path}: 'party' must be written [[party]]")
    return tuple(_entry(f"{path}, party {n}", values) for n, values in enumerate(parties, start=1))


def make_roster(entries: Sequence[RosterEntry], *, place: str = "the roster") -> Roster:
    """Check that entries go together.

    Raises:
        RosterError: a name or key stands there twice, or a role is missing or doubled.
    """
    unique: dict[str, Callable[[RosterEntry], object]] = {
        "name": lambda entry: entry.name,
        "exchange": lambda entry: entry.exchange,
        "tls": lambda entry: entry.tls_pin,
        "node": lambda entry: entry.node or entry.name,  # the coordinator has none
    }
    for key, value in unique.items():
        seen: dict[object, int] = {}
        for number, entry in enumerate(entries, start=1):
            if first := seen.get(value(entry)):
                raise RosterError(
                    f"{place}: party {number} ({entry.name}) has the same {key} as party {first} "
                    f"({entries[first - 1].name}); every party needs its own"
                )
            seen[value(entry)] = number
    for role in (Role.COORDINATOR, Role.ITEM):
        count = sum(entry.role is role for entry in entries)
        if count != 1:  # two would have the same name, so only none comes here
            raise RosterError(f"{place}: the {role.value} party is missing; add its card")
    if not any(entry.role is Role.PARTNER for entry in entries):
        raise RosterError(f"{place}: at least one partner is needed; add its card")
    return Roster(tuple(entries))


def _entry(place: str, values: Mapping[str, Any]) -> RosterEntry:
    """One entry, checked by itself; `place` says where it stands."""
    name = values.get("name")
    if isinstance(name, str):
        place = f"{place} ({name[:40]!r})"
    for key, value in values.items():
        if key not in KEYS:
            raise RosterError(f"{place}: unknown key {key!r}; the keys are {', '.join(KEYS)}")
        if not isinstance(value, str):
            raise RosterError(f"{place}: {key!r} must be a string")
    role = _role(place, values)
    _require_keys(place, values, role)
    if problem := name_problem(values["name"], role):
        raise RosterError(f"{place}: {problem}")
    return RosterEntry(
        name=values["name"],
        role=role,
        exchange=_exchange(place, values["exchange"]),
        tls_pin=_tls_pin(place, values["tls"]),
        node=_node(place, values["node"]) if "node" in values else "",
    )


def _require_keys(place: str, values: Mapping[str, Any], role: Role) -> None:
    needed = KEYS[:-1] if role is Role.COORDINATOR else KEYS
    for key in needed:
        if key not in values:
            raise RosterError(f"{place}: key {key!r} is missing")
    if "node" in values and role is Role.COORDINATOR:
        raise RosterError(f"{place}: the coordinator runs no SuperNode and has no 'node' key")


def _role(place: str, values: Mapping[str, Any]) -> Role:
    try:
        return Role(values.get("role"))
    except ValueError:
        roles = ", ".join(role.value for role in Role)
        raise RosterError(f"{place}: 'role' must be one of {roles}") from None


def _exchange(place: str, text: str) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise RosterError(f"{place}: 'exchange' is not base64") from None
    if len(key) != KEY_BYTES or base64.b64encode(key).decode() != text:
        raise RosterError(f"{place}: 'exchange' must be {KEY_BYTES} bytes in base64")
    if int.from_bytes(key, "little") >= PRIME:
        raise RosterError(f"{place}: 'exchange' is no X25519 key in its usual form")
    try:
        X25519PrivateKey.generate().exchange(X25519PublicKey.from_public_bytes(key))
    except ValueError:
        raise RosterError(
            f"{place}: 'exchange' has a small order: nothing sealed for it is secret"
        ) from None
    return key


def _tls_pin(place: str, text: str) -> bytes:
    if not HEX_SHA256.fullmatch(text):
        raise RosterError(f"{place}: 'tls' must be 64 hexadecimal digits in lower case")
    return bytes.fromhex(text)


def _node(place: str, text: str) -> str:
    try:
        key = load_ssh_public_key(text.encode())
    except PARSING:
        raise RosterError(f"{place}: 'node' is no OpenSSH public key") from None
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP384R1):
        raise RosterError(f"{place}: 'node' must be a P-384 key, ecdsa-sha2-nistp384")
    if key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode() != text:
        raise RosterError(f"{place}: 'node' must be the kind and the key alone, without a comment")
    return text
