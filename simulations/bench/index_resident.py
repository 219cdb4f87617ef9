"""`python -m simulations.bench.index_resident FOLDER`: bytes of memory that a stored index takes.

A process of its own, so that nothing else is counted: what it holds more after reading the index,
unmapped, and answering once, than before.
"""

import sys
from pathlib import Path

import numpy as np

from recall.index import FlatIndex
from recall.index.stored import load_index


def resident_bytes() -> int:
    """Memory of this process that is in use, without what it maps from files, such as programs."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    kilobytes = next(line.split()[1] for line in status.splitlines() if "RssAnon" in line)
    return 1024 * int(kilobytes)


def main(folder: Path) -> int:
    """Print how much memory the index takes."""
    FlatIndex(np.eye(2)).search(np.eye(2, dtype=np.float32), 1)  # what a first search loads
    before = resident_bytes()
    index = load_index(folder, mapped=False)
    index.search(np.zeros((1, index.dim), np.float32), 1)
    sys.stdout.write(f"{resident_bytes() - before}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
