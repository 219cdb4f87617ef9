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

__all__ = [
    "NOTHING",
    "Candidates",
    "Channel",
    "CorruptIndexError",
    "FlatIndex",
    "ForeignIndexError",
    "Index",
    "IndexFileError",
    "Kind",
    "Manifest",
    "NearestVectors",
    "NoTruthError",
    "Popularity",
    "Query",
    "RecallError",
    "ShapeError",
    "fetch",
    "gini",
    "has_truth",
    "list_metrics",
    "user_metrics",
    "without",
]
