"""Nearest items by inner product: exact or compact, in memory, in files or on a server."""

from recall.index.choosing import Choice, ChoiceConfig, Tried, choose_index
from recall.index.compact import CompactIndex
from recall.index.flat import FlatIndex
from recall.index.following import FollowingIndex
from recall.index.kinds import Kind
from recall.index.manifest import Manifest
from recall.index.measuring import Judge, Measured
from recall.index.opening import create_index, open_index
from recall.index.protocol import EditableIndex, Index
from recall.index.publishing import Publisher
from recall.index.stored import About, StoredManifest, load_index, store_index
from recall.index.versions import OpenVersion, open_current

__all__ = [
    "About",
    "Choice",
    "ChoiceConfig",
    "CompactIndex",
    "EditableIndex",
    "FlatIndex",
    "FollowingIndex",
    "Index",
    "Judge",
    "Kind",
    "Manifest",
    "Measured",
    "OpenVersion",
    "Publisher",
    "StoredManifest",
    "Tried",
    "choose_index",
    "create_index",
    "load_index",
    "open_current",
    "open_index",
    "store_index",
]
