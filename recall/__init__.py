"""Candidates, channels, the index and ranking metrics."""

from recall.candidates import NOTHING, Candidates
from recall.channels import Channel, NearestVectors, Popularity, fetch
from recall.errors import (
    CorruptIndexError,
    ForeignIndexError,
    GraphError,
    IndexFileError,
    NoTruthError,
    RecallError,
    ShapeError,
)
from recall.graph import Edges, Graph
from recall.graph_paths import GraphPaths, WalkConfig
from recall.history import HistoryWeights
from recall.index import FlatIndex, Index
from recall.manifest import Kind, Manifest
from recall.metrics import gini, has_truth, list_metrics, user_metrics, without
from recall.query import Query
from recall.reasons import Path, path_of, reason
from recall.song_neighbours import SongNeighbours

__all__ = [
    "NOTHING",
    "Candidates",
    "Channel",
    "CorruptIndexError",
    "Edges",
    "FlatIndex",
    "ForeignIndexError",
    "Graph",
    "GraphError",
    "GraphPaths",
    "HistoryWeights",
    "Index",
    "IndexFileError",
    "Kind",
    "Manifest",
    "NearestVectors",
    "NoTruthError",
    "Path",
    "Popularity",
    "Query",
    "RecallError",
    "ShapeError",
    "SongNeighbours",
    "WalkConfig",
    "fetch",
    "gini",
    "has_truth",
    "list_metrics",
    "path_of",
    "reason",
    "user_metrics",
    "without",
]
