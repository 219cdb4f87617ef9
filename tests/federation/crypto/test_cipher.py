"""The contract of `Cipher`, over every scheme."""

import copy
import pickle
from dataclasses import replace

import numpy as np
import pytest

from federation.crypto.cipher import (
    FINGERPRINT_BYTES,
    CipherConfig,
    KeyPair,
    Payloads,
    Scheme,
    fingerprint,
)
from federation.crypto.fixed_point import Rounding
from federation.crypto.schemes import CIPHERS, make_cipher
from federation.errors import (
    ForeignKeyError,
    MalformedError,
    PeerError,
    SettingError,
    TooLargeError,
)
from tests.federation.crypto.summing import make_parties, masks_of, some_values

SCHEMES = pytest.mark.parametrize("scheme", list(Scheme))
# The error of one value, in embedding units: half a level, CKKS's noise, a float's last place.
TOLERANCE = {Scheme.BFV: 2.0 / 32767 / 2 + 1e-6, Scheme.CKKS: 3e-5, Scheme.CLEAR: 1e-6}
SHAPE = (3, 5)


def contributions(scheme: Scheme) -> list[Payloads]:
    return make_parties(scheme).contributions(some_values(2, SHAPE, seed=0))


def test_no_scheme_lacks_a_cipher() -> None:
    assert set(CIPHERS) == set(Scheme)


@SCHEMES
def test_a_scheme_makes_its_own_cipher(scheme: Scheme) -> None:
    config = CipherConfig(parties=2, clip=1.0)
    cipher = make_cipher(scheme, config)

    assert cipher.scheme is scheme
    assert cipher.config == config


@SCHEMES
@pytest.mark.parametrize("parties", [1, 2, 4])
def test_the_sum_is_what_the_partners_hold_together(scheme: Scheme, parties: int) -> None:
    values = [np.clip(v, -2, 2) for v in some_values(parties, (70, 64), seed=parties)]

    total = make_parties(scheme, parties=parties).total(values)

    assert total.dtype == np.float32
    assert np.abs(total - sum(values)).max() <= parties * TOLERANCE[scheme]


@SCHEMES
def test_every_payload_begins_with_the_fingerprint(scheme: Scheme) -> None:
    parties = make_parties(scheme)
    sent = contributions(scheme)
    total = parties.adder.add(sent, shape=SHAPE)

    assert len(parties.key_pair.fingerprint) == FINGERPRINT_BYTES
    for payload in (*sent[0], *sent[1], *total):
        assert payload.startswith(parties.key_pair.fingerprint)


@SCHEMES
@pytest.mark.parametrize(
    "other",
    [
        CipherConfig(parties=3, clip=2.0),
        CipherConfig(parties=2, clip=1.0),
        CipherConfig(parties=2, clip=2.0, bits=12),
    ],
    ids=["parties", "clip", "bits"],
)
def test_the_fingerprint_names_key_and_settings(scheme: Scheme, other: CipherConfig) -> None:
    config = CipherConfig(parties=2, clip=2.0)
    own = fingerprint(scheme, config, public=b"key")

    assert own == fingerprint(scheme, replace(config), public=b"key")
    assert own != fingerprint(scheme, config, public=b"kez")
    assert own != fingerprint(scheme, other, public=b"key")
    for another in set(Scheme) - {scheme}:
        assert own != fingerprint(another, config, public=b"key")


@SCHEMES
def test_a_sum_under_another_key_is_refused(scheme: Scheme) -> None:
    parties = make_parties(scheme)
    foreign = make_parties(scheme, clip=1.5)
    sent = contributions(scheme)
    other = foreign.contributions(some_values(2, SHAPE, seed=1))

    with pytest.raises(ForeignKeyError, match="another key"):
        parties.adder.add([sent[0], other[1]], shape=SHAPE)
    with pytest.raises(ForeignKeyError, match="another key"):
        parties.decryptor.decrypt(foreign.adder.add(other, shape=SHAPE), shape=SHAPE)


@SCHEMES
def test_a_missing_or_extra_contribution_is_refused(scheme: Scheme) -> None:
    adder = make_parties(scheme).adder
    sent = contributions(scheme)

    for wrong in ([], sent[:1], [*sent, sent[0]]):
        with pytest.raises(MalformedError, match="2 are added"):
            adder.add(wrong, shape=SHAPE)


@SCHEMES
def test_contributions_checked_one_by_one_give_the_same_sum(scheme: Scheme) -> None:
    adder = make_parties(scheme).adder
    sent = contributions(scheme)
    checked = [adder.check(each, shape=SHAPE) for each in sent]

    assert adder.add_checked(checked) == adder.add(sent, shape=SHAPE)
    assert all("bodies" not in repr(each) for each in checked)


@SCHEMES
def test_checked_contributions_of_different_shapes_are_never_added(scheme: Scheme) -> None:
    adder = make_parties(scheme).adder
    first, second = contributions(scheme)
    checked = adder.check(first, shape=SHAPE)
    other = replace(adder.check(second, shape=SHAPE), shape=(SHAPE[1], SHAPE[0]))

    with pytest.raises(MalformedError, match="disagree on the rows"):
        adder.add_checked([checked, other])
    for wrong in ([], [checked], [checked] * 3):
        with pytest.raises(MalformedError, match="2 are added"):
            adder.add_checked(wrong)


@SCHEMES
def test_a_missing_or_extra_ciphertext_is_refused(scheme: Scheme) -> None:
    parties = make_parties(scheme)
    sent = contributions(scheme)
    total = parties.adder.add(sent, shape=SHAPE)

    with pytest.raises(MalformedError, match="0 ciphertexts"):
        parties.adder.add([sent[0], ()], shape=SHAPE)
    with pytest.raises(TooLargeError, match="2 ciphertexts"):
        parties.adder.add([sent[0], sent[1] * 2], shape=SHAPE)
    with pytest.raises(MalformedError, match="0 ciphertexts"):
        parties.decryptor.decrypt((), shape=SHAPE)
    with pytest.raises(TooLargeError, match="2 ciphertexts"):
        parties.decryptor.decrypt(total * 2, shape=SHAPE)


@SCHEMES
def test_truncated_payloads_are_refused(scheme: Scheme) -> None:
    parties = make_parties(scheme)
    sent = contributions(scheme)
    total = parties.adder.add(sent, shape=SHAPE)

    for payload, use in (
        (sent[1][0], lambda cut: parties.adder.add([sent[0], cut], shape=SHAPE)),
        (total[0], lambda cut: parties.decryptor.decrypt(cut, shape=SHAPE)),
    ):
        lengths = {0, 1, 15, 16, 17, 40, len(payload) // 2, len(payload) - 1}
        for length in lengths:
            with pytest.raises((MalformedError, ForeignKeyError)):
                use((payload[:length],))


@SCHEMES
def test_oversized_payloads_are_refused(scheme: Scheme) -> None:
    parties = make_parties(scheme)
    sent = contributions(scheme)
    oversized = (sent[1][0] + bytes(1 << 20),)

    with pytest.raises(TooLargeError):
        parties.adder.add([sent[0], oversized], shape=SHAPE)
    with pytest.raises(TooLargeError):
        parties.decryptor.decrypt(oversized, shape=SHAPE)


@SCHEMES
def test_random_bytes_under_the_right_fingerprint_are_refused(scheme: Scheme) -> None:
    parties = make_parties(scheme)
    sent = contributions(scheme)
    rng = np.random.default_rng(0)

    for length in (0, 10, 61, 1000, len(sent[0][0])):
        noise = (parties.key_pair.fingerprint + rng.bytes(length),)
        with pytest.raises(PeerError):
            parties.adder.add([sent[0], noise], shape=SHAPE)


@SCHEMES
def test_a_refused_contribution_changes_nothing(scheme: Scheme) -> None:
    parties = make_parties(scheme)
    values = some_values(2, SHAPE, seed=3)
    sent = parties.contributions(values)

    with pytest.raises(PeerError):
        parties.adder.add([sent[0], (b"",)], shape=SHAPE)
    total = parties.decryptor.decrypt(parties.adder.add(sent, shape=SHAPE), shape=SHAPE)

    clip = np.inf if scheme is Scheme.CLEAR else 2.0
    expected = sum(np.clip(v, -clip, clip) for v in values)
    assert np.abs(total - expected).max() <= 2 * TOLERANCE[scheme]


@SCHEMES
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_is_never_encrypted(scheme: Scheme, value: float) -> None:
    values = np.zeros(SHAPE, np.float32)
    values[2, 4] = value

    with pytest.raises(SettingError, match=r"\(2, 4\)"):
        make_parties(scheme).encryptors[0].encrypt(values, step=10**9)


@SCHEMES
@pytest.mark.parametrize(
    "values",
    [np.zeros(4, np.float32), np.zeros((0, 4), np.float32), np.zeros((2, 2), np.float64)],
    ids=["vector", "empty", "double"],
)
def test_what_is_no_float32_matrix_is_never_encrypted(scheme: Scheme, values: np.ndarray) -> None:
    with pytest.raises(SettingError, match="matrix"):
        make_parties(scheme).encryptors[0].encrypt(values, step=10**9)


@SCHEMES
@pytest.mark.parametrize("shape", [(0, 4), (4, 0), (-1, -4)])
def test_a_shape_without_values_is_refused(scheme: Scheme, shape: tuple[int, int]) -> None:
    parties = make_parties(scheme)
    sent = contributions(scheme)

    with pytest.raises(SettingError, match="no values"):
        parties.adder.add(sent, shape=shape)
    with pytest.raises(SettingError, match="no values"):
        parties.decryptor.decrypt(sent[0], shape=shape)


@SCHEMES
def test_a_key_pair_of_another_scheme_or_setting_is_refused(scheme: Scheme) -> None:
    cipher = make_parties(scheme).cipher
    foreign = [make_parties(s).key_pair for s in Scheme if s is not scheme]
    foreign.append(make_parties(scheme, clip=1.5).key_pair)

    for key_pair in foreign:
        with pytest.raises((ForeignKeyError, MalformedError)):
            cipher.decryptor(key_pair)


@SCHEMES
def test_a_public_key_that_is_cut_or_garbage_is_refused(scheme: Scheme) -> None:
    parties = make_parties(scheme)
    public = parties.key_pair.public

    for wrong in (b"", public[:-1], public[1:], bytes(len(public) + 1), bytes(10_000_000)):
        with pytest.raises(PeerError):
            parties.cipher.encryptor(wrong, None)
        with pytest.raises(PeerError):
            parties.cipher.adder(wrong)


@SCHEMES
def test_a_printed_party_shows_no_key(scheme: Scheme) -> None:
    parties = make_parties(scheme)

    for shown in map(repr, (parties.key_pair, parties.decryptor, parties.adder)):
        assert "secret" not in shown
        assert repr(parties.key_pair.public)[2:40] not in shown


@pytest.mark.parametrize("scheme", [Scheme.BFV, Scheme.CKKS])
def test_a_secret_key_is_never_copied_or_pickled(scheme: Scheme) -> None:
    key_pair = make_parties(scheme).key_pair

    for leave in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="never"):
            leave(key_pair.secret)
    with pytest.raises(TypeError, match="never"):
        pickle.dumps(key_pair)


@SCHEMES
def test_two_key_pairs_differ(scheme: Scheme) -> None:
    cipher = make_parties(scheme).cipher
    pairs: list[KeyPair] = [cipher.key_pair(), cipher.key_pair()]

    assert pairs[0].public != pairs[1].public
    assert pairs[0].fingerprint != pairs[1].fingerprint


@pytest.mark.parametrize(("parties", "clip", "bits"), [(0, 1.0, 16), (2, 0.0, 16), (2, 1.0, 9)])
def test_a_configuration_that_cannot_run_is_refused(parties: int, clip: float, bits: int) -> None:
    with pytest.raises(SettingError):
        CipherConfig(parties=parties, clip=clip, bits=bits)


@pytest.mark.parametrize("scheme", [Scheme.CKKS, Scheme.CLEAR])
def test_a_scheme_that_protects_less_says_so(scheme: Scheme) -> None:
    caveat = make_parties(scheme).cipher.caveat

    assert caveat is not None
    assert "coordinator and the item party" in caveat
    assert make_parties(Scheme.BFV).cipher.caveat is None


@pytest.mark.parametrize("scheme", [Scheme.CKKS, Scheme.CLEAR])
def test_masks_are_refused_where_they_could_not_cancel(scheme: Scheme) -> None:
    parties = make_parties(scheme)

    with pytest.raises(SettingError, match="masks"):
        parties.cipher.encryptor(parties.key_pair.public, masks_of(0, 2))


def test_rounding_is_each_partners_own_choice() -> None:
    nearest = CipherConfig(parties=2, clip=1.0)
    stochastic = replace(nearest, rounding=Rounding.STOCHASTIC)

    assert fingerprint(Scheme.BFV, nearest, public=b"") == fingerprint(
        Scheme.BFV, stochastic, public=b""
    )
