"""Data sets: loading, describing, fetching and writing them."""

from simulations.data.catalogue import DATA_SETS, DataSet, data_root, load
from simulations.data.download import DownloadConfig
from simulations.data.fetch import PUBLICATIONS, Publication, fetch, install, publication
from simulations.data.loaded import LoadedData
from simulations.data.summary import DataSummary, describe, render
from simulations.data.writing import TableFormat, write_folder

__all__ = [
    "DATA_SETS",
    "PUBLICATIONS",
    "DataSet",
    "DataSummary",
    "DownloadConfig",
    "LoadedData",
    "Publication",
    "TableFormat",
    "data_root",
    "describe",
    "fetch",
    "install",
    "load",
    "publication",
    "render",
    "write_folder",
]
