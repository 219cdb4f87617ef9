import hashlib
import hmac
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from federation.crypto.sealing import (
    TAG_BYTES,
    Identity,
    Introduction,
    Opener,
    PairKeys,
    Sealer,
    derive_pair_keys,
)
from federation.errors import MalformedError, ReplayedError, TamperedError

CONTEXT = b"job and settings"
KEY = bytes(range(32))
# Points of small order on Curve25519 and its twist, as u-coordinates (RFC 7748, section 6.1, and
# Bernstein's list), canonical or not.
LOW_ORDER = [
    bytes(32),
    (1).to_bytes(32, "little"),
    bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
    bytes.fromhex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
    (2**255 - 20).to_bytes(32, "little"),
    (2**255 - 19).to_bytes(32, "little"),
    (2**255 - 18).to_bytes(32, "little"),
]


def key(seed: str) -> Identity:
    return Identity(X25519PrivateKey.from_private_bytes(hashlib.sha256(seed.encode()).digest()))


class End:
    """A party with a long-term key and the key of one session, both from fixed seeds."""

    def __init__(self, name: str, session: int = 0) -> None:
        self.name = name
        self.identity = key(name)
        self.ephemeral = key(f"{name} in session {session}")

    @property
    def introduction(self) -> Introduction:
        return Introduction(self.name, self.identity.public, self.ephemeral.public)

    def keys_with(self, peer: Introduction, context: bytes = CONTEXT) -> PairKeys:
        return derive_pair_keys(self.identity, self.ephemeral, self.name, peer, context=context)


ITEM, SOCIAL = End("item"), End("social")


def joined() -> tuple[Sealer, Opener]:
    sending = ITEM.keys_with(SOCIAL.introduction).sending
    receiving = SOCIAL.keys_with(ITEM.introduction).receiving
    return Sealer(sending), Opener(receiving)


def all_of(keys: PairKeys) -> set[bytes]:
    return {keys.sending, keys.receiving, keys.mask}


def test_both_ends_derive_the_same_keys_crosswise() -> None:
    ours = ITEM.keys_with(SOCIAL.introduction)
    theirs = SOCIAL.keys_with(ITEM.introduction)

    assert ours.sending == theirs.receiving
    assert ours.receiving == theirs.sending
    assert ours.mask == theirs.mask
    assert len(all_of(ours)) == 3
    assert all(len(each) == 32 for each in all_of(ours))


def test_the_keys_are_those_of_the_slow_obvious_formula() -> None:
    def dh(one: str, other: str) -> bytes:
        private = X25519PrivateKey.from_private_bytes(hashlib.sha256(one.encode()).digest())
        return private.exchange(X25519PublicKey.from_public_bytes(key(other).public))

    first, second = ("item", "item in session 0"), ("social", "social in session 0")
    secret = (
        dh(first[1], second[1])
        + dh(first[0], second[0])
        + dh(first[1], second[0])
        + dh(first[0], second[1])
    )
    info = b"fedrecall pair keys 2"
    for static, session in (first, second):
        info += bytes([len(static)]) + static.encode() + key(static).public + key(session).public
    extracted = hmac.digest(CONTEXT, secret, "sha256")
    block, derived = b"", b""
    for number in (1, 2, 3):
        block = hmac.digest(extracted, block + info + bytes([number]), "sha256")
        derived += block

    keys = ITEM.keys_with(SOCIAL.introduction)
    assert keys.sending + keys.receiving + keys.mask == derived


@pytest.mark.parametrize(
    "changed",
    [
        replace(SOCIAL.introduction, name="sociak"),
        replace(SOCIAL.introduction, identity=key("mallory").public),
        replace(SOCIAL.introduction, ephemeral=key("mallory").public),
        # X25519 ignores the top bit, so the agreement is the same; the keys must not be.
        replace(
            SOCIAL.introduction,
            ephemeral=SOCIAL.ephemeral.public[:31] + bytes([SOCIAL.ephemeral.public[31] | 128]),
        ),
    ],
    ids=["name", "identity", "session key", "top bit"],
)
def test_a_changed_introduction_gives_other_keys(changed: Introduction) -> None:
    theirs = SOCIAL.keys_with(ITEM.introduction)

    assert all_of(ITEM.keys_with(changed)).isdisjoint(all_of(theirs))


def test_another_context_gives_other_keys() -> None:
    ours = ITEM.keys_with(SOCIAL.introduction)
    theirs = SOCIAL.keys_with(ITEM.introduction, context=b"other settings")

    assert all_of(ours).isdisjoint(all_of(theirs))


def test_another_session_gives_other_keys() -> None:
    before = ITEM.keys_with(SOCIAL.introduction)
    after = End("item", session=1).keys_with(End("social", session=1).introduction)

    assert all_of(before).isdisjoint(all_of(after))


def test_every_pair_has_keys_of_its_own() -> None:
    video = End("video")

    assert all_of(ITEM.keys_with(SOCIAL.introduction)).isdisjoint(
        all_of(ITEM.keys_with(video.introduction))
    )


@pytest.mark.parametrize("point", LOW_ORDER, ids=lambda p: p[:3].hex())
def test_a_public_key_of_small_order_is_refused(point: bytes) -> None:
    with pytest.raises(MalformedError, match="32 bytes and full order"):
        ITEM.identity.agree(point)
    with pytest.raises(MalformedError):
        ITEM.keys_with(replace(SOCIAL.introduction, ephemeral=point))
    with pytest.raises(MalformedError):
        ITEM.keys_with(replace(SOCIAL.introduction, identity=point))


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_a_public_key_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(MalformedError):
        ITEM.identity.agree(bytes(length))


def test_generated_identities_differ() -> None:
    assert Identity.generate().public != Identity.generate().public


def test_printed_keys_show_nothing_secret() -> None:
    keys = ITEM.keys_with(SOCIAL.introduction)
    text = repr(keys) + repr(Sealer(KEY)) + repr(Opener(KEY)) + repr(ITEM.identity)

    for secret in (*all_of(keys), KEY, hashlib.sha256(b"item").digest()):
        assert secret.hex() not in text
        assert repr(secret)[2:-1] not in text


@given(st.lists(st.tuples(st.binary(max_size=300), st.binary(max_size=50)), max_size=6))
def test_bodies_open_in_the_order_they_were_sealed(bodies: list[tuple[bytes, bytes]]) -> None:
    sealer, opener = joined()

    for number, (body, header) in enumerate(bodies):
        assert sealer.next_counter == number
        sealed = sealer.seal(body, header)
        assert len(sealed) == len(body) + TAG_BYTES
        assert opener.open(number, sealed, header) == body


def test_the_same_body_is_never_sealed_to_the_same_bytes() -> None:
    sealer = Sealer(KEY)
    sealed = [sealer.seal(b"the same body", b"header") for _ in range(200)]

    assert len(set(sealed)) == len(sealed)
    assert sealed[0] != Sealer(bytes(32)).seal(b"the same body", b"header")


@given(st.binary(max_size=40), st.binary(max_size=20), st.data())
def test_any_changed_bit_is_refused_and_the_right_body_still_opens(
    body: bytes, header: bytes, data: st.DataObject
) -> None:
    sealer, opener = joined()
    sealed = sealer.seal(body, header)
    whole = bytearray(header + sealed)
    where = data.draw(st.integers(0, 8 * len(whole) - 1))
    whole[where // 8] ^= 1 << where % 8

    with pytest.raises(TamperedError, match="frame 0 fails its authentication"):
        opener.open(0, bytes(whole[len(header) :]), bytes(whole[: len(header)]))

    assert opener.open(0, sealed, header) == body


def test_a_body_cut_short_is_refused_and_the_right_one_still_opens() -> None:
    sealer, opener = joined()
    sealed = sealer.seal(b"body", b"header")

    for end in range(len(sealed)):
        with pytest.raises(TamperedError):
            opener.open(0, sealed[:end], b"header")
    with pytest.raises(TamperedError):
        opener.open(0, sealed + b"\x00", b"header")

    assert opener.open(0, sealed, b"header") == b"body"


def test_bytes_moved_between_header_and_body_are_refused() -> None:
    sealer, opener = joined()
    sealed = sealer.seal(b"body", b"header")

    with pytest.raises(TamperedError):
        opener.open(0, sealed, b"heade")


def test_a_replayed_body_is_refused() -> None:
    sealer, opener = joined()
    first, second = (sealer.seal(body, b"") for body in (b"first", b"second"))
    opener.open(0, first, b"")

    with pytest.raises(ReplayedError, match="frame 0 arrived where frame 1 was due"):
        opener.open(0, first, b"")
    with pytest.raises(TamperedError):
        opener.open(1, first, b"")

    assert opener.open(1, second, b"") == b"second"


def test_a_body_that_overtook_another_is_refused_until_its_turn() -> None:
    sealer, opener = joined()
    first, second = (sealer.seal(body, b"") for body in (b"first", b"second"))

    with pytest.raises(ReplayedError, match="frame 1 arrived where frame 0 was due"):
        opener.open(1, second, b"")

    assert opener.open(0, first, b"") == b"first"
    assert opener.open(1, second, b"") == b"second"


def test_a_body_sent_back_to_its_sender_does_not_open() -> None:
    keys = ITEM.keys_with(SOCIAL.introduction)
    sealed = Sealer(keys.sending).seal(b"body", b"")

    with pytest.raises(TamperedError):
        Opener(keys.receiving).open(0, sealed, b"")
