"""Fingerprints: the values that people read to each other on the phone.

One party has one: SHA-256 of its TLS key's SubjectPublicKeyInfo, the same from its request, its
certificate, its card and its folder. A roster's covers all entries and so all other keys as well.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from cryptography.hazmat.primitives.serialization import load_pem_public_key, load_ssh_public_key

from parties.errors import KeyFormatError, KeysMissingError
from parties.keys.certificates import key_pin, read_certificate, read_request
from parties.keys.files import read_file
from parties.keys.folder import AUTHORITY_CERTIFICATE, CARD
from parties.keys.parsing import PARSING
from parties.keys.roster import make_roster, read_card, read_entries

GROUP: Final = 4  # hexadecimal digits that are read in one breath


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What was found in a file, and its fingerprint of 32 bytes."""

    kind: str
    value: bytes


def grouped(value: bytes) -> str:
    """A fingerprint as people read it."""
    digits = value.hex()
    return " ".join(digits[start : start + GROUP] for start in range(0, len(digits), GROUP))


def same_fingerprint(said: str, value: bytes) -> bool:
    """Whether what a person typed is this fingerprint; blanks, colons and case do not count."""
    return "".join(said.replace(":", "").split()).lower() == value.hex()


def fingerprint(path: Path) -> Fingerprint:
    """The fingerprint of a certificate, request, public key, card, roster or key folder.

    Raises:
        KeysError: the file is none of these, or damaged.
    """
    if path.is_dir():
        return _of_folder(path)
    data = read_file(path)
    for mark, read in _KINDS.items():
        if mark in data:
            return read(path, data)
    raise KeyFormatError(f"{path} is no certificate, request, public key, card or roster")


def _of_folder(folder: Path) -> Fingerprint:
    if (folder / CARD).exists():
        return fingerprint(folder / CARD)
    if (folder / AUTHORITY_CERTIFICATE).exists():
        return fingerprint(folder / AUTHORITY_CERTIFICATE)
    raise KeysMissingError(f"{folder} holds neither a party's keys nor an authority's")


def _of_secret(path: Path, data: bytes) -> Fingerprint:
    del data
    raise KeyFormatError(f"{path} is a secret key; give its folder or something public")


def _of_certificate(path: Path, data: bytes) -> Fingerprint:
    return Fingerprint(
        "certificate", key_pin(read_certificate(data, place=str(path)).public_key())
    )


def _of_request(path: Path, data: bytes) -> Fingerprint:
    found = read_request(data, place=str(path))
    return Fingerprint(f"certificate request of {found.name}", found.pin)


def _of_public_key(path: Path, data: bytes) -> Fingerprint:
    load = load_pem_public_key if data.startswith(b"-----") else load_ssh_public_key
    try:
        return Fingerprint("public key", key_pin(load(data)))
    except PARSING as error:
        raise KeyFormatError(f"{path} is no public key: {error}") from error


def _of_entries(path: Path, data: bytes) -> Fingerprint:
    del data
    if len(entries := read_entries(path)) == 1:
        card = read_card(path)
        return Fingerprint(f"card of {card.name}", card.tls_pin)
    return Fingerprint("roster", make_roster(entries, place=str(path)).fingerprint())


_KINDS: Final[Mapping[bytes, Callable[[Path, bytes], Fingerprint]]] = MappingProxyType(
    {
        b"PRIVATE KEY-----": _of_secret,
        b"-----BEGIN CERTIFICATE-----": _of_certificate,
        b"-----BEGIN CERTIFICATE REQUEST-----": _of_request,
        b"-----BEGIN PUBLIC KEY-----": _of_public_key,
        b"[[party]]": _of_entries,
        b"ecdsa-sha2-": _of_public_key,
    }
)
