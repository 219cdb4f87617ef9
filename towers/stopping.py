"""When to stop: recall on held-out warm users, and which epoch was best."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from towers.errors import ConfigError
from towers.features import Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class StoppingConfig:
    """How long training may go on without a better validation recall.

    Args:
        patience: epochs without improvement before training ends.
        min_gain: recall a new best must add to the old one.
        top_k: length of the recommended list that recall is measured on.
    """

    patience: int = 6
    min_gain: float = 0.0
    top_k: int = 50

    def __post_init__(self) -> None:
        if self.patience < 1 or self.top_k < 1 or self.min_gain < 0:
            raise ConfigError("patience and top_k must be at least 1, min_gain at least 0")


class EarlyStopping:
    """Remembers the best epoch and says when patience has run out."""

    def __init__(self, config: StoppingConfig) -> None:
        self._config = config
        self.best_epoch = -1
        self.best_recall = -np.inf
        self._last_epoch = -1

    def update(self, epoch: int, recall: float) -> bool:
        """Note the validation recall of one epoch; true when it is the best so far."""
        self._last_epoch = epoch
        if recall <= self.best_recall + self._config.min_gain:
            return False
        self.best_epoch, self.best_recall = epoch, recall
        return True

    @property
    def exhausted(self) -> bool:
        """Whether the last epoch was `patience` or more after the best one."""
        return self._last_epoch - self.best_epoch >= self._config.patience


def hold_out(
    labels: sp.csr_array, fraction: float, *, seed: int
) -> tuple[sp.csr_array, sp.csr_array]:
    """Split warm users' labels by user into training and validation rows.

    Args:
        labels: (n, m) weights above 0; users without labels have empty rows.
        fraction: share of users with labels to hold out, in [0, 1).
        seed: which users those are.

    Returns:
        Two matrices shaped as `labels`; each user's row is whole in one and empty in the other.

    Raises:
        ConfigError: `fraction` is out of range.
    """
    if not 0 <= fraction < 1:
        raise ConfigError("the validation fraction must be in [0, 1)")
    warm = np.flatnonzero(np.diff(labels.indptr))
    held = np.random.default_rng(seed).permutation(warm)[: round(fraction * len(warm))]
    mask = np.zeros(labels.shape[0], dtype=bool)
    mask[held] = True
    return _only(labels, ~mask), _only(labels, mask)


def _only(labels: sp.csr_array, mask: npt.NDArray[np.bool_]) -> sp.csr_array:
    kept = sp.csr_array(sp.diags_array(mask.astype(labels.dtype)) @ labels)
    kept.eliminate_zeros()
    return kept


def mean_recall(scores: Floats, relevant: sp.csr_array, top_k: int) -> float:
    """Mean share of each user's relevant songs among its `top_k` highest scores.

    Args:
        scores: (B, m), one row a user.
        relevant: (B, m), non-zero where relevant; users without any do not count.
        top_k: length of the list.

    Returns:
        A number in [0, 1]; 0 when no user counts.
    """
    k = min(top_k, scores.shape[1])
    listed = np.argpartition(-scores, k - 1, axis=1)[:, :k]
    sizes = np.diff(relevant.indptr)
    hits = np.zeros(len(sizes))
    for row in np.flatnonzero(sizes):
        songs = relevant.indices[relevant.indptr[row] : relevant.indptr[row + 1]]
        hits[row] = np.isin(listed[row], songs).sum()
    counted = sizes > 0
    return float(np.mean(hits[counted] / sizes[counted])) if counted.any() else 0.0
