"""A party's own identifiers, made comparable before they are hashed to the curve.

Both parties must run the same rules, or equal users would not meet: NFC, trimmed,
capped in length, and bound to one job so that two jobs cannot be linked.
"""

from collections.abc import Sequence
from hashlib import sha256
from unicodedata import normalize

from federation.errors import IdentifierError

MAX_LENGTH = 256  # bytes of UTF-8; an e-mail address has at most 254 (RFC 5321)

_DOMAIN = b"fedrecall identifiers v1"


def prepare(
    identifiers: Sequence[str],
    *,
    job_id: bytes,
    max_count: int,
    max_length: int = MAX_LENGTH,
) -> list[bytes]:
    """Normalise identifiers and bind them to one job.

    No error shows an identifier, because error texts end in logs.

    Args:
        identifiers: this party's identifiers, in any order.
        job_id: the name of the run both parties agreed on.
        max_count: how many identifiers a set may have; the peer refuses more.
        max_length: longest identifier after trimming, in bytes of UTF-8.

    Returns:
        One byte string per identifier, in the same order: a 32-byte prefix that
        names the job, then the identifier in UTF-8.

    Raises:
        IdentifierError: none or too many identifiers, or some of them are empty,
            too long, not encodable as UTF-8, or duplicates once normalised.
    """
    if not 1 <= len(identifiers) <= max_count:
        raise IdentifierError(
            f"{len(identifiers)} identifiers given, 1 to {max_count} are possible"
        )
    # A digest has a fixed length, so no job and identifier can run into another pair.
    prefix = sha256(_DOMAIN + job_id).digest()
    encoded = [_encoded(text) for text in identifiers]
    _refuse(sum(not name for name in encoded), len(encoded), "empty once trimmed")
    overlong = sum(len(name) > max_length for name in encoded)
    _refuse(overlong, len(encoded), f"longer than {max_length} bytes of UTF-8")
    repeated = len(encoded) - len(set(encoded))
    _refuse(repeated, len(encoded), "duplicates of another one after NFC and trimming")
    return [prefix + name for name in encoded]


def _encoded(text: str) -> bytes:
    if text.isascii():  # in normal form already, and most identifiers are
        return text.strip().encode()
    try:
        return normalize("NFC", text).strip().encode()
    except UnicodeEncodeError:
        # `from None`: the original error carries the identifier.
        raise IdentifierError("an identifier has no UTF-8 form (lone surrogate)") from None


def _refuse(count: int, total: int, fault: str) -> None:
    if count:
        raise IdentifierError(f"{count} of {total} identifiers are {fault}")
