"""The project's documents as text, links and code blocks."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
FENCE: Final = re.compile(r"^```(?P<info>[^\n]*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
LINK: Final = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
RUNS: Final = "runs"  # a block whose info line says so is run by a test


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block: its language and its content."""

    language: str
    body: str


def documents() -> tuple[Path, ...]:
    """Every Markdown file of the project."""
    return (*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md")))


def text(path: Path) -> str:
    """A document without its code blocks."""
    return FENCE.sub("", path.read_text(encoding="utf-8"))


def runnable(path: Path) -> tuple[Block, ...]:
    """The blocks of a document that say they run, in order."""
    blocks = FENCE.finditer(path.read_text(encoding="utf-8"))
    parts = ((block["info"].split(), block["body"]) for block in blocks)
    return tuple(Block(info[0], body) for info, body in parts if RUNS in info[1:])


def links(path: Path) -> Iterator[str]:
    """The targets of a document's links."""
    yield from LINK.findall(re.sub(r"`[^`\n]*`", "", text(path)))


def anchors(path: Path) -> frozenset[str]:
    """What a link may name behind `#`, made from headings as GitHub makes them."""
    found = re.findall(r"^#{1,6} (.*)$", text(path), re.MULTILINE)
    return frozenset(_slug(heading) for heading in found)


def _slug(heading: str) -> str:
    bare = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
    return re.sub(r"[^\w\- ]", "", bare.strip().lower()).replace(" ", "-")
