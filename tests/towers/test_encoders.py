import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.towers.made import TASTES, checkerboard, taste_features
from towers.autoencoder import AutoencoderConfig, encode_dense
from towers.config import EncoderConfig, EncoderKind
from towers.encoders import fit_encoder, standardise, weigh
from towers.errors import ConfigError
from towers.features import Features, Floats


def mixed(rows: int, columns: int, numbers: int, seed: int) -> Features:
    rng = np.random.default_rng(seed)
    dense = rng.normal(5, 3, (rows, numbers)).astype(np.float32)
    dense[rng.random(dense.shape) < 0.2] = np.nan
    counts = rng.poisson(0.3, (rows, columns)).astype(np.float32)
    return Features(multi_hot=sp.csr_array(counts), dense=dense)


@settings(max_examples=30, deadline=None)
@given(
    rows=st.integers(1, 90),
    columns=st.integers(0, 70),
    numbers=st.integers(0, 3),
    width=st.integers(9, 40),
    kind=st.sampled_from([EncoderKind.AUTO, EncoderKind.SVD]),
)
def test_rows_are_short_and_end_in_the_constant_or_are_zero(
    rows: int, columns: int, numbers: int, width: int, kind: EncoderKind
) -> None:
    features = mixed(rows, columns, numbers, rows)
    phi = fit_encoder(features, EncoderConfig(width=width, kind=kind), seed=0)
    known = features.known()
    assert phi.shape == (rows, width)
    assert phi.dtype == np.float32
    assert np.isfinite(phi).all()
    assert np.linalg.norm(phi, axis=1).max(initial=0) <= 1
    assert (phi[known, -1] == 0.5).all()
    assert not phi[~known].any()


@pytest.mark.parametrize("kind", list(EncoderKind))
def test_the_same_seed_gives_the_same_columns(kind: EncoderKind) -> None:
    features = mixed(120, 80, 5, 1)
    config = EncoderConfig(kind=kind)
    first, second = (fit_encoder(features, config, seed=4) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_truncated_and_full_decompositions_agree() -> None:
    features = mixed(120, 100, 0, 2)
    narrow = fit_encoder(features, EncoderConfig(width=9, constant=0.5), seed=0)
    wide = fit_encoder(features, EncoderConfig(width=101, constant=0.5), seed=0)
    leading = wide[:, :8] / np.linalg.norm(wide[:, :8], axis=1, keepdims=True)
    np.testing.assert_allclose(narrow[:, :8], leading * np.sqrt(0.75), atol=1e-4)


def test_users_of_one_taste_lie_closer_than_others() -> None:
    rng = np.random.default_rng(0)
    _, taste = checkerboard(rng)
    phi = fit_encoder(taste_features(taste, rng), EncoderConfig(width=TASTES + 1), seed=0)
    alike = phi @ phi.T
    same = taste[:, None] == taste[None, :]
    assert alike[same].mean() > alike[~same].mean() + 0.3


def test_a_wide_dense_table_goes_through_the_autoencoder() -> None:
    rng = np.random.default_rng(0)
    hidden = rng.normal(size=(200, 3))
    dense = (hidden @ rng.normal(size=(3, 60))).astype(np.float32)
    phi = fit_encoder(Features.from_dense(dense), EncoderConfig(width=16), seed=0)
    fitted, *_ = np.linalg.lstsq(phi, hidden, rcond=None)
    unexplained = ((hidden - phi @ fitted) ** 2).sum() / (hidden**2).sum()
    assert np.any(phi[:, 10])
    assert unexplained < 0.5


def test_the_autoencoder_leaves_the_global_random_state_alone() -> None:
    dense = np.random.default_rng(0).normal(size=(50, 9)).astype(np.float32)
    config = AutoencoderConfig(code_dim=4, epochs=2)
    first, second, third = (encode_dense(dense, config, seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, third)


def test_standardised_columns_keep_where_values_are_missing() -> None:
    dense = np.array([[1, 7, 0], [3, 7, np.nan], [5, 7, 2]], np.float32)
    columns = standardise(dense)
    assert columns.shape == (3, 3)  # the column without any variation says nothing
    np.testing.assert_allclose(columns[:, 0], [-1.2247, 0, 1.2247], atol=1e-3)
    np.testing.assert_allclose(columns[:, 1:], [[-1, 0], [0, 1], [1, 0]], atol=1e-6)


def test_rare_columns_weigh_more() -> None:
    counts = sp.csr_array(np.array([[1.0, 1], [1, 0], [1, 0]]))
    plain, rare = weigh(counts, idf=False).toarray(), weigh(counts, idf=True).toarray()
    assert plain[0, 0] == plain[0, 1]
    assert rare[0, 1] > 100 * rare[0, 0]


def spread(phi: Floats) -> float:
    return float(phi[:, 0].std() / phi[:, 1].std())


def test_the_spectrum_exponent_weighs_the_components() -> None:
    features = mixed(150, 20, 0, 5)
    flat, steep = (
        fit_encoder(features, EncoderConfig(width=8, spectrum=power, idf=False), seed=0)
        for power in (0.0, 3.0)
    )
    assert np.abs(steep[:, 0]).mean() > 2 * np.abs(flat[:, 0]).mean()


def test_too_many_dense_columns_cannot_be_kept_as_they_are() -> None:
    dense = np.random.default_rng(0).normal(size=(20, 9)).astype(np.float32)
    config = EncoderConfig(width=4, kind=EncoderKind.STANDARDISE)
    with pytest.raises(ConfigError, match="9 standardised columns do not fit in 3"):
        fit_encoder(Features.from_dense(dense), config, seed=0)


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(ConfigError, match="width"):
        EncoderConfig(width=1)
    with pytest.raises(ConfigError, match="constant"):
        EncoderConfig(constant=1.0)
    with pytest.raises(ConfigError, match="sizes"):
        AutoencoderConfig(code_dim=0)
    with pytest.raises(ConfigError, match="corruption"):
        AutoencoderConfig(code_dim=1, corruption=1.0)
