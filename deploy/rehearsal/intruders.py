"""Nodes that nobody should let in, each made of what a careless or hostile party could have."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from deploy.rehearsal.parties import Party, certify
from deploy.rehearsal.rehearsal import Rehearsal

STRANGER: Final = "stranger"  # the host they run on
OWN: Final = ("party.toml", "roster.toml", "keys")


@dataclass(frozen=True, slots=True, kw_only=True)
class Intruder:
    """One kind of node that must be refused.

    Args:
        what: it is.
        make: makes it on the stranger's host.
        told: pattern of what it must be told, in its own output.
        logged: pattern of what the coordinator must log of it; empty if it never gets there.
    """

    what: str
    make: Callable[[Rehearsal, Party], Party]
    told: str
    logged: str = ""


def disguised(federation: Rehearsal, original: Party) -> Party:
    """A copy of a party's folder, without its state, on the stranger's host."""
    folder = original.folder.parent / STRANGER
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    for name in OWN:
        source = original.folder / name
        (shutil.copytree if source.is_dir() else shutil.copy2)(source, folder / name)
    for table in original.folder.glob("*.csv"):
        shutil.copy2(table, folder / table.name)
    return replace(original, host=federation.network[STRANGER], folder=folder)


def of_another_authority(federation: Rehearsal, original: Party) -> Party:
    """The right keys, certified by an authority that the others do not know."""
    party = disguised(federation, original)
    courier, authority = _new_authority(party)
    certify(party, party, authority, courier)
    return party


def of_no_roster(federation: Rehearsal, original: Party) -> Party:
    """New keys under a known name, certified by the right authority, on its own roster alone."""
    party = disguised(federation, original)
    old_card = (party.keys / "card.toml").read_text("utf-8")
    shutil.rmtree(party.keys)
    named = ["--name", party.name, "--role", party.role.value]
    party.fedrecall("keys", "new", str(party.keys), *named)
    courier = party.folder / "courier"
    courier.mkdir(mode=0o700)
    authority = party.folder.parent / "authority"
    certify(party, federation.coordinator, authority, courier, "--replace")
    roster = party.folder / "roster.toml"
    new_card = (party.keys / "card.toml").read_text("utf-8")
    text = roster.read_text("utf-8")
    for old, new in zip(_values(old_card), _values(new_card), strict=True):
        text = text.replace(old, new)
    roster.write_text(text, "utf-8")
    return party


def under_another_name(federation: Rehearsal, original: Party) -> Party:
    """The right keys in a folder that says it is somebody else."""
    party = disguised(federation, original)
    other = next(
        name for name in federation.parties if name not in ("coordinator", "item", party.name)
    )
    file = party.folder / "party.toml"
    text = file.read_text("utf-8").replace(f'name = "{party.name}"', f'name = "{other}"')
    file.write_text(text, "utf-8")
    return party


def _new_authority(party: Party) -> tuple[Path, Path]:
    courier, authority = party.folder / "courier", party.folder / "authority"
    courier.mkdir(mode=0o700)
    party.fedrecall("keys", "new", str(authority), "--authority", "--name", "nobody")
    return courier, authority


def _values(card: str) -> list[str]:
    """The public keys of a card."""
    lines = (line.split('"') for line in card.splitlines())
    return [
        parts[1] for parts in lines if parts[0].partition(" ")[0] in ("exchange", "tls", "node")
    ]


INTRUDERS: Final = (
    Intruder(
        what="a certificate of another authority", make=of_another_authority, told="certificate"
    ),
    Intruder(
        what="a key that is not on the roster",
        make=of_no_roster,
        told="not on the coordinator's roster",
        logged="not on the coordinator's roster",
    ),
    Intruder(
        what="the right key under another name", make=under_another_name, told="is 'social' in"
    ),
    Intruder(
        what="two nodes with one identity",
        make=disguised,
        told="could not establish a connection",
        logged="its key is in use twice",
    ),
)
