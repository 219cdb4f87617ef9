"""The node's log: JSON lines in the state folder, and a shorter line for people on stderr.

Rules:
1. One event, one line, whatever is in it; `time`, `level`, `party`, `process`, `event` come first.
2. What a process of the node prints is logged too, line by line. Lines that look like secrets are
   masked: a log is read by more people than a key.
3. The log is bounded: a file that is full is set aside, and the oldest is dropped.
4. A full disk stops the log, never the node.
"""

import datetime as dt
import json
import os
import re
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import IO, Final

FILE: Final = "node.jsonl"
OUTPUT: Final = "output"  # the event of a line that is no event of its own
LINE_BYTES: Final = 16_384  # of one line of a process; what is longer is cut
SECRETS: Final = (
    re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|$)", re.S),
    re.compile(
        r"(?i)(?<![a-z])((?:[a-z_-]*(?:token|secret|password|passphrase))"
        r"[\\\"']*\s*[=: ]\s*[\\\"']*)[A-Za-z0-9+/=_-]{16,}"
    ),
)
MASK: Final = "[masked]"
# Programs of Flower's: they print what peers send and no events, so a line of theirs is text.
FLOWERS: Final = frozenset({"superlink", "supernode"})


class Level(Enum):
    """How much an event matters."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


# Flower begins its lines with a level and a colon, its servers with a time and a level.
_COLOURS: Final = re.compile(r"\x1b\[[0-9;]*m")
_PREFIX: Final = re.compile(
    r"^(?:\d{4}-\S+Z )?(DEBUG|INFO|WARNING|ERROR) *(?:: *|(?=\[uvicorn))(.*)$"
)
# Nodes poll: what went well at a server's port every few seconds is no event.
_POLLED: Final = re.compile(r"\[uvicorn\.access\].* [23]\d\d$|ControlServicer\.List|Fleet\.Pull")
_LEVELS: Final = {level.value: level for level in Level} | {"critical": Level.ERROR}


@dataclass(frozen=True, slots=True, kw_only=True)
class LogConfig:
    """Where the log goes and how long it may grow.

    Args:
        folder: of its files; made if missing.
        party: whose node this is.
        file_bytes: longest file.
        files: how many are kept besides the present one.
        human: where people read along; None for nowhere.
    """

    folder: Path
    party: str
    file_bytes: int = 10 * 1024 * 1024
    files: int = 5
    human: IO[str] | None = None


def visible(text: str) -> str:
    """The text without what moves a terminal's cursor or hides what stands in it."""
    return "".join(c if c.isprintable() or c in "\n\t" else " " for c in text)


def masked(text: str) -> str:
    """The text without what looks like a secret in it."""
    text = SECRETS[0].sub(MASK, text)
    return SECRETS[1].sub(lambda found: found[1] + MASK, text)


class NodeLog:
    """The log of one node; its methods may be called from any thread."""

    def __init__(self, config: LogConfig) -> None:
        """Go on behind what is there.

        Raises:
            OSError: the folder or the file cannot be made.
        """
        self._config = config
        self._lock = threading.Lock()
        self._broken = False
        config.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file = self._open()

    @property
    def path(self) -> Path:
        """The present file."""
        return self._config.folder / FILE

    def event(
        self,
        level: Level,
        event: str,
        text: str = "",
        *,
        process: str = "supervisor",
        fields: Mapping[str, object] | None = None,
    ) -> None:
        """Log one event."""
        now = dt.datetime.now(dt.UTC)
        text = visible(masked(text))
        content = {
            "time": now.isoformat(timespec="milliseconds"),
            "level": level.value,
            "party": self._config.party,
            "process": process,
            "event": event,
            "text": text,
            **(fields or {}),
        }
        with self._lock:
            self._write(json.dumps(content, default=str, ensure_ascii=False) + "\n")
            self._tell(f"{now:%H:%M:%S} {level.value:7} {process:10} {text or event}\n")

    def output(self, process: str, raw: bytes) -> None:
        """Log a line that a process of the node printed."""
        # Masked before it is read: a field's name may be what tells that it is a secret.
        text = masked(_COLOURS.sub("", raw[:LINE_BYTES].decode(errors="replace")).rstrip())
        content = None if process in FLOWERS else _json_event(text)
        if content is not None:
            level = _LEVELS.get(str(content.pop("level", "")), Level.INFO)
            event, said = str(content.pop("event", OUTPUT)), str(content.pop("text", ""))
            self.event(level, event, said, process=process, fields=_renamed(content))
            return
        level, said = Level.INFO, text
        if (prefixed := _PREFIX.match(text)) is not None:
            level, said = _LEVELS[prefixed[1].lower()], prefixed[2]
        if said and not _POLLED.search(said):
            self.event(level, OUTPUT, said, process=process)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._file.close()

    def _open(self) -> IO[str]:
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        return os.fdopen(descriptor, "a", encoding="utf-8")

    def _write(self, line: str) -> None:
        if self._file.closed:
            return
        try:
            if self._file.tell() + len(line) > self._config.file_bytes:
                self._rotate()
            self._file.write(line)
            self._file.flush()
        except OSError as error:
            if not self._broken:  # once: it may go on for a while
                self._tell(f"the log cannot be written: {error.strerror}; free some space\n")
            self._broken = True
        else:
            self._broken = False

    def _rotate(self) -> None:
        self._file.close()
        for number in range(self._config.files - 1, 0, -1):
            older = self._numbered(number)
            if older.exists():
                older.replace(self._numbered(number + 1))
        if self._config.files:
            self.path.replace(self._numbered(1))
        else:
            self.path.unlink()
        self._file = self._open()

    def _numbered(self, number: int) -> Path:
        return self._config.folder / f"{FILE}.{number}"

    def _tell(self, line: str) -> None:
        if self._config.human is not None:
            self._config.human.write(line)
            self._config.human.flush()


def _json_event(text: str) -> dict[str, object] | None:
    if not text.startswith("{"):
        return None
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def _renamed(content: Mapping[str, object]) -> dict[str, object]:
    """Fields of a process, which may not replace what the log itself says."""
    own = ("time", "party", "process")
    return {f"its_{key}" if key in own else key: value for key, value in content.items()}


def stderr_log(folder: Path, party: str) -> NodeLog:
    """The log of a node in the foreground."""
    return NodeLog(LogConfig(folder=folder, party=party, human=sys.stderr))
