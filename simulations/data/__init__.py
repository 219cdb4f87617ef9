"""Data sets: loading, describing, fetching and writing them."""

from simulations.data.catalogue import DATA_SETS, DataSet, data_root, load
from simulations.data.loaded import LoadedData
from simulations.data.writing import TableFormat, write_folder

__all__ = [
    "DATA_SETS",
    "DataSet",
    "LoadedData",
    "TableFormat",
    "data_root",
    "load",
    "write_folder",
]
