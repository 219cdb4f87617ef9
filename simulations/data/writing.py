"""Writing a federation's tables as a folder that `read_federation` reads back."""

import json
import shutil
import tempfile
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pa_parquet

from parties.tables import (
    FeatureFrame,
    FeatureLayout,
    FederationTables,
    ItemTables,
    PartnerTable,
)
from parties.tables.description import FILE_NAME
from simulations.errors import FolderExistsError


class TableFormat(StrEnum):
    """The file format of written tables; the value is the suffix."""

    CSV = "csv"
    PARQUET = "parquet"


def write_folder(
    tables: FederationTables, folder: Path, *, table_format: TableFormat = TableFormat.CSV
) -> None:
    """Write tables and their `federation.toml`; the folder appears whole or not at all.

    Args:
        tables: what to write.
        folder: where to; it must not exist, its parent is made if need be.
        table_format: the format of every table.

    Raises:
        FolderExistsError: `folder` exists already; nothing was changed.
        OSError: the disk is full or not writable; nothing was left behind.
    """
    if folder.exists():
        raise FolderExistsError(f"{folder} already exists; choose another folder or remove it")
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        _write_tables(tables, draft, table_format)
        draft.chmod(0o755)  # mkdtemp makes it private
        draft.rename(folder)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise


def _write_tables(tables: FederationTables, folder: Path, table_format: TableFormat) -> None:
    lines = [f"name = {_quoted(tables.name)}", ""]
    lines += _write_item_party(tables.item, folder, table_format)
    for partner in tables.partners:
        lines += _write_partner(partner, folder, table_format)
    (folder / FILE_NAME).write_text("\n".join(lines), encoding="utf-8")


def _write_item_party(item: ItemTables, folder: Path, table_format: TableFormat) -> list[str]:
    frames = {
        "events": item.events,
        "items": _plain(item.items) if item.items else None,
        "users": _plain(item.users) if item.users else None,
        "triples": item.triples,
    }
    lines = ["[item_party]"]
    for key, frame in frames.items():
        if frame is not None and len(frame):
            name = _write(frame, folder, key, table_format=table_format)
            lines.append(f"{key} = {_quoted(name)}")
    lines += _kinds("item_party.item_columns", item.items)
    lines += _kinds("item_party.user_columns", item.users)
    return [*lines, ""]


def _write_partner(partner: PartnerTable, folder: Path, table_format: TableFormat) -> list[str]:
    stem = f"partner-{partner.name}"
    name = _write(_plain(partner.features), folder, stem, table_format=table_format)
    lines = [
        "[[partner]]",
        f"name = {_quoted(partner.name)}",
        f"users = {_quoted(name)}",
        f"sensitive = [{', '.join(map(_quoted, partner.sensitive))}]",
    ]
    return [*lines, *_kinds("partner.columns", partner.features), ""]


def _plain(features: FeatureFrame) -> pd.DataFrame:
    """The table as a file has it: keys in a column."""
    ids = pd.Series(pd.array(list(features.ids), dtype="str"), name=features.key)
    if features.layout is FeatureLayout.WIDE:
        return pd.concat([ids, features.table], axis=1)
    keys = ids.take(features.table["row"].to_numpy()).reset_index(drop=True)
    return pd.concat([keys, features.table.drop(columns="row")], axis=1)


def _write(frame: pd.DataFrame, folder: Path, stem: str, *, table_format: TableFormat) -> str:
    path = folder / f"{stem}.{table_format}"
    table = pa.Table.from_pandas(frame, preserve_index=False)
    if table_format is TableFormat.PARQUET:
        pa_parquet.write_table(table.replace_schema_metadata(None), path)
    else:
        pa_csv.write_csv(table, path)
    return path.name


def _kinds(section: str, features: FeatureFrame | None) -> Iterable[str]:
    if features is None or not features.kinds:
        return []
    declared = [f"{_quoted(name)} = {_quoted(kind)}" for name, kind in features.kinds.items()]
    return ["", f"[{section}]", *declared]


def _quoted(text: str) -> str:
    """A TOML basic string; its escapes are JSON's, and DEL must be escaped as well."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
