"""The federated channel of a finished split: its index, and a vector for everybody it knows."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from parties.archive import pack_arrays
from parties.checkpoints import write_whole
from recall import FlatIndex, NearestVectors, Query
from simulations.channels.lists import Recalled, read_arrays
from simulations.channels.names import FEDERATED

Floats = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]
FILE: Final = "queries.vectors"


def save_queries(folder: Path, queries: Floats) -> None:
    """Keep (n, d + 1) query vectors, one a user, beside the split's index."""
    write_whole(folder / FILE, pack_arrays({"queries": queries}))


@dataclass(frozen=True, slots=True, eq=False)
class FederatedChannel:
    """What a federated run left to recall with.

    Args:
        channel: songs nearest to a user's vector.
        queries: (n, d + 1) vectors of all users.
        known: (n,) whether any partner knows a user; of others a vector says nothing.
    """

    channel: NearestVectors
    queries: Floats = field(repr=False)
    known: Bools = field(repr=False)

    @classmethod
    def load(cls, folder: Path, known: Bools) -> "FederatedChannel":
        """Read what a federated task left.

        Raises:
            RunFolderError: the vectors are missing or damaged.
            IndexFileError: the index is.
        """
        queries = np.asarray(read_arrays(folder / FILE)["queries"], dtype=np.float32)
        index = FlatIndex.load(folder / "index")
        return cls(NearestVectors(index, FEDERATED), queries, known)

    def query(self, user: int, *, history: npt.NDArray[np.int64] | None = None) -> Query:
        """What channels are told of a user; songs of the history are not recalled."""
        vector = self.queries[user] if self.known[user] else None
        if history is None:
            return Query(vector=vector)
        return Query(vector=vector, history=history, excluded=history)

    def recalled(self, queries: list[Query], k: int) -> Recalled:
        """The lists for some users."""
        return Recalled.by(self.channel, queries, k)
