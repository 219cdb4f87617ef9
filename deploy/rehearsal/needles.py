"""What a party would not want to be seen: its tables' texts, and its numbers in every encoding.

Texts are sought in UTF-8 and UTF-16. Rows of numbers are sought by runs of eight of them, as
floats of 16, 32 and 64 bits, in both byte orders, and as the levels of the run's fixed point.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np

from deploy.rehearsal.finder import KEY_BYTES, Kind, Needle
from federation.crypto.fixed_point import FixedPoint
from parties.alignment import PartnerAlignment
from parties.archive import unpack_arrays
from parties.batches import BatchPlan
from parties.checkpoints import FolderCheckpoints
from parties.config import RunConfig
from parties.data import PartnerData
from parties.seeds import party_seed
from parties.tables import FeatureFrame, ItemTables, PartnerTable
from towers.encoders import fit_encoder
from towers.features import Floats
from towers.projection import Projection

RUN: Final = 8  # numbers that are sought together
MIN_DISTINCT: Final = 4  # fewer different ones could be anything
TEXT_ENCODINGS: Final = ("utf-8", "utf-16-le")
Encoder: TypeAlias = Callable[[Floats], bytes]


@dataclass(frozen=True, slots=True)
class Gathered:
    """Needles, and how many texts were too short to be told from chance."""

    needles: tuple[Needle, ...]
    too_short: int = 0


def joined(parts: Iterable[Gathered]) -> Gathered:
    """All needles of some parties."""
    held = list(parts)
    needles = tuple(needle for part in held for needle in part.needles)
    return Gathered(needles, sum(part.too_short for part in held))


def item_texts(tables: ItemTables) -> Gathered:
    """Identifiers, names and features of the item party's tables."""
    users = set(map(str, tables.events["user_id"]))
    if tables.users is not None:
        users |= set(tables.users.ids)
    names = _cells(tables.items) if tables.items is not None else set()
    features = _cells(tables.users) if tables.users is not None else set()
    frames = (frame for frame in (tables.items, tables.users) if frame is not None)
    features |= {column for frame in frames for column in frame.kinds}
    if tables.triples is not None:
        features |= set(map(str, tables.triples["tail"]))
    return _texts({Kind.IDENTIFIER: users, Kind.NAME: names, Kind.FEATURE: features - names})


def partner_texts(table: PartnerTable) -> Gathered:
    """Identifiers and features of a partner's table."""
    features = _cells(table.features) | set(table.features.kinds)
    return _texts({Kind.IDENTIFIER: set(table.user_ids), Kind.FEATURE: features})


def _cells(frame: FeatureFrame) -> set[str]:
    """Texts in a table's cells."""
    texts: set[str] = set()
    for name in frame.table:
        column = frame.table[name]
        if not np.issubdtype(column.to_numpy().dtype, np.number):
            texts |= {part for cell in column.dropna().unique() for part in str(cell).split("|")}
    return texts


def _texts(by_kind: Mapping[Kind, set[str]]) -> Gathered:
    needles, too_short = [], 0
    for kind, texts in by_kind.items():
        for text in sorted(texts):
            written = {name: text.encode(name) for name in TEXT_ENCODINGS}
            long = [Needle(kind, raw, name) for name, raw in written.items() if _is_long(raw)]
            needles += long
            too_short += not long
    return Gathered(tuple(needles), too_short)


def _is_long(raw: bytes) -> bool:
    return len(raw) >= KEY_BYTES


def partner_embeddings(
    name: str, data: PartnerData, config: RunConfig, checkpoints: Path
) -> Iterator[Floats]:
    """Every (rows, d) block that a partner sent under the weights its checkpoints hold.

    Args:
        name: of the partner, whose run must be a repeatable one.
        data: what it brought.
        config: the run.
        checkpoints: its folder of them.
    """
    store = FolderCheckpoints(checkpoints)
    saved = store.load_alignment()
    if saved is None:
        return
    alignment = PartnerAlignment.unpack(saved)
    seed = party_seed(config.seed, name)
    encoded = fit_encoder(data.features, config.encoder, seed=seed)
    plan = BatchPlan(config, alignment.total)
    phi = np.zeros((plan.padded_slots, encoded.shape[1]), np.float32)
    phi[alignment.slots] = encoded[alignment.users]
    projection = Projection((phi.shape[1], config.dim), plan.paced.projection, seed=seed)
    states = [projection.state()]
    for epoch in store.epochs():
        arrays = unpack_arrays(store.load_epoch(epoch))
        states += [_section(arrays, f"{kind}:") for kind in ("now", "best")]
    batches = [groups for epoch in range(config.training.epochs) for groups in plan.epoch(epoch)]
    batches += [groups for _, groups in plan.serving()]
    for state in states:
        projection.load(state)
        for groups in batches:
            yield projection.forward(phi[plan.padded_rows(groups)])


def _section(arrays: Mapping[str, Floats], prefix: str) -> dict[str, Floats]:
    return {
        key.removeprefix(prefix): array for key, array in arrays.items() if key.startswith(prefix)
    }


def number_needles(kind: Kind, blocks: Iterable[Floats], config: RunConfig) -> Gathered:
    """Runs of numbers of each row of (rows, d) blocks, each run once, in every encoding."""
    runs: set[bytes] = set()
    for block in blocks:
        for begin in {0, block.shape[1] // 2}:
            part = np.ascontiguousarray(block[:, begin : begin + RUN], np.float32)
            runs |= {row.tobytes() for row in part if len(np.unique(row)) >= MIN_DISTINCT}
    encoders = _encoders(config)
    return Gathered(
        tuple(
            Needle(kind, encode(np.frombuffer(run, np.float32)), name)
            for run in sorted(runs)
            for name, encode in encoders.items()
        )
    )


def _encoders(config: RunConfig) -> Mapping[str, Encoder]:
    exchange = config.exchange
    point = FixedPoint(clip=exchange.clip, bits=exchange.bits)

    def as_type(kind: str) -> Encoder:
        return lambda values: values.astype(kind).tobytes()

    def as_level(kind: str) -> Encoder:
        return lambda values: point.encode(values).levels.astype(kind).tobytes()

    floats = {kind: as_type(kind) for kind in ("<f4", ">f4", "<f8", "<f2")}
    return floats | {f"levels {kind}": as_level(kind) for kind in ("<u2", "<u4", "<u8")}
