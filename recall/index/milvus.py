"""The only door to Milvus: an index on a server, or in a file of Milvus Lite.

Milvus is for catalogues that no longer fit one machine. Items are rows of a collection, an int64
`id` and a float vector, compared by inner product. Versions, replicas and backups are Milvus's.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt
from pymilvus import DataType, MilvusClient
from pymilvus.exceptions import MilvusException

from recall.errors import ForeignIndexError, IndexServerError, ItemNumberError, ShapeError
from recall.index.arrays import Ids, Vectors, item_numbers, known_numbers, matrix, whole_numbers

ID: Final = "id"
VECTOR: Final = "vector"
ROWS: Final = 10_000  # a call; a server takes 64 MB
MAX_K: Final = 16_384  # of Milvus


class MilvusIndex:
    """An `EditableIndex` over a collection. Close it, or use it in a `with` block.

    Args:
        client: connected.
        collection: its name; it has the fields that `create` makes.
        dim: numbers in a vector.
    """

    def __init__(self, client: MilvusClient, collection: str, *, dim: int) -> None:
        self._client, self._collection, self._dim = client, collection, dim

    @classmethod
    def create(cls, uri: str, collection: str, *, dim: int, token: str = "") -> Self:
        """Make an empty collection.

        Args:
            uri: `http://host:port`, or the path of a `.db` file.
            collection: its name, which is not in use.
            dim: numbers in a vector.
            token: `user:password` or a key, if the server wants one.

        Raises:
            IndexServerError: the server does not answer, or refuses.
            ForeignIndexError: there is a collection of that name.
        """
        with _wrapped():
            client = MilvusClient(uri=uri, token=token)
            if client.has_collection(collection):
                client.close()
                raise ForeignIndexError(f"{uri} has a collection {collection} already")
            schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False)
            schema.add_field(ID, DataType.INT64, is_primary=True)
            schema.add_field(VECTOR, DataType.FLOAT_VECTOR, dim=dim)
            indexed = client.prepare_index_params()
            indexed.add_index(VECTOR, index_type="AUTOINDEX", metric_type="IP")
            client.create_collection(
                collection, schema=schema, index_params=indexed, consistency_level="Strong"
            )
        return cls(client, collection, dim=dim)

    @classmethod
    def open(cls, uri: str, collection: str, *, token: str = "") -> Self:
        """Open a collection that `create` made.

        Raises:
            IndexServerError: the server does not answer, or refuses.
            ForeignIndexError: there is no such collection, or one of other fields.
        """
        with _wrapped():
            client = MilvusClient(uri=uri, token=token)
            if not client.has_collection(collection):
                client.close()
                raise ForeignIndexError(f"{uri} has no collection {collection}")
            dim = _width(client.describe_collection(collection))
            if dim is None:
                client.close()
                raise ForeignIndexError(f"{uri}: {collection} has other fields")
            client.load_collection(collection)
        return cls(client, collection, dim=dim)

    @property
    def dim(self) -> int:
        """Numbers in a vector."""
        return self._dim

    @property
    def count(self) -> int:
        """Items in the index, as the server counts them now."""
        with _wrapped():
            rows = self._client.query(
                self._collection, filter="", output_fields=["count(*)"], **_STRONG
            )
        return int(rows[0]["count(*)"])

    def search(self, queries: Vectors, k: int) -> tuple[Ids, Vectors]:
        """See `Index.search`; at most 16,384 items a query.

        Raises:
            IndexServerError: it also found fewer items than it says it has.
        """
        rows = matrix(queries, "queries", dim=self._dim)
        if not 1 <= k <= MAX_K:
            raise ShapeError(f"k must be at least 1 and at most {MAX_K}, not {k}")
        if not len(rows):
            empty = (0, min(k, self.count))
            return np.empty(empty, np.int64), np.empty(empty, np.float32)
        with _wrapped():
            found = self._client.search(
                self._collection, data=rows.tolist(), anns_field=VECTOR, limit=k, **_STRONG
            )
        hits = [[(hit[ID], hit["distance"]) for hit in row] for row in found]
        lengths = {len(row) for row in hits}
        if lengths != {k} and lengths != {min(k, self.count)}:  # counting costs another call
            raise IndexServerError(f"{self._collection} found fewer items than it has")
        pairs = np.array(hits, dtype=[("id", np.int64), ("score", np.float32)])
        return pairs["id"], pairs["score"]

    def add(self, vectors: npt.ArrayLike, ids: npt.ArrayLike) -> None:
        """See `EditableIndex.add`. Only a call of up to 10,000 items is refused as one."""
        rows = matrix(vectors, "vectors", dim=self._dim)
        numbers = item_numbers(ids, count=len(rows))
        held = self._held(numbers)
        if len(held):
            raise ItemNumberError(f"{len(held)} items are in the index already, such as {held[0]}")
        with _wrapped():
            for first in range(0, len(rows), ROWS):
                part = slice(first, first + ROWS)
                pairs = zip(numbers[part].tolist(), rows[part].tolist(), strict=True)
                self._client.insert(
                    self._collection, [{ID: number, VECTOR: row} for number, row in pairs]
                )

    def remove(self, ids: npt.ArrayLike) -> None:
        """See `EditableIndex.remove`."""
        held = self._held(whole_numbers(ids).reshape(-1))
        numbers = known_numbers(ids, held=held, count=self.count)
        with _wrapped():
            for first in range(0, len(numbers), ROWS):
                self._client.delete(self._collection, ids=numbers[first : first + ROWS].tolist())

    def close(self) -> None:
        """Let go of the connection."""
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _held(self, numbers: Ids) -> Ids:
        """Those of some numbers that are in the collection."""
        found: list[int] = []
        with _wrapped():
            for first in range(0, len(numbers), ROWS):
                part = numbers[first : first + ROWS].tolist()
                rows = self._client.query(
                    self._collection, ids=part, output_fields=[ID], **_STRONG
                )
                found += [row[ID] for row in rows]
        return np.array(found, dtype=np.int64)


_STRONG: Final[dict[str, Any]] = {"consistency_level": "Strong"}


def _width(described: dict[str, Any]) -> int | None:
    """The vectors' width, if a collection has the fields that it should."""
    fields = {field["name"]: field for field in described["fields"]}
    if fields.keys() != {ID, VECTOR} or fields[ID]["type"] != DataType.INT64:
        return None
    if fields[VECTOR]["type"] != DataType.FLOAT_VECTOR:
        return None
    return int(fields[VECTOR]["params"]["dim"])


@contextmanager
def _wrapped() -> Iterator[None]:
    """Milvus's errors as this package's."""
    try:
        yield
    except MilvusException as error:
        raise IndexServerError(f"Milvus: {error}") from error
