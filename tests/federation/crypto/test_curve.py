from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.crypto.curve import (
    POINT_BYTES,
    SMALL_ORDER,
    check_canonical,
    check_on_curve,
    check_set,
    hash_to_curve,
    multiply,
    split_points,
)
from federation.errors import InvalidPointError, MalformedError, TooLargeError


def check_points(points: bytes, *, max_count: int) -> None:
    """What is checked before points are multiplied: the set, and each of it by a worker."""
    check_on_curve(check_set(points, max_count=max_count))


# Spelled out again on purpose, with Euler's criterion in place of the Jacobi symbol.
PRIME = 2**255 - 19


def class_of(u: int) -> int:
    """1 on the curve, -1 on the twist, 0 where they meet."""
    symbol = pow(u**3 + 486662 * u**2 + u, (PRIME - 1) // 2, PRIME)
    return symbol - PRIME if symbol > 1 else symbol


def encode(u: int) -> bytes:
    return u.to_bytes(POINT_BYTES, "little")


def decode(point: bytes) -> int:
    return int.from_bytes(point, "little")


def first(fits: Callable[[int], bool], start: int = 1000) -> int:
    return next(u for u in range(start, start + 200) if fits(u))


ON_CURVE = encode(first(lambda u: class_of(u) == 1))
ON_TWIST = encode(first(lambda u: class_of(u) == -1))
POINTS = [hash_to_curve(bytes([i])) for i in range(8)]
GOLDEN_ANN = "44996f68a084f96fdc35cf27dda6debe42c90e6be0854fbc0b40cb0fa97c221b"
SCALARS = st.binary(min_size=32, max_size=32)


@settings(deadline=None)
@given(st.binary(max_size=80))
def test_every_hash_is_a_canonical_point_of_the_curve_itself(message: bytes) -> None:
    u = decode(hash_to_curve(message))
    assert u < PRIME
    assert class_of(u) == 1


@settings(deadline=None)
@given(st.binary(max_size=80), SCALARS)
def test_blinding_keeps_every_hash_in_the_same_class(message: bytes, secret: bytes) -> None:
    (blinded,) = multiply([hash_to_curve(message)], secret)
    assert class_of(decode(blinded)) == 1


def test_a_hash_is_a_function_of_its_message_alone() -> None:
    assert hash_to_curve(b"ann") == hash_to_curve(b"ann")
    assert len({hash_to_curve(b"%d" % i) for i in range(200)}) == 200


def test_a_hash_never_changes_between_versions() -> None:
    # Both parties must agree; a new way of hashing needs a new domain and a new value here.
    assert hash_to_curve(b"ann").hex() == GOLDEN_ANN


@settings(deadline=None)
@given(st.binary(max_size=40), SCALARS, SCALARS)
def test_two_secrets_may_be_applied_in_either_order(message: bytes, a: bytes, b: bytes) -> None:
    point = hash_to_curve(message)
    assert multiply(multiply([point], a), b) == multiply(multiply([point], b), a)


def test_multiplication_agrees_with_one_exchange_at_a_time() -> None:
    secret = bytes(range(32))
    key = X25519PrivateKey.from_private_bytes(secret)
    expected = [key.exchange(X25519PublicKey.from_public_bytes(p)) for p in POINTS]
    assert multiply(POINTS, secret) == expected


def test_good_points_pass() -> None:
    check_points(b"".join(POINTS), max_count=len(POINTS))
    assert split_points(b"".join(POINTS)) == POINTS


def test_a_twist_point_is_refused() -> None:
    with pytest.raises(InvalidPointError, match="twist"):
        check_points(ON_CURVE + ON_TWIST, max_count=2)


@pytest.mark.parametrize("excess", [0, 1, 9, 18])
def test_a_point_of_at_least_p_is_refused(excess: int) -> None:
    for check in (check_on_curve, check_canonical):
        with pytest.raises(InvalidPointError, match="canonical"):
            check([ON_CURVE, encode(PRIME + excess)])


def test_a_second_encoding_with_the_top_bit_set_is_refused() -> None:
    alias = ON_CURVE[:31] + bytes([ON_CURVE[31] | 0x80])
    assert multiply([alias], bytes(32)) == multiply([ON_CURVE], bytes(32))  # the danger
    with pytest.raises(InvalidPointError, match="canonical"):
        check_points(ON_CURVE + alias, max_count=2)


@pytest.mark.parametrize("point", sorted(SMALL_ORDER))
def test_a_point_of_small_order_is_refused(point: bytes) -> None:
    with pytest.raises(InvalidPointError, match="small order"):
        check_points(ON_CURVE + point, max_count=2)
    with pytest.raises(InvalidPointError, match="small order"):
        multiply([point], bytes(range(32)))


def test_the_list_of_small_orders_is_closed_under_doubling_and_halving() -> None:
    # u(2P) = (u² - 1)² / 4(u³ + A·u² + u), so 8 P = 0 for each, and every u that
    # doubles to 1 or to p - 1 is a root of one quartic the list must exhaust.
    def double(u: int) -> int | None:
        below = 4 * (u**3 + 486662 * u**2 + u) % PRIME
        return None if below == 0 else (u * u - 1) ** 2 * pow(below, -1, PRIME) % PRIME

    assert {decode(p) for p in SMALL_ORDER if double(decode(p)) is None} == {0}
    assert {decode(p) for p in SMALL_ORDER if double(decode(p)) == 0} == {1, PRIME - 1}
    eighth = {decode(p) for p in SMALL_ORDER if double(decode(p)) == 1}
    assert len(eighth) == 2
    assert {class_of(u) for u in eighth} == {1}
    assert class_of(PRIME - 1) == -1


def test_a_point_given_twice_is_refused_with_its_count() -> None:
    with pytest.raises(InvalidPointError, match="2 points are duplicates"):
        check_points(ON_CURVE * 3, max_count=3)


@pytest.mark.parametrize("length", [0, 1, 31, 33, 63])
def test_truncated_points_are_refused(length: int) -> None:
    with pytest.raises(MalformedError, match=f"{length} bytes"):
        check_points(b"".join(POINTS)[:length], max_count=8)


def test_more_points_than_agreed_are_refused() -> None:
    with pytest.raises(TooLargeError, match="at most 7 points"):
        check_points(b"".join(POINTS), max_count=7)


@settings(deadline=None)
@given(st.integers(0, 2**256 - 1))
def test_the_fast_check_agrees_with_eulers_criterion(u: int) -> None:
    usable = u < PRIME and class_of(u) == 1 and encode(u) not in SMALL_ORDER
    try:
        check_points(encode(u), max_count=1)
    except InvalidPointError:
        assert not usable
    else:
        assert usable
