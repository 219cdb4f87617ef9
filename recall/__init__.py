"""Candidates, channels, the index and ranking metrics."""

from recall.candidates import NOTHING, Candidates
from recall.channels import Channel, NearestVectors, Popularity, fetch
from recall.errors import (
    CorruptIndexError,
    ForeignIndexError,
    IndexFileError,
    NoTruthError,
    RecallError,
    ShapeError,
)
from recall.index import FlatIndex, Index
from recall.manifest import Kind, Manifest
from recall.metrics import gini, has_truth, list_metrics, user_metrics, without
from recall.query import Query
from recall.sequence import HistoryEncoder, Merging, NearestInterests, Sharing

__all__ = [
    "NOTHING",
    "Candidates",
    "Channel",
    "CorruptIndexError",
    "FlatIndex",
    "ForeignIndexError",
    "HistoryEncoder",
    "Index",
    "IndexFileError",
    "Kind",
    "Manifest",
    "Merging",
    "NearestInterests",
    "NearestVectors",
    "NoTruthError",
    "Popularity",
    "Query",
    "RecallError",
    "ShapeError",
    "Sharing",
    "fetch",
    "gini",
    "has_truth",
    "list_metrics",
    "user_metrics",
    "without",
]
