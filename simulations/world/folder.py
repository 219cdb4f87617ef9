"""A world as a folder: the tables every party reads, and the truth in a file of its own."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from tempfile import mkdtemp
from typing import Any
from zipfile import BadZipFile

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from simulations.data import TableFormat
from simulations.errors import FolderExistsError
from simulations.world.config import PartnerKind, PartnerSpec
from simulations.world.generate import World
from simulations.world.truth import Truth

TRUTH_FILE = "truth.npz"
SENSITIVE = {
    PartnerKind.SOCIAL: (),
    PartnerKind.VIDEO: (),
    PartnerKind.TELECOM: ("region", "age"),
    PartnerKind.DEMOGRAPHICS: ("age", "mother_tongue"),
}


def write_world(world: World, folder: Path, *, format: TableFormat = TableFormat.CSV) -> None:
    """Write a world as a data set folder; either the whole folder appears or nothing does.

    The log is written a chunk at a time.

    Args:
        world: what to write.
        folder: a path that does not exist yet.
        format: how to store the tables.

    Raises:
        FolderExistsError: `folder` exists; nothing is overwritten.
    """
    with _new_folder(folder) as draft:
        _write_table(world.event_chunks(), draft / f"events.{format.value}")
        tables = {"items": world.items, "users": world.users, "triples": world.triples}
        for name, table in (tables | dict(world.partners)).items():
            _write_table(iter([table]), draft / f"{name}.{format.value}")
        (draft / "federation.toml").write_text(_description(world, format), encoding="utf-8")
        np.savez(draft / TRUTH_FILE, **_truth_arrays(world.truth))


def load_truth(folder: Path) -> Truth:
    """Read the ground truth that `write_world` left beside the tables.

    Raises:
        FileNotFoundError: the folder is not a written world.
        ValueError: the file holds something else than a truth.
    """
    path = folder / TRUTH_FILE
    names = {field.name for field in fields(Truth)}
    try:
        with np.load(path, allow_pickle=False) as arrays:
            values: dict[str, Any] = {name: arrays[name] for name in names}
    except (ValueError, KeyError, BadZipFile) as error:
        raise ValueError(f"{path} does not hold the ground truth of a world") from error
    scalars: dict[str, Any] = {name: float(v) for name, v in values.items() if v.ndim == 0}
    return Truth(**(values | scalars))


@contextmanager
def _new_folder(folder: Path) -> Iterator[Path]:
    """A draft folder that becomes `folder` when all went well and vanishes otherwise."""
    if folder.exists() or folder.is_symlink():
        raise FolderExistsError(
            f"{folder} exists already: choose another folder or remove it first"
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        yield draft
        draft.chmod(0o755)  # mkdtemp keeps others out; a data set folder need not
        draft.rename(folder)
    except BaseException:
        shutil.rmtree(draft)
        raise


def _write_table(chunks: Iterator[pd.DataFrame], path: Path) -> None:
    if path.suffix == ".parquet":
        _write_parquet(chunks, path)
    else:
        _write_csv(chunks, path)


def _write_csv(chunks: Iterator[pd.DataFrame], path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        for number, chunk in enumerate(chunks):
            chunk.to_csv(file, index=False, header=number == 0, lineterminator="\n")


def _write_parquet(chunks: Iterator[pd.DataFrame], path: Path) -> None:
    first = pa.Table.from_pandas(next(chunks), preserve_index=False)
    with pq.ParquetWriter(path, first.schema) as writer:
        writer.write_table(first)
        for chunk in chunks:
            writer.write_table(pa.Table.from_pandas(chunk, first.schema, preserve_index=False))


def _description(world: World, format: TableFormat) -> str:
    """The federation.toml; names hold no character that TOML would need escaped."""
    tables = ("events", "items", "users", "triples")
    lines = [f'name = "{world.config.name}"', "", "[item_party]"]
    lines += [f'{table} = "{table}.{format.value}"' for table in tables]
    for spec in world.config.partners:
        lines += ["", *_partner_lines(spec, format)]
    return "\n".join(lines) + "\n"


def _partner_lines(spec: PartnerSpec, format: TableFormat) -> list[str]:
    lines = ["[[partner]]", f'name = "{spec.name}"', f'users = "{spec.name}.{format.value}"']
    if columns := ", ".join(f'"{column}"' for column in SENSITIVE[spec.kind]):
        lines.append(f"sensitive = [{columns}]")
    return lines


def _truth_arrays(truth: Truth) -> dict[str, Any]:
    return {field.name: np.asarray(getattr(truth, field.name)) for field in fields(Truth)}
