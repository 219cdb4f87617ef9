"""Changing a key of a commented TOML file as a person would: in its line, comments kept."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

Value: TypeAlias = str | int | float | bool | Sequence[str] | Mapping[str, str]


def set_keys(path: Path, section: str, values: Mapping[str, Value]) -> None:
    """Give keys of one section new values; a key that is missing or commented out comes in.

    Args:
        path: of the file.
        section: as it stands in the brackets; it is added if it is missing.
        values: key → value.
    """
    lines = path.read_text(encoding="utf-8").splitlines()
    for key, value in values.items():
        lines = _with_key(lines, section, f"{key} = {_written(value)}")
    path.write_text("\n".join([*lines, ""]), encoding="utf-8")


def _with_key(lines: list[str], section: str, entry: str) -> list[str]:
    begin = next((n for n, line in enumerate(lines) if line.startswith(f"[{section}]")), None)
    if begin is None:
        return [*lines, "", f"[{section}]", entry]
    later = (n for n, line in enumerate(lines) if n > begin and line.startswith("["))
    end = next(later, len(lines))
    key = re.compile(rf"(# )?{re.escape(entry.partition(' ')[0])}\s*=")
    at = next((n for n in range(begin + 1, end) if key.match(lines[n])), None)
    if at is None:
        return [*lines[: begin + 1], entry, *lines[begin + 1 :]]
    return [*lines[:at], entry, *lines[at + 1 :]]


def _written(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, Mapping):
        pairs = (f"{json.dumps(key)} = {json.dumps(each)}" for key, each in value.items())
        return f"{{ {', '.join(pairs)} }}"
    return f"[{', '.join(map(json.dumps, value))}]"
