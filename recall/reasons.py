"""Paths through a knowledge graph, in words.

A path is told of the song at its far end, the one that is recalled: "same artist as X". What
is said holds whatever a relation means: one that nobody has worded is named as it is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType
from typing import Final

from recall.errors import GraphError
from recall.graph import Graph

SHARED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "by_artist": "same artist as {song} ({entity})",
        "has_artist": "same artist as {song} ({entity})",
        "on_album": "on the same album as {song} ({entity})",
        "has_album": "on the same album as {song} ({entity})",
        "in_language": "in the same language as {song} ({entity})",
        "has_language": "in the same language as {song} ({entity})",
        "has_genre": "same genre as {song} ({entity})",
        "tagged": "shares the tag '{entity}' with {song}",
        "featured_in": "featured in the same series as {song} ({entity})",
        "composed_by": "same composer as {song} ({entity})",
        "written_by": "same writer as {song} ({entity})",
    }
)
"""What two songs have in common that both have an edge of one relation to one entity."""

RECALLED: Final = "this one"


@dataclass(frozen=True, slots=True)
class Path:
    """A way from a song of the history to a recalled one.

    Args:
        nodes: the song it begins at, what lies between, and the recalled song.
        kinds: the kind of every step (`Graph.kinds`), one fewer than nodes.
    """

    nodes: tuple[int, ...]
    kinds: tuple[int, ...]


def path_of(graph: Graph, nodes: Sequence[int]) -> Path:
    """The path over some nodes, each joined to the next by its strongest relation.

    Raises:
        GraphError: two of them that follow one another are not joined.
    """
    kinds = tuple(graph.kind(a, b) for a, b in pairwise(nodes))
    if 0 in kinds or not kinds:
        raise GraphError(f"no edge joins the nodes {tuple(nodes)} one after the other")
    return Path(tuple(nodes), kinds)


def reason(graph: Graph, path: Path) -> str:
    """Why the last song of a path was recalled, in one line."""
    names = [*(graph.labels[node] for node in path.nodes[:-1]), RECALLED]
    if len(path.kinds) == 2 and path.kinds[0] == -path.kinds[1] > 0:
        return _shared(graph.relations[path.kinds[0] - 1], entity=names[1], song=names[0])
    told = [_triple(graph, *step) for step in zip(names, path.kinds, names[1:], strict=False)]
    return f"linked to {names[0]}: {', '.join(told)}"


def _shared(relation: str, *, entity: str, song: str) -> str:
    """What two songs have in common that point at one entity."""
    if relation in SHARED:
        return SHARED[relation].format(song=song, entity=entity)
    return f"shares {_readable(relation)} '{entity}' with {song}"


def _triple(graph: Graph, start: str, kind: int, end: str) -> str:
    """One edge, told from its head to its tail whichever way it was walked."""
    head, tail = (start, end) if kind > 0 else (end, start)
    return f"{head} {_readable(graph.relations[abs(kind) - 1])} {tail}"


def _readable(relation: str) -> str:
    return relation.replace("_", " ").strip()
