"""The data sets that have a name, and how to load them or any folder."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from parties.tables import read_federation
from parties.tables.description import FILE_NAME
from simulations.data.lastfm import (
    LASTFM_2K,
    LASTFM_15K,
    how_to_get,
    read_lastfm_2k,
    read_lastfm_15k,
)
from simulations.data.loaded import LoadedData
from simulations.errors import DataSetMissingError

DATA_VARIABLE = "FEDRECALL_DATA"


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSet:
    """A data set with a name.

    Attributes:
        name: what a user types.
        summary: one line for `fedrecall data list`.
        terms: what its licence allows.
        read: reads it from the data root.
        item_noun: what its items are, plural.
    """

    name: str
    summary: str
    terms: str
    read: Callable[[Path], LoadedData]
    item_noun: str = "songs"


def data_root() -> Path:
    """Where data sets lie: the folder in FEDRECALL_DATA, else `data` in the working directory."""
    return Path(os.environ.get(DATA_VARIABLE) or "data")


def _published(name: str, read: Callable[[Path], LoadedData]) -> Callable[[Path], LoadedData]:
    def read_below(root: Path) -> LoadedData:
        if not (root / name).is_dir():
            raise DataSetMissingError(f"{name} is not in {root}: {how_to_get(name)}")
        return read(root / name)

    return read_below


DATA_SETS: Mapping[str, DataSet] = MappingProxyType(
    {
        LASTFM_2K: DataSet(
            name=LASTFM_2K,
            summary="1,892 Last.fm users, play counts; partners: social (friends), forum (tags)",
            terms="non-commercial research; cite HetRec 2011 and last.fm",
            read=_published(LASTFM_2K, read_lastfm_2k),
            item_noun="artists",
        ),
        LASTFM_15K: DataSet(
            name=LASTFM_15K,
            summary="15,000 Last.fm users; partners: telecom (country), identity (sex)",
            terms="non-commercial research",
            read=_published(LASTFM_15K, read_lastfm_15k),
            item_noun="artists",
        ),
    }
)


def load(
    name_or_folder: str,
    *,
    data_sets: Mapping[str, DataSet] = DATA_SETS,
    root: Path | None = None,
) -> LoadedData:
    """Load a named data set, or the folder of a `federation.toml`.

    A name wins over a folder of that name; write `./lastfm-2k` for the folder.

    Args:
        name_or_folder: a key of `data_sets`, or a path.
        data_sets: the data sets that have names; extend `DATA_SETS` to add one.
        root: where data sets lie; `data_root()` unless given.

    Raises:
        DataSetMissingError: neither a name nor such a folder, or the named set is not here.
        DataSetDamagedError: a file of a public data set is not as published.
        DataError: a table cannot be used.
    """
    if name_or_folder in data_sets:
        return data_sets[name_or_folder].read(root or data_root())
    folder = Path(name_or_folder)
    if not (folder / FILE_NAME).is_file():
        raise DataSetMissingError(
            f"{name_or_folder!r} is neither a data set ({', '.join(data_sets)}) nor a folder "
            f"with a {FILE_NAME}; `fedrecall data make-world FOLDER` makes one"
        )
    return LoadedData(tables=read_federation(folder))
