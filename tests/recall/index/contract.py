"""Every kind of index that can be changed, over the same items, for the contract suite."""

from collections.abc import Callable, Mapping
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import numpy as np
import pytest

from recall.index import CompactIndex, EditableIndex, FlatIndex, Kind
from recall.index.opening import create_index

COUNT: Final = 700
DIM: Final = 7  # odd, so that the engine of paired codes is wider than the vectors
FAR: Final = 2**40  # item numbers are of 64 bits

Maker = Callable[[Path], EditableIndex]


def made_items(count: int = COUNT, dim: int = DIM, *, seed: int = 0) -> np.ndarray:
    """Clusters of unequal norms."""
    rng = np.random.default_rng(seed)
    centres = 2 * rng.normal(size=(12, dim))
    return (centres[rng.integers(0, 12, count)] + rng.normal(size=(count, dim))).astype(np.float32)


def made_numbers(count: int = COUNT) -> np.ndarray:
    return FAR + 3 * np.random.default_rng(1).permutation(count)


def _flat(folder: Path) -> FlatIndex:
    return FlatIndex(made_items(), ids=made_numbers())


def _compact(kind: Kind, folder: Path) -> CompactIndex:
    return CompactIndex.build(made_items(), kind=kind, ids=made_numbers())


def _milvus(folder: Path) -> EditableIndex:
    index = create_index(str(folder / "items.db"), dim=DIM)
    index.add(made_items(), made_numbers())
    return index


without_milvus = pytest.mark.skipif(
    find_spec("pymilvus") is None or find_spec("milvus_lite") is None,
    reason="Milvus Lite is not installed: pip install 'fedrecall[milvus]'",
)
MAKERS: Final[Mapping[str, Maker]] = {
    "flat": _flat,
    **{
        kind.value: partial(_compact, kind) for kind in Kind if kind is not Kind.FLAT_INNER_PRODUCT
    },
    "milvus": _milvus,
}
CASES: Final = [
    pytest.param(make, id=name, marks=[without_milvus] if name == "milvus" else [])
    for name, make in MAKERS.items()
]
