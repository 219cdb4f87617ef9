"""Candidates, channels, fusion, the index and ranking metrics."""

from recall.candidates import NOTHING, Candidates
from recall.catalogue import NO_FACTS, Catalogue
from recall.channels import Channel, NearestVectors, Popularity, fetch
from recall.errors import (
    ConfigError,
    CorruptIndexError,
    ForeignIndexError,
    IndexFileError,
    NoTruthError,
    RecallError,
    ShapeError,
)
from recall.exposure import Exposure
from recall.factors import FactorConfig, FactorModel
from recall.fitting import Example, FittingConfig, fit_weights
from recall.fusion import Fuser, Fusion
from recall.fusion_config import DiversityConfig, FusionConfig, Method
from recall.index import FlatIndex, Index
from recall.learned import FusionWeights, UserKind
from recall.linear import LinearConfig, LinearModel
from recall.manifest import Kind, Manifest
from recall.metrics import (
    gini,
    has_truth,
    intra_list_diversity,
    list_metrics,
    user_metrics,
    without,
)
from recall.neighbours import NeighbourConfig, Neighbours
from recall.pool import Pool
from recall.query import Query
from recall.recent import RecentConfig, RecentNeighbours
from recall.recommendation import Fused, Recommendation, Source

__all__ = [
    "NOTHING",
    "NO_FACTS",
    "Candidates",
    "Catalogue",
    "Channel",
    "ConfigError",
    "CorruptIndexError",
    "DiversityConfig",
    "Example",
    "Exposure",
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
    "Index",
    "IndexFileError",
    "Kind",
    "LinearConfig",
    "LinearModel",
    "Manifest",
    "Method",
    "NearestVectors",
    "NeighbourConfig",
    "Neighbours",
    "NoTruthError",
    "Pool",
    "Popularity",
    "Query",
    "RecallError",
    "RecentConfig",
    "RecentNeighbours",
    "Recommendation",
    "ShapeError",
    "Source",
    "UserKind",
    "fetch",
    "fit_weights",
    "gini",
    "has_truth",
    "intra_list_diversity",
    "list_metrics",
    "user_metrics",
    "without",
]
