"""Points of Curve25519 for set intersection: hashing, checking, multiplying.

A point is its u-coordinate, 32 bytes little-endian (RFC 7748). Half of all
u-coordinates lie on the curve and half on its quadratic twist, and multiplication
never moves a point from one to the other: the class would survive blinding and tell
one bit of every identifier. So only points of the curve itself are made or accepted.

This module is loaded by every worker process, so it imports little.
"""

from collections.abc import Iterable
from hashlib import sha256
from itertools import count
from struct import iter_unpack

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from gmpy2 import jacobi, mpz

from federation.errors import InvalidPointError, MalformedError, TooLargeError

POINT_BYTES = 32

_PRIME = mpz(2) ** 255 - 19
_PRIME_BIG_ENDIAN = (2**255 - 19).to_bytes(POINT_BYTES, "big")
_A = mpz(486662)  # v² = u³ + A·u² + u, RFC 7748 §4.1
_LOW_255_BITS = mpz(2) ** 255 - 1
_DOMAIN = b"fedrecall psi v1"  # 16 bytes: with counter and a digest, one SHA-256 block

# Every canonical u whose point has an order dividing 8 on the curve or 4 on the twist;
# p - 1 and the rest of the twist's are refused as off the curve too.
# Source: Bernstein, "Curve25519: new Diffie-Hellman speed records", and
# https://cr.yp.to/ecdh.html#validate (whose other five entries are not canonical).
SMALL_ORDER = frozenset(
    int(u).to_bytes(POINT_BYTES, "little")
    for u in (
        0,
        1,
        325606250916557431795983626356110631294008115727848805560023387167927233504,
        39382357235489614581723060781553021112529911719440698176882885853963445705823,
        _PRIME - 1,
    )
)


def hash_to_curve(message: bytes) -> bytes:
    """Hash a message to a point whose logarithm nobody knows.

    SHA-256 of a counter and the message gives candidates; the first canonical one on
    the curve is taken, after two tries on average. The number of tries depends on the
    message, so it must not be observable by the peer: hash a whole set before sending.

    Args:
        message: an identifier bound to its job, any length.

    Returns:
        32 bytes: a canonical u-coordinate on the curve. (It has a small order with
        probability 2^-252, which is why that is not looked for.)
    """
    for attempt in count():  # pragma: no branch - it ends by the break alone
        digest = sha256(_DOMAIN + attempt.to_bytes(4, "little") + message).digest()
        u = mpz.from_bytes(digest, "little") & _LOW_255_BITS
        if u < _PRIME and jacobi(((u + _A) * u + 1) * u, _PRIME) == 1:
            break
    point: bytes = u.to_bytes(POINT_BYTES, "little")
    return point


def check_set(points: bytes, *, max_count: int) -> list[bytes]:
    """Split joined points, checking all that concerns the set as a whole.

    Args:
        points: the points joined, 32 bytes each.
        max_count: the most points there may be.

    Returns:
        The points in the order received, distinct, none of small order.

    Raises:
        TooLargeError: more than `max_count` points.
        MalformedError: no point at all, or a length that is no multiple of 32.
        InvalidPointError: a point is of small order or given twice.
    """
    if len(points) > max_count * POINT_BYTES:
        raise TooLargeError(f"{len(points)} bytes of points, at most {max_count} points agreed")
    if not points or len(points) % POINT_BYTES:
        raise MalformedError(f"{len(points)} bytes are not a whole number of points above 0")
    split = split_points(points)
    distinct = frozenset(split)
    if len(distinct) != len(split):
        raise InvalidPointError(f"{len(split) - len(distinct)} points are duplicates")
    if not SMALL_ORDER.isdisjoint(distinct):
        raise InvalidPointError("a point is of small order")
    return split


def check_canonical(points: Iterable[bytes]) -> None:
    """Refuse points whose top bit is set or whose u-coordinate is p or more.

    Raises:
        InvalidPointError: there is such a point.
    """
    # Big-endian byte strings compare as their numbers do; a set top bit is above p too.
    if any(point[::-1] >= _PRIME_BIG_ENDIAN for point in points):
        raise InvalidPointError("a point is not canonically encoded")


def check_on_curve(points: Iterable[bytes]) -> None:
    """Refuse points that are not canonical or lie on the twist.

    Raises:
        InvalidPointError: there is such a point.
    """
    for point in points:
        u = mpz.from_bytes(point, "little")
        if u >= _PRIME:
            raise InvalidPointError("a point is not canonically encoded")
        if jacobi(((u + _A) * u + 1) * u, _PRIME) != 1:
            raise InvalidPointError("a point is on the twist, not on the curve")


def multiply(points: Iterable[bytes], secret: bytes) -> list[bytes]:
    """Multiply points by one secret scalar.

    The scalar is clamped (RFC 7748 §5): a multiple of 8, so what comes out lies in the
    subgroup of prime order, whatever small component the point had.

    Args:
        points: 32-byte u-coordinates.
        secret: 32 random bytes.

    Returns:
        The products, in the same order; canonical.

    Raises:
        InvalidPointError: a point is of small order, so its product is zero.
    """
    exchange = X25519PrivateKey.from_private_bytes(secret).exchange
    load = X25519PublicKey.from_public_bytes
    try:
        return [exchange(load(point)) for point in points]
    except ValueError as error:
        raise InvalidPointError("a point is of small order") from error


def split_points(points: bytes) -> list[bytes]:
    """Split joined points into 32-byte points."""
    return [point for (point,) in iter_unpack(f"{POINT_BYTES}s", points)]
