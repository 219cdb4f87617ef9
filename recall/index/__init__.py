"""Nearest items by inner product: exact or compact, in memory, in files or on a server."""

from recall.index.compact import CompactIndex
from recall.index.flat import FlatIndex
from recall.index.kinds import Kind
from recall.index.manifest import Manifest
from recall.index.protocol import EditableIndex, Index

__all__ = [
    "CompactIndex",
    "EditableIndex",
    "FlatIndex",
    "Index",
    "Kind",
    "Manifest",
]
