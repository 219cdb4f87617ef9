"""Writers and readers in processes of their own, over indexes that say a number.

The index of number n holds items n·10⁶, n·10⁶ + 1, …, each with the vector (n, n, …); how many
follows from n, and its manifest names n. Writers never use a number twice. A reader that sees two
numbers in one version, a hole or a step back writes it down as a failure.
"""

import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np

from recall import CompactIndex, FlatIndex, Kind
from recall.index.faiss_index import FaissIndex
from recall.index.following import FollowingIndex
from recall.index.publishing import Publisher
from recall.index.stored import About
from recall.index.versions import OpenVersion, open_current

DIM: Final = 4
APART: Final = 1_000_000
KINDS: Final = (Kind.FLAT_INNER_PRODUCT, Kind.IVF_SQ8, Kind.HNSW)


def items_of(number: int) -> int:
    """How many items an index has."""
    return 40 + number % 50


def made_index(number: int) -> FaissIndex:
    """An index of which everything says its number; of one kind after the other."""
    count = items_of(number)
    vectors = np.full((count, DIM), number, np.float32)
    ids = np.arange(count) + APART * number
    kind = KINDS[number % len(KINDS)]
    if kind is Kind.FLAT_INNER_PRODUCT:
        return FlatIndex(vectors, ids=ids)
    return CompactIndex.build(vectors, kind=kind, ids=ids)


def failure_in(version: OpenVersion) -> str | None:
    """What of a version does not say its number; None when all does."""
    number, index = int(version.manifest.data), version.index
    ids, scores = index.search(np.full((1, DIM), 1 / DIM, np.float32), APART)
    if {index.count, version.manifest.count, len(ids[0])} != {items_of(number)}:
        return f"{number} has {index.count} items, of which {len(ids[0])} are found"
    if sorted(ids[0].tolist()) != [APART * number + place for place in range(index.count)]:
        return f"{number} holds items of another"
    if not np.allclose(scores, number, rtol=1e-3):
        return f"{number} holds vectors of another: {scores.min()} … {scores.max()}"
    return None


def write(root: Path, seconds: float, first: int) -> Mapping[str, object]:
    """Publish one index after the other; says of each, on a line of its own, as what version."""
    publisher = Publisher(root, keep=2)
    over, versions = time.monotonic() + seconds, []
    while time.monotonic() < over:
        number = first + len(versions)
        written = publisher.publish(made_index(number), About(data=str(number)))
        versions.append(written.number)
        sys.stdout.write(f"{written.number}\n")
        sys.stdout.flush()
    return {"failure": None, "versions": versions}


def follow(root: Path, seconds: float, _: int) -> Mapping[str, object]:
    """Follow the newest version, judge every answer, and open the newest afresh now and then."""
    index, versions = FollowingIndex(root), [0]
    over = time.monotonic() + seconds
    while time.monotonic() < over:
        index.refresh()
        held = index.held
        failure = failure_in(held) or index.trouble
        if held.manifest.number < versions[-1]:
            failure = f"version {held.manifest.number} came after {versions[-1]}"
        if failure is None and len(versions) % 5 == 0:
            failure = failure_in(open_current(root))
        if failure is not None:
            return {"failure": failure}
        versions.append(held.manifest.number)
    return {"failure": None, "versions": sorted(set(versions[1:]))}


ROLES: Final = {"write": write, "follow": follow}


def main(role: str, root: str, seconds: str, first: str) -> int:
    """Play a role; the last line of the output is JSON with what went wrong, if anything did."""
    report = ROLES[role](Path(root), float(seconds), int(first))
    sys.stdout.write(json.dumps(report) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
