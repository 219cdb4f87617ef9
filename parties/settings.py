"""Reading and changing a tree of frozen config dataclasses by dotted keys.

One typed tree is the only configuration: files, `--set key=value` and reports all go through
here, so a key is known in all of them or in none.
"""

import difflib
import math
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from enum import Enum
from types import UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from federation.errors import SettingError
from towers.errors import ConfigError

Config = TypeVar("Config")


def to_plain(config: object) -> Any:  # noqa: ANN401 - JSON has no narrower type
    """The tree as JSON-able values; enums by lower-case name."""
    if is_dataclass(config) and not isinstance(config, type):
        return {field.name: to_plain(getattr(config, field.name)) for field in fields(config)}
    if isinstance(config, Enum):
        return config.name.lower()
    if isinstance(config, tuple):
        return [to_plain(value) for value in config]
    return config


def from_plain(config: Config, values: Mapping[str, Any]) -> Config:
    """The tree with values from TOML or JSON put in, nested as in `to_plain`.

    Raises:
        SettingError: a key is unknown or a value does not fit it.
    """
    for key, value in flatten(values):
        config = override(config, key, value)
    return config


def flatten(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, object]]:
    """Dotted keys and leaf values of nested mappings."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def keys(config: object, prefix: str = "") -> Iterator[str]:
    """Every dotted key of the tree."""
    for field in fields(config):  # type: ignore[arg-type]  # callers pass dataclass instances
        value = getattr(config, field.name)
        if is_dataclass(value):
            yield from keys(value, f"{prefix}{field.name}.")
        else:
            yield prefix + field.name


def parse_assignment(text: str) -> tuple[str, str]:
    """Split ``key=value``; raises SettingError when there is no ``=``."""
    key, separator, value = text.partition("=")
    if not separator or not key.strip():
        raise SettingError(f"--set takes key=value, not {text!r}")
    return key.strip(), value.strip()


def override(config: Config, key: str, value: object) -> Config:
    """A copy of the tree with one leaf replaced.

    Args:
        config: a frozen dataclass, nested at will.
        key: dotted path to the leaf.
        value: of the leaf's type, or text that spells one.

    Raises:
        SettingError: the key is unknown (close ones are named) or the value does not fit.
    """
    if key not in set(keys(config)):
        close = difflib.get_close_matches(key, list(keys(config)), n=3, cutoff=0.4)
        hint = f"; close: {', '.join(close)}" if close else ""
        raise SettingError(f"unknown setting {key}{hint}")
    try:
        return _put(config, key.split("."), value)
    except (ConfigError, ValueError) as error:
        raise SettingError(f"{key}: {error}") from None


def _put(config: Config, path: list[str], value: object) -> Config:
    name, *rest = path
    if rest:
        new: object = _put(getattr(config, name), rest, value)
    else:
        new = _parse(get_type_hints(type(config))[name], value)
    return replace(config, **{name: new})  # type: ignore[type-var]  # a dataclass: keys() saw it


def _parse(kind: Any, value: object) -> object:  # noqa: ANN401 - annotations have no type
    if isinstance(kind, UnionType):
        return _optional(kind, value)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _enum(kind, value)
    if get_origin(kind) is tuple:
        return _tuple(kind, value)
    return _scalar(kind, value)


def _scalar(kind: type[Any], value: object) -> object:
    if kind is bool:
        return _flag(value)
    if isinstance(value, bool) or (kind is int and isinstance(value, float)):
        raise ValueError(f"{value!r} is not of type {kind.__name__}")
    try:
        parsed = kind(value)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{value!r} is not of type {kind.__name__}") from None
    if isinstance(parsed, float) and not math.isfinite(parsed):
        raise ValueError(f"{value!r} is not finite")
    return parsed


def _flag(value: object) -> bool:
    known = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    flag = known.get(str(value).lower())
    if flag is None:
        raise ValueError(f"{value!r} is not true or false")
    return flag


def _enum(kind: type[Enum], value: object) -> Enum:
    if isinstance(value, kind):
        return value
    for member in kind:
        if str(value).lower() in (member.name.lower(), str(member.value).lower()):
            return member
    names = ", ".join(member.name.lower() for member in kind)
    raise ValueError(f"{value!r} is not one of {names}")


def _tuple(kind: Any, value: object) -> tuple[object, ...]:  # noqa: ANN401
    items = value.strip("()[] ").split(",") if isinstance(value, str) else value
    if not isinstance(items, list | tuple):
        raise ValueError(f"{value!r} is not a list")
    present = [item for item in items if item != ""]
    kinds = get_args(kind)
    if kinds[-1] is Ellipsis:
        return tuple(_parse(kinds[0], item) for item in present)
    if len(present) != len(kinds):
        raise ValueError(f"{len(kinds)} values are needed, not {len(present)}")
    return tuple(_parse(each, item) for each, item in zip(kinds, present, strict=True))


def _optional(kind: UnionType, value: object) -> object:
    if value is None or str(value).lower() == "none":
        return None
    inner = next(each for each in get_args(kind) if each is not type(None))
    return _parse(inner, value)
