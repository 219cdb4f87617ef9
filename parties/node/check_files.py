"""Checks of a node's files: its tables, who may read and change what, and room to write."""

import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from shlex import quote
from typing import Final

from parties.errors import DataError
from parties.listening import item_listening
from parties.node.examined import GIB, Examined
from parties.node.findings import Finding, failed, passed, skipped, warned
from parties.tables.description import ItemPartyDescription, PartnerDescription
from parties.tables.features import FEATURE, FeatureFrame
from parties.tables.item_party import read_item_party
from parties.tables.partner import read_partner

CHANGE: Final = 0o022  # group and others may write
USE: Final = 0o077  # group and others may do anything at all
READ: Final = 0o004  # everyone may read


def check_data(examined: Examined) -> Finding:
    """Every table can be read whole, and holds what its schema asks for."""
    data = examined.party.data
    missing = [str(path) for path in _tables(data) if not path.is_file()]
    if missing:
        found = f"no file at {', '.join(missing)}"
        return failed("data", found, "put it there, or correct [data] in party.toml")
    try:
        match data:
            case ItemPartyDescription():
                return passed("data", "; ".join(_item_tables(data)))
            case PartnerDescription():
                return passed("data", _partner_table(data))
            case None:
                return skipped("data", "the coordinator has none")
    except DataError as error:
        return failed("data", str(error), "mend the file, or correct [data] in party.toml")
    except OSError as error:
        return failed("data", str(error), "let this node's user read the file")


def check_modes(examined: Examined) -> Finding:
    """Nobody else may change what this node is told, or read what it keeps."""
    party = examined.party
    wrong = [
        f"chmod go-w {quote(str(path))}"
        for path in (party.file, party.roster)
        if _allows(path, CHANGE)
    ]
    wrong += [f"chmod 700 {quote(str(party.state))}"] if _allows(party.state, USE) else []
    if wrong:
        return failed("modes", "others may change or read what is this party's", "; ".join(wrong))
    tables = [path for path in _tables(party.data) if _allows(path, READ)]
    if tables:
        names = ", ".join(path.name for path in tables)
        remedy = "; ".join(f"chmod o-rwx {quote(str(path))}" for path in tables)
        return warned("modes", f"every user of this machine may read {names}", remedy)
    return passed("modes", "nobody else may change the party file, or read state and tables")


def check_state(examined: Examined) -> Finding:
    """The state folder can be made and written to, and has room."""
    folder, due = examined.party.state, examined.limits.free_bytes
    there = next(path for path in (folder, *folder.parents) if path.exists())
    try:
        with tempfile.TemporaryFile(dir=there) as probe:
            probe.write(b"fedrecall")
        free = shutil.disk_usage(there).free
    except OSError as error:
        return failed(
            "state",
            f"{there} cannot be written to: {error.strerror}",
            "let this node's user write there, or name another folder as state in party.toml",
        )
    room = f"{free / GIB:.1f} GiB free in {there}"
    if free < due:
        return failed("state", room, f"make room: {due / GIB:g} GiB should be free")
    return passed("state", room)


def _item_tables(data: ItemPartyDescription) -> Iterator[str]:
    tables = read_item_party(data)
    listening = item_listening(tables)
    yield (
        f"{data.events.name}: {len(tables.events):,} events in {len(tables.events.columns)} "
        f"columns, {len(listening.users):,} users, {len(listening.items):,} songs"
    )
    for path, frame in ((data.items, tables.items), (data.users, tables.users)):
        if path is not None and frame is not None:
            yield f"{path.name}: {_described(frame)}"
    if data.triples is not None and tables.triples is not None:
        yield f"{data.triples.name}: {len(tables.triples):,} triples"


def _partner_table(data: PartnerDescription) -> str:
    table = read_partner(data)
    sensitive = f", {len(table.sensitive)} sensitive" if table.sensitive else ""
    return f"{data.users.name}: {_described(table.features)}{sensitive}"


def _described(frame: FeatureFrame) -> str:
    if frame.columns:
        kinds = ", ".join(f"{name} ({kind.value})" for name, kind in frame.kinds.items())
        return f"{len(frame.ids):,} rows, {len(frame.columns)} columns: {kinds}"
    features = frame.table[FEATURE].nunique()
    return f"{len(frame.ids):,} users, {features:,} features, {len(frame.table):,} rows"


def _tables(data: ItemPartyDescription | PartnerDescription | None) -> tuple[Path, ...]:
    match data:
        case ItemPartyDescription():
            files = (data.events, data.items, data.users, data.triples)
            return tuple(path for path in files if path is not None)
        case PartnerDescription():
            return (data.users,)
        case None:
            return ()


def _allows(path: Path, bits: int) -> bool:
    try:
        return bool(stat.S_IMODE(path.stat().st_mode) & bits)
    except OSError:
        return False  # a missing file is another check's
