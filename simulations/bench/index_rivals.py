"""Whom the default index is measured against, and how both are opened for a sitting."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from recall.index import Kind
from recall.index.faiss_index import FaissIndex
from recall.index.stored import DATA, load_index
from recall.index.versions import folder_of, open_current
from simulations.bench.index_duel import Opening, Plan
from simulations.bench.index_peers import (
    HNSW_FACTORY,
    Bare,
    Hnswlib,
    MilvusLite,
    Ours,
    Peer,
    bare_words,
    has_hnswlib,
    has_milvus,
    same_object,
)

Vectors = npt.NDArray[np.float32]

FILE: Final = "bare_faiss_same_file"
WORDS: Final = "bare_faiss_same_words"
MAPPED: Final = "bare_faiss_same_words_mapped"
HNSW: Final = "faiss_hnsw32"
HNSWLIB: Final = "hnswlib"
MILVUS: Final = "milvus_lite"

SMALL_ITEMS: Final = 200_000  # up to here hnswlib and Milvus Lite are measured too
NEAR: Final = Plan()
NEAR_IN_BATCHES: Final = Plan(sittings=21, turns=3, calls=1, batch=64)
FAR: Final = Plan(sittings=15)  # where one is twice as fast, a hundredth says nothing
SLOW: Final = Plan(sittings=5, turns=1, calls=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rival:
    """Whom the default index is measured against.

    Args:
        name: in the report.
        peer: to be judged, and set to a recall if it is tunable.
        opening: opens the default index and what it is compared with.
        plan: how they are asked for one user a call.
        in_batches: the same for many users a call, where that is measured.
    """

    name: str
    peer: Peer
    opening: Opening
    plan: Plan
    in_batches: Plan | None = None


def rivals(
    items: Vectors, ours: FaissIndex, root: Path, tell: Callable[[str], None]
) -> Iterator[Rival]:
    """All of them, each built when it is its turn.

    Args:
        items: (songs, dim) that they hold.
        ours: the default index, of which `root` holds version 1.
        root: where files may be written.
        tell: told what is built.
    """
    if ours.kind is not Kind.FLAT_INNER_PRODUCT:
        yield _same_file(ours, folder_of(root, 1) / DATA)
    tell("building bare FAISS")
    yield from _same_words(items, ours, root)
    tell("building HNSW32")
    yield _other(HNSW, Bare.built(HNSW_FACTORY, items, "efSearch", tunable=True), root, FAR)
    if HNSWLIB not in left_out(len(items)):
        tell("building hnswlib")
        yield _other(HNSWLIB, Hnswlib(items, seed=0), root, FAR)
    if MILVUS not in left_out(len(items)):
        tell("filling Milvus Lite")
        yield _other(MILVUS, MilvusLite(items, root / "items.db"), root, SLOW)


def left_out(size: int) -> Mapping[str, str]:
    """Peers that are not measured, and why."""
    installed = {HNSWLIB: has_hnswlib(), MILVUS: has_milvus()}
    reasons = {name: "not installed" for name, here in installed.items() if not here}
    large = f"takes too long beyond {SMALL_ITEMS:,} songs"
    return reasons if size <= SMALL_ITEMS else {**dict.fromkeys(installed, large), **reasons}


def _same_file(ours: FaissIndex, data: Path) -> Rival:
    """One object of FAISS asked by both ways: all that differs is what this package does."""
    judged = same_object(data, ours.kind, ours.dim)[1]
    judged.effort = ours.effort
    return Rival(
        name=FILE,
        peer=judged,
        opening=lambda: same_object(data, ours.kind, ours.dim),
        plan=NEAR,
        in_batches=NEAR_IN_BATCHES,
    )


def _same_words(items: Vectors, ours: FaissIndex, root: Path) -> Iterator[Rival]:
    """FAISS's own index of the same words: both in memory, and both mapped from files."""
    word, parameter = bare_words(ours)
    bare, path = Bare.built(word, items, parameter), root / "bare.index"
    bare.set_effort(ours.effort)
    bare.save(path)
    places = {WORDS: False, MAPPED: True}
    if ours.kind is Kind.FLAT_INNER_PRODUCT:  # is never mapped
        del places[MAPPED]
    for name, mapped in places.items():
        yield Rival(
            name=name,
            peer=bare,
            opening=_both(folder_of(root, 1), path, mapped=mapped),
            plan=NEAR,
            in_batches=NEAR_IN_BATCHES,
        )


def _both(version: Path, bare: Path, *, mapped: bool) -> Opening:
    return lambda: (Ours(load_index(version, mapped=mapped)), Bare.opened(bare, mapped=mapped))


def _other(name: str, peer: Peer, root: Path, plan: Plan) -> Rival:
    """Another kind of index, against the default one as it is served.

    It is built once, as building takes minutes: intervals do not cover where its memory lies.
    """
    return Rival(
        name=name,
        peer=peer,
        opening=lambda: (Ours(open_current(root).index), peer),
        plan=plan,
    )
