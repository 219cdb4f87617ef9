"""Candidates, channels, the index and ranking metrics."""

from recall.candidates import NOTHING, Candidates
from recall.channels import Channel, NearestVectors, Popularity, fetch
from recall.errors import (
    CorruptIndexError,
    ExtraMissingError,
    ForeignIndexError,
    IndexAddressError,
    IndexFileError,
    IndexServerError,
    ItemNumberError,
    NoTruthError,
    ReadOnlyIndexError,
    RecallError,
    ShapeError,
)
from recall.index import CompactIndex, EditableIndex, FlatIndex, Index, Kind, Manifest
from recall.metrics import gini, has_truth, list_metrics, user_metrics, without
from recall.query import Query

__all__ = [
    "NOTHING",
    "Candidates",
    "Channel",
    "CompactIndex",
    "CorruptIndexError",
    "EditableIndex",
    "ExtraMissingError",
    "FlatIndex",
    "ForeignIndexError",
    "Index",
    "IndexAddressError",
    "IndexFileError",
    "IndexServerError",
    "ItemNumberError",
    "Kind",
    "Manifest",
    "NearestVectors",
    "NoTruthError",
    "Popularity",
    "Query",
    "ReadOnlyIndexError",
    "RecallError",
    "ShapeError",
    "fetch",
    "gini",
    "has_truth",
    "list_metrics",
    "user_metrics",
    "without",
]
