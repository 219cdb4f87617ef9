"""Whose SuperNode calls at the gate: a node key of the roster, and a time that it signed now."""

import base64
import binascii
import datetime as dt
from collections.abc import Mapping
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_public_key,
    load_ssh_public_key,
)

from parties.keys.certificates import key_pin
from parties.keys.fingerprint import grouped

# Flower 1.41: flwr.common.constant and flwr.supercore.constant.
KEY_HEADER: Final = "flwr-public-key"
SIGNATURE_HEADER: Final = "flwr-signature"
TIME_HEADER: Final = "flwr-timestamp"
AHEAD_S: Final = 5.0
BEHIND_S: Final = 305.0
MAX_KEY_BYTES: Final = 1024
REFUSED: Final = 400


class RefusedError(Exception):
    """A call that is not passed on; it becomes the answer and a line in the log.

    Args:
        status: of the answer.
        problem: what is wrong and what to do, for the peer and for the log.
        party: whose key it came with, if that is known.
    """

    def __init__(self, status: int, problem: str, *, party: str | None = None) -> None:
        super().__init__(problem)
        self.status = status
        self.party = party


class Guards:
    """Knows the node keys of a roster."""

    def __init__(self, nodes: Mapping[str, str]) -> None:
        """Take party → node key in OpenSSH's form."""
        self._parties: dict[bytes, tuple[str, ec.EllipticCurvePublicKey]] = {}
        for party, text in nodes.items():
            key = load_ssh_public_key(text.encode())
            if isinstance(key, ec.EllipticCurvePublicKey):  # as every key of a roster is
                pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
                self._parties[pem] = party, key

    def admit(self, headers: Mapping[str, str], now: dt.datetime) -> str:
        """Whose node signed these headers just now.

        Raises:
            RefusedError: nobody's of the roster, or not now.
        """
        _refuse_twice(headers)
        given = _decoded(headers, KEY_HEADER)
        if given not in self._parties:
            raise RefusedError(REFUSED, _stranger(given))
        party, key = self._parties[given]
        signed = headers.get(TIME_HEADER, "")
        try:
            key.verify(_decoded(headers, SIGNATURE_HEADER), signed.encode(), ec.ECDSA(SHA256()))
            age_s = (now - dt.datetime.fromisoformat(signed)).total_seconds()
        except (InvalidSignature, ValueError, TypeError):
            raise RefusedError(
                REFUSED,
                f"the time is not signed with the node key of {party}",
                party=party,
            ) from None
        if not -AHEAD_S < age_s < BEHIND_S:
            raise RefusedError(REFUSED, _wrong_clock(party, age_s), party=party)
        return party


def _refuse_twice(headers: Mapping[str, str]) -> None:
    """A second proof behind the one that is checked would be the one that is passed on."""
    names = [name for name, _ in headers.items() if name.startswith("flwr-")]
    if len(names) != len(set(names)):
        raise RefusedError(REFUSED, "a header of Flower's stands twice in this call")


def _decoded(headers: Mapping[str, str], header: str) -> bytes:
    text = headers.get(header, "")
    try:
        value = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        value = b""
    if not value or len(value) > MAX_KEY_BYTES:
        raise RefusedError(403, f"no {header}: this port is for SuperNodes of the roster")
    return value


def _stranger(given: bytes) -> str:
    try:
        shown = grouped(key_pin(load_pem_public_key(given)))
    except (ValueError, UnsupportedAlgorithm):
        return "these bytes are no node key"
    return (
        f"the node key with the fingerprint {shown} is not on the coordinator's roster; put the "
        "party's present card on every roster and start the coordinator's node again"
    )


def _wrong_clock(party: str, age_s: float) -> str:
    side = "behind" if age_s > 0 else "ahead of"
    return (
        f"the clock of {party} is {abs(age_s):.0f} s {side} the coordinator's; enable NTP on both "
        "machines, as with: timedatectl set-ntp true"
    )
