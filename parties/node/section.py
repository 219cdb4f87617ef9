"""One table of a `party.toml`, read strictly: a key is known and of its type, or refused."""

import difflib
import re
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from parties.errors import PartyFileError

HOST: Final = re.compile(r"[A-Za-z0-9:]([A-Za-z0-9.:_-]{0,251}[A-Za-z0-9:])?")
PORTS: Final = range(1, 65536)


def read_text(file: Path) -> str:
    """The text of a file.

    Raises:
        PartyFileError: it is missing, unreadable or not UTF-8 (with the line).
    """
    try:
        return file.read_bytes().decode()
    except FileNotFoundError:
        raise PartyFileError(
            "does not exist; `fedrecall node init` writes one", file=file
        ) from None
    except OSError as error:
        raise PartyFileError(f"cannot be read: {error.strerror}", file=file) from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise PartyFileError(f"is not UTF-8 in line {line}; save it so", file=file) from error


def parse(file: Path, text: str) -> dict[str, Any]:
    """The TOML in a file's text.

    Raises:
        PartyFileError: it is not TOML; the message has the line.
    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise PartyFileError(f"is not valid TOML: {error}", file=file) from error


def close_to(key: str, known: Collection[str]) -> str:
    """Which known keys a misspelt one may have meant, as the end of a sentence."""
    close = difflib.get_close_matches(key, list(known), n=3, cutoff=0.5)
    if close:
        return f"close: {', '.join(close)}"
    return f"the keys are {', '.join(known)}" if known else "remove it"


@dataclass(frozen=True, slots=True)
class Section:
    """A table, the file it is in and its dotted name; the top level has none."""

    file: Path
    name: str
    values: Mapping[str, Any]

    def error(self, problem: str, key: str = "") -> PartyFileError:
        """The error to raise about a key, or about the whole table."""
        place = ".".join(part for part in (self.name, key) if part)
        return PartyFileError(problem, file=self.file, key=place or None)

    def only(self, *allowed: str) -> None:
        """Refuse every other key."""
        for key in self.values:
            if key not in allowed:
                raise self.error(f"is not a key; {close_to(key, allowed)}", key)

    def table(self, key: str) -> "Section":
        """An inner table, empty if it is not there."""
        values = self.values.get(key, {})
        if not isinstance(values, dict):
            raise self.error(f"must be a table: write [{key}] on a line of its own", key)
        name = f"{self.name}.{key}" if self.name else key
        return Section(self.file, name, values)

    def text(self, key: str, default: str | None = None) -> str:
        """A non-empty string."""
        value = self.values.get(key, default)
        if value is None:
            raise self.error(f'is missing; write {key} = "…"', key)
        if not isinstance(value, str) or not value.strip():
            raise self.error(f'must be a non-empty string, as in {key} = "…"', key)
        return value

    def texts(self, key: str, default: tuple[str, ...] = ()) -> tuple[str, ...]:
        """A list of strings."""
        values = self.values.get(key, list(default))
        if not isinstance(values, list) or not all(isinstance(each, str) for each in values):
            raise self.error(f'must be a list of strings, as in {key} = ["…"]', key)
        return tuple(values)

    def flag(self, key: str, *, default: bool) -> bool:
        """True or false."""
        value = self.values.get(key, default)
        if not isinstance(value, bool):
            raise self.error("must be true or false, without quotes", key)
        return value

    def integer(self, key: str, default: int, allowed: range) -> int:
        """A whole number in a range."""
        value = self.values.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or value not in allowed:
            top = allowed.stop - 1
            raise self.error(f"must be a whole number from {allowed.start} to {top}", key)
        return value

    def share(self, key: str) -> float:
        """A number in [0, 1), 0 if it is not there."""
        value = self.values.get(key, 0.0)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1:
            raise self.error("must be a number from 0 to below 1", key)
        return float(value)

    def host(self, key: str, default: str | None = None) -> str:
        """A host name or an address, without scheme and port."""
        value = self.text(key, default)
        if not HOST.fullmatch(value):
            raise self.error(
                f"{value!r} is not a host name or an address; write it without scheme, port and "
                "brackets",
                key,
            )
        return value

    def port(self, key: str, default: int) -> int:
        """A TCP port."""
        return self.integer(key, default, PORTS)

    def path(self, key: str, default: str | None = None) -> Path:
        """An absolute path, or one inside the folder of the file."""
        given = Path(self.text(key, default))
        # A link may lead anywhere: whoever makes one here may also write an absolute path.
        if not given.is_absolute() and ".." in given.parts:
            raise self.error(
                f"{str(given)!r} leaves the folder of the file; write an absolute path", key
            )
        return self.file.parent / given

    def optional_path(self, key: str) -> Path | None:
        """A path, or None if it is not there."""
        return self.path(key) if key in self.values else None
