"""Run settings from a file or from another party, put into a `RunConfig` and nothing else.

`parties.settings` knows the keys; it also takes text for any type, as a command line needs. A
file or an order has types of its own, so here a value must have the setting's type, and an order
is held against limits of size and depth before anything walks through it.
"""

from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any, Final

from federation.errors import SettingError
from parties.config import RunConfig
from parties.settings import override, to_plain

MAX_DEPTH: Final = 4  # trainer.model.temperature has 3 parts
MAX_SETTINGS: Final = 256
MAX_TEXT: Final = 128  # characters of a key or a value
MAX_ITEMS: Final = 16  # of a list
MAX_INTEGER: Final = 2**53  # beyond it, a float no longer holds every whole number
SHOWN: Final = 60  # characters of a refused value that an error repeats


def put_settings(config: RunConfig, values: Mapping[str, Any]) -> RunConfig:
    """The run with other settings, from nested tables or dotted keys.

    Args:
        config: what holds where `values` says nothing.
        values: as TOML or JSON has it; nothing about it is trusted.

    Raises:
        SettingError: too many or too deeply nested settings, an unknown key (close ones are
            named), or a value of the wrong type or out of the setting's own range.
    """
    for key, value in leaves(values):
        changed = override(config, key, value)
        kept = _leaf(changed, key)
        if not _same_type(kept, value):
            raise SettingError(f"{key}: {shown(value)} is not of the type of {shown(kept)}")
        config = changed
    return config


def leaves(values: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    """Dotted keys and values of nested tables, as far as they stay within the limits."""
    waiting: list[tuple[str, object]] = [("", values)]
    seen = 0
    while waiting:
        key, value = waiting.pop()
        seen += 1
        if seen > MAX_SETTINGS or key.count(".") >= MAX_DEPTH:
            raise SettingError(f"more than {MAX_SETTINGS} settings, or too deeply nested ones")
        if isinstance(value, Mapping):
            waiting += [(_joined(key, inner), each) for inner, each in value.items()]
        else:
            _refuse_large(key, value)
            yield key, value


def shown(value: object) -> str:
    """A value as an error may repeat it: never longer than a line."""
    text = f"{value:g}" if isinstance(value, float) else repr(value)
    return text if len(text) <= SHOWN else text[:SHOWN] + "…"


def _joined(prefix: str, key: object) -> str:
    if not isinstance(key, str) or not key or len(key) > MAX_TEXT:
        raise SettingError(f"a key must be a name of at most {MAX_TEXT} characters")
    return f"{prefix}.{key}" if prefix else key


def _refuse_large(key: str, value: object) -> None:
    items = value if isinstance(value, list | tuple) else [value]
    if len(items) > MAX_ITEMS or not all(map(_is_small, items)):
        raise SettingError(f"{key}: the value is far too large, or of a type no setting has")


def _is_small(value: object) -> bool:
    if isinstance(value, str):
        return len(value) <= MAX_TEXT
    if isinstance(value, int):
        return abs(value) <= MAX_INTEGER
    return isinstance(value, float)


def _leaf(config: RunConfig, key: str) -> object:
    value: Any = config
    for name in key.split("."):
        value = getattr(value, name)
    return value.name if isinstance(value, Enum) else to_plain(value)


def _same_type(kept: object, given: object) -> bool:
    if isinstance(kept, list):
        return isinstance(given, list | tuple) and all(map(_same_type, kept, given))
    if isinstance(kept, float):
        return isinstance(given, float | int) and not isinstance(given, bool)
    return type(kept) is type(given)
