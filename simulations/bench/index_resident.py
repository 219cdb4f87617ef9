"""`python -m simulations.bench.index_resident FOLDER`: bytes of memory that a stored index takes.

A process of its own, so that nothing else is counted: what it holds more for reading the index,
unmapped, and answering once. The first copy is not counted, as it also fills memory that Python
and the libraries had used and let go of; small indexes are read often enough to be seen at all.
"""

import sys
from pathlib import Path
from typing import Final

import numpy as np

from recall.index.faiss_index import FaissIndex
from recall.index.stored import load_index, read_manifest

COUNTED: Final = 2**25  # bytes of copies at least, beside which what is let go of is little


def resident_bytes() -> int:
    """Memory of this process that is in use, without what it maps from files, such as programs."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    kilobytes = next(line.split()[1] for line in status.splitlines() if "RssAnon" in line)
    return 1024 * int(kilobytes)


def main(folder: Path) -> int:
    """Print how much memory the index takes."""
    copies = 1 + COUNTED // read_manifest(folder).size
    held = [_answering(folder)]
    before = resident_bytes()
    held += [_answering(folder) for _ in range(copies)]
    sys.stdout.write(f"{(resident_bytes() - before) // (len(held) - 1)}\n")
    return 0


def _answering(folder: Path) -> FaissIndex:
    index = load_index(folder, mapped=False)
    index.search(np.zeros((1, index.dim), np.float32), 1)
    return index


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
