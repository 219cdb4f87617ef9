"""A party's static encoder: its own features, reduced to a few columns on its own data alone.

The output of an encoder is fixed before the federation starts. Its last column is a constant for
every row the party knows (the bias of a projection is that column's weights), a row it does not
know is zero, and no row is longer than 1, which bounds what one user adds to a batch gradient.
"""

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import svds

from towers.autoencoder import AutoencoderConfig, encode_dense
from towers.config import EncoderConfig, EncoderKind
from towers.errors import ConfigError
from towers.features import Features, Floats


def fit_encoder(features: Features, config: EncoderConfig, *, seed: int) -> Floats:
    """Encode every row, using nothing but the rows themselves.

    Args:
        features: n rows.
        config: the encoder's settings.
        seed: same seed, same output.

    Returns:
        (n, width), rows of norm at most 1; the last column is `config.constant` for known rows.

    Raises:
        ConfigError: dense columns are to be kept as they are but do not fit.
    """
    budget = config.width - 1
    if config.kind is EncoderKind.SVD:
        dense = sp.csr_array(standardise(features.dense))
        whole = sp.csr_array(sp.hstack([weigh(features.multi_hot, idf=config.idf), dense]))
        columns = _svd(whole, budget, config.spectrum, seed)
    else:
        columns = _encode_blocks(features, config, seed)
    return _bound(columns, features, config)


def _encode_blocks(features: Features, config: EncoderConfig, seed: int) -> Floats:
    """Dense columns first, in half the width at most; multi-hot ones share the rest."""
    budget = config.width - 1
    sparse_width = min(features.multi_hot.shape[1], budget)
    dense = standardise(features.dense)
    room = max(budget - sparse_width, budget // 2)
    if config.kind is EncoderKind.STANDARDISE and dense.shape[1] > room:
        raise ConfigError(f"{dense.shape[1]} standardised columns do not fit in {room}")
    learnt = dense.shape[1] and (config.kind is EncoderKind.AUTOENCODER or dense.shape[1] > room)
    if learnt:
        dense = encode_dense(dense, AutoencoderConfig(code_dim=min(room, dense.shape[1])), seed)
    weighted = weigh(features.multi_hot, idf=config.idf)
    sparse = _svd(weighted, budget - dense.shape[1], config.spectrum, seed)
    blocks = [_unit_scale(block) for block in (sparse, dense) if block.shape[1]]
    return np.hstack(blocks) if blocks else np.empty((features.rows, 0), np.float32)


def standardise(dense: Floats) -> Floats:
    """Zero mean and unit deviation a column, 0 for missing, plus a column per missing pattern."""
    missing = np.isnan(dense)
    seen = np.maximum((~missing).sum(axis=0), 1)
    filled = np.where(missing, 0, dense).astype(np.float64)
    centred = np.where(missing, 0, filled - filled.sum(axis=0) / seen)
    deviation = np.sqrt((centred**2).sum(axis=0) / seen)
    scaled = centred / np.where(deviation > 0, deviation, 1)
    holes = missing[:, missing.any(axis=0) & ~missing.all(axis=0)]
    indicators = np.unique(holes, axis=1) if holes.shape[1] else holes
    varying = deviation > 0
    return np.hstack([scaled[:, varying], indicators]).astype(np.float32)


def weigh(counts: sp.csr_array, *, idf: bool) -> sp.csr_array:
    """Dampen counts by log1p, weigh columns by rarity, and give every row norm 1."""
    weighted = sp.csr_array(counts, dtype=np.float64, copy=True)
    weighted.data = np.sign(weighted.data) * np.log1p(np.abs(weighted.data))
    if idf and weighted.shape[1]:
        holders = np.bincount(weighted.indices, minlength=weighted.shape[1])
        rarity = np.log((1 + weighted.shape[0]) / (1 + holders)) + 1e-6
        weighted.data *= rarity[weighted.indices]
    lengths = np.sqrt(np.asarray(weighted.multiply(weighted).sum(axis=1)).ravel())
    return sp.csr_array(sp.diags_array(1 / np.where(lengths > 0, lengths, 1)) @ weighted)


def _svd(matrix: sp.csr_array, width: int, spectrum: float, seed: int) -> Floats:
    """Left singular vectors times powered singular values, signs fixed, strongest first."""
    rank = min(width, *matrix.shape)
    if rank <= 0 or not matrix.nnz:
        return np.zeros((matrix.shape[0], 0), np.float32)
    if rank >= min(matrix.shape) - 1 or max(matrix.shape) <= 64:
        left, values, right = np.linalg.svd(matrix.toarray(), full_matrices=False)
    else:
        start = np.random.default_rng(seed).normal(size=min(matrix.shape))
        left, values, right = svds(matrix, k=rank, v0=start)
    order = np.argsort(-values)[:rank]
    order = order[values[order] > values.max() * 1e-8]
    left, right = left[:, order], right[order]
    signs = np.sign(right[np.arange(len(order)), np.abs(right).argmax(axis=1)])
    return np.asarray(left * signs * values[order] ** spectrum, dtype=np.float32)


def _unit_scale(block: Floats) -> Floats:
    """Scale a block so that its mean row length is 1: blocks then count alike."""
    length = float(np.sqrt((block**2).sum(axis=1)).mean())
    return block / length if length > 0 else block


def _bound(columns: Floats, features: Features, config: EncoderConfig) -> Floats:
    """Bound every row, append the constant, pad to the width and blank unknown rows."""
    limit = np.sqrt(1 - config.constant**2) * (1 - 1e-6)
    lengths = np.linalg.norm(columns, axis=1, keepdims=True)
    bounded = columns * (limit / np.where(lengths > 0, lengths, 1))
    phi = np.zeros((features.rows, config.width), np.float32)
    phi[:, : columns.shape[1]] = bounded
    phi[:, -1] = config.constant
    phi[~features.known()] = 0
    return phi
