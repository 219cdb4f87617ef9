"""Candidates, channels, fusion, the index and ranking metrics."""

from recall.candidates import NOTHING, Candidates
from recall.catalogue import NO_FACTS, Catalogue
from recall.channels import Channel, NearestVectors, Popularity, fetch
from recall.errors import (
    ConfigError,
    CorruptIndexError,
    ExtraMissingError,
    ForeignIndexError,
    GraphError,
    IndexAddressError,
    IndexFileError,
    IndexServerError,
    ItemNumberError,
    NoTruthError,
    ReadOnlyIndexError,
    RecallError,
    ShapeError,
)
from recall.exposure import Exposure
from recall.factors import FactorConfig, FactorModel
from recall.fitting import Example, FittingConfig, fit_weights
from recall.fusion import Fuser, Fusion
from recall.fusion_config import DiversityConfig, FusionConfig, Method
from recall.graph import Edges, Graph
from recall.graph_paths import GraphPaths, WalkConfig
from recall.history import HistoryWeights
from recall.index import CompactIndex, EditableIndex, FlatIndex, Index, Kind, Manifest
from recall.learned import FusionWeights, UserKind
from recall.linear import LinearConfig, LinearModel
from recall.metrics import (
    gini,
    has_truth,
    intra_list_diversity,
    list_metrics,
    ranked_rows,
    user_metrics,
)
from recall.neighbours import NeighbourConfig, Neighbours
from recall.pool import Pool
from recall.query import Query
from recall.reasons import Path, path_of, reason
from recall.recent import RecentConfig, RecentNeighbours
from recall.recommendation import Fused, Recommendation, Source
from recall.relation import RelationConfig
from recall.sequence import HistoryEncoder, Merging, NearestInterests, Sharing
from recall.song_neighbours import SongNeighbours

__all__ = [
    "NOTHING",
    "NO_FACTS",
    "Candidates",
    "Catalogue",
    "Channel",
    "CompactIndex",
    "ConfigError",
    "CorruptIndexError",
    "DiversityConfig",
    "Edges",
    "EditableIndex",
    "Example",
    "Exposure",
    "ExtraMissingError",
    "FactorConfig",
    "FactorModel",
    "FittingConfig",
    "FlatIndex",
    "ForeignIndexError",
    "Fused",
    "Fuser",
    "Fusion",
    "FusionConfig",
    "FusionWeights",
    "Graph",
    "GraphError",
    "GraphPaths",
    "HistoryEncoder",
    "HistoryWeights",
    "Index",
    "IndexAddressError",
    "IndexFileError",
    "IndexServerError",
    "ItemNumberError",
    "Kind",
    "LinearConfig",
    "LinearModel",
    "Manifest",
    "Merging",
    "Method",
    "NearestInterests",
    "NearestVectors",
    "NeighbourConfig",
    "Neighbours",
    "NoTruthError",
    "Path",
    "Pool",
    "Popularity",
    "Query",
    "ReadOnlyIndexError",
    "RecallError",
    "RecentConfig",
    "RecentNeighbours",
    "Recommendation",
    "RelationConfig",
    "ShapeError",
    "Sharing",
    "SongNeighbours",
    "Source",
    "UserKind",
    "WalkConfig",
    "fetch",
    "fit_weights",
    "gini",
    "has_truth",
    "intra_list_diversity",
    "list_metrics",
    "path_of",
    "ranked_rows",
    "reason",
    "user_metrics",
]
