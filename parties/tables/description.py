"""`federation.toml`: which files hold whose tables, and what their columns are."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from federation.protocol.frames import NAME
from parties.errors import DescriptionError, EncodingError, MissingFileError
from parties.tables.features import ColumnKind
from parties.tables.source import require_utf8

FILE_NAME = "federation.toml"
RESERVED_NAMES = frozenset({"item", "coordinator", "hub"})

Kinds = Mapping[str, ColumnKind]


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemPartyDescription:
    """The item party's files, and the declared kinds of their columns."""

    events: Path
    items: Path | None = None
    users: Path | None = None
    triples: Path | None = None
    item_columns: Kinds = field(default_factory=dict)
    user_columns: Kinds = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PartnerDescription:
    """A partner's name, its one file, its sensitive columns and declared kinds."""

    name: str
    users: Path
    sensitive: tuple[str, ...] = ()
    columns: Kinds = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class FederationDescription:
    """All that a `federation.toml` says."""

    file: Path
    name: str
    item_party: ItemPartyDescription
    partners: tuple[PartnerDescription, ...]


@dataclass(frozen=True, slots=True)
class _Section:
    """A TOML table, the file it is in and what to call it in an error."""

    file: Path
    title: str
    values: Mapping[str, Any]

    def error(self, problem: str) -> DescriptionError:
        return DescriptionError(f"{self.title}: {problem}", file=self.file)

    def only(self, *allowed: str) -> None:
        for key in self.values:
            if key not in allowed:
                raise self.error(f"unknown key {key!r}; the keys are {', '.join(allowed)}")

    def text(self, key: str) -> str:
        if key not in self.values:
            raise self.error(f"key {key!r} is missing")
        value = self.values[key]
        if not isinstance(value, str) or not value.strip():
            raise self.error(f"key {key!r} must be a non-empty string")
        return value

    def path(self, key: str) -> Path:
        """The file that `key` names, which must lie inside the folder of `federation.toml`."""
        folder = self.file.parent.resolve()
        path = (folder / self.text(key)).resolve()
        if not path.is_relative_to(folder):
            raise self.error(
                f"{key} = {self.values[key]!r} leaves the folder; move the file into it"
            )
        return self.file.parent / path.relative_to(folder)

    def optional_path(self, key: str) -> Path | None:
        return self.path(key) if key in self.values else None

    def kinds(self, key: str) -> Kinds:
        declared = self.values.get(key, {})
        if not isinstance(declared, dict):
            raise self.error(f"{key!r} must be a table of column = kind")
        kinds = [kind.value for kind in ColumnKind]
        for column, kind in declared.items():
            if kind not in kinds:
                raise self.error(f"{key}.{column} = {kind!r}; the kinds are {', '.join(kinds)}")
        return {column: ColumnKind(kind) for column, kind in declared.items()}

    def texts(self, key: str) -> tuple[str, ...]:
        values = self.values.get(key, [])
        if not isinstance(values, list) or not all(isinstance(v, str) for v in values):
            raise self.error(f"{key!r} must be a list of strings")
        return tuple(values)


def read_description(folder: Path) -> FederationDescription:
    """Read `federation.toml` in `folder`; no table is opened.

    Raises:
        MissingFileError: the folder has no such file.
        DescriptionError: invalid TOML (with its line), an unknown key, a missing key, a wrong
            type, a path that leaves the folder, a file named twice, an invalid or repeated
            partner name.
    """
    file = folder / FILE_NAME
    top = _Section(file, "top level", _parse(file))
    top.only("name", "item_party", "partner")
    partners = top.values.get("partner", [])
    if not isinstance(partners, list) or not partners:
        raise top.error("at least one [[partner]] is needed")
    description = FederationDescription(
        file=file,
        name=top.text("name"),
        item_party=_item_party(_section(top, "item_party")),
        partners=tuple(
            _partner(_Section(file, f"[[partner]] {number}", _table(top, values)))
            for number, values in enumerate(partners, start=1)
        ),
    )
    _require_distinct_names(top, description.partners)
    _require_distinct_files(top, description)
    return description


def check_partner_name(name: str) -> str | None:
    """What is wrong with a partner's name; None if nothing is."""
    if not NAME.fullmatch(name):
        return f"{name!r} is not a partner name; use 1 to 32 of a-z, 0-9 and -, the first no -"
    if name in RESERVED_NAMES:
        return f"{name!r} is reserved; choose another partner name"
    return None


def _parse(file: Path) -> dict[str, Any]:
    if not file.is_file():
        raise MissingFileError("does not exist; a data set is a folder with this file", file=file)
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        require_utf8(file)
        raise EncodingError("is not UTF-8", file=file) from error
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"\(at line (\d+)", str(error))
        line = int(found.group(1)) if found else None
        raise DescriptionError(f"is not valid TOML: {error}", file=file, line=line) from error


def _section(top: _Section, key: str) -> _Section:
    if key not in top.values:
        raise top.error(f"section [{key}] is missing")
    return _Section(top.file, f"[{key}]", _table(top, top.values[key]))


def _table(top: _Section, values: object) -> Mapping[str, Any]:
    if not isinstance(values, dict):
        raise top.error("[item_party] and [[partner]] must be tables")
    return values


def _item_party(section: _Section) -> ItemPartyDescription:
    section.only("events", "items", "users", "triples", "item_columns", "user_columns")
    return ItemPartyDescription(
        events=section.path("events"),
        items=section.optional_path("items"),
        users=section.optional_path("users"),
        triples=section.optional_path("triples"),
        item_columns=section.kinds("item_columns"),
        user_columns=section.kinds("user_columns"),
    )


def _partner(section: _Section) -> PartnerDescription:
    section.only("name", "users", "sensitive", "columns")
    name = section.text("name")
    if problem := check_partner_name(name):
        raise section.error(problem)
    return PartnerDescription(
        name=name,
        users=section.path("users"),
        sensitive=section.texts("sensitive"),
        columns=section.kinds("columns"),
    )


def _require_distinct_names(top: _Section, partners: tuple[PartnerDescription, ...]) -> None:
    seen: set[str] = set()
    for partner in partners:
        if partner.name in seen:
            raise top.error(f"two partners are named {partner.name!r}; rename one")
        seen.add(partner.name)


def _require_distinct_files(top: _Section, description: FederationDescription) -> None:
    item = description.item_party
    files = [item.events, item.items, item.users, item.triples]
    files += [partner.users for partner in description.partners]
    seen: set[Path] = set()
    for file in files:
        if file is not None and file in seen:
            raise top.error(f"{file.name!r} is named twice; every table is a file of its own")
        seen |= {file} if file is not None else set()
