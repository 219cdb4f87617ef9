import numpy as np
import pytest

from federation.crypto import he
from federation.crypto.cipher import CipherConfig, Scheme
from federation.crypto.ckks import CkksCipher
from federation.errors import MalformedError, SettingError
from tests.federation.crypto.summing import make_parties, some_values


def test_a_sum_is_close_over_many_ciphertexts() -> None:
    values = [np.clip(v, -2, 2) for v in some_values(2, (100, 64), seed=0)]

    total = make_parties(Scheme.CKKS).total(values)

    assert 0 < np.abs(total - sum(values)).max() < 3e-5


def test_values_are_clipped_and_counted() -> None:
    parties = make_parties(Scheme.CKKS, parties=1, clip=0.5)
    before = parties.encryptors[0].clipped

    total = parties.total([np.array([[0.25, 3.0, -3.0]], np.float32)])

    assert np.abs(total - [[0.25, 0.5, -0.5]]).max() < 3e-5
    assert parties.encryptors[0].clipped == before + 2


def test_a_range_that_would_wrap_is_refused() -> None:
    CkksCipher(config=CipherConfig(parties=8, clip=8.0))

    with pytest.raises(SettingError, match="smaller clip"):
        CkksCipher(config=CipherConfig(parties=8, clip=8.5))


def test_a_sum_no_partners_could_reach_is_refused() -> None:
    key_pair = make_parties(Scheme.CKKS).key_pair
    assert key_pair.secret is not None
    context = he.PublicContext.load(key_pair.public, parameters=key_pair.secret.parameters)
    payload = key_pair.fingerprint + context.encrypt(np.full(2048, 4.1))  # two clips are 4.0

    with pytest.raises(MalformedError, match="partners can reach"):
        make_parties(Scheme.CKKS).decryptor.decrypt((payload,), shape=(2, 2))


def test_the_caveat_names_the_recovered_key() -> None:
    assert "give back the whole secret key" in str(make_parties(Scheme.CKKS).cipher.caveat)
