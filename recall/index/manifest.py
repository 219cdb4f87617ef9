"""The description beside a saved flat index, and what makes it acceptable."""

import json
from dataclasses import asdict, dataclass
from typing import Self

from recall.errors import ForeignIndexError
from recall.index.kinds import Kind

VERSION = 1
_FIELDS = {"version": int, "kind": str, "dim": int, "count": int, "sha256": str}


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a saved index holds.

    Args:
        kind: how it searches.
        dim: numbers in a vector.
        count: vectors in the index.
        sha256: hash of the data file, hexadecimal.
    """

    kind: Kind
    dim: int
    count: int
    sha256: str

    @property
    def data_name(self) -> str:
        """The data file's name, which changes with its content."""
        return f"index-{self.sha256[:32]}.bin"

    @property
    def data_bytes(self) -> int:
        """The data file's size: an int64 and `dim` float32 for every item."""
        return self.count * (8 + 4 * self.dim)

    def to_json(self) -> str:
        """The manifest as a line of JSON."""
        return json.dumps({"version": VERSION, **asdict(self)}, sort_keys=True) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read a manifest that `to_json` wrote.

        Raises:
            ForeignIndexError: it is something else, or of another kind or version.
        """
        try:
            found = json.loads(text)
        except ValueError as error:
            raise ForeignIndexError(f"the manifest is not JSON: {error}") from error
        if not isinstance(found, dict) or not _has_fields(found):
            raise ForeignIndexError(f"the manifest must hold exactly {sorted(_FIELDS)}")
        if found.pop("version") != VERSION or found["kind"] != Kind.FLAT_INNER_PRODUCT:
            raise ForeignIndexError(f"only version {VERSION} of a flat index can be read")
        return cls(**{**found, "kind": Kind(found["kind"])})


def _has_fields(found: dict[str, object]) -> bool:
    """Whether `found` has exactly the manifest's fields, with usable values."""
    # type() and not isinstance: a JSON `true` is an int in Python.
    typed = found.keys() == _FIELDS.keys() and all(
        type(found[name]) is kind for name, kind in _FIELDS.items()
    )
    return typed and _is_hash(str(found["sha256"])) and min(_sizes(found)) > 0


def _is_hash(text: str) -> bool:
    return len(text) == 64 and set(text) <= set("0123456789abcdef")


def _sizes(found: dict[str, object]) -> tuple[int, int]:
    return int(str(found["dim"])), int(str(found["count"]))
