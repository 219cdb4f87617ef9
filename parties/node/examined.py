"""A node as its checks see it: its file, and its keys and roster as far as they can be read."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from parties.errors import PartiesError
from parties.keys.loading import PartyKeys, load_keys
from parties.keys.roster import Roster, read_roster
from parties.node.party_file import PartyFile

GIB: Final = 1 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckLimits:
    """How long checks wait and what they ask for.

    Args:
        timeout_s: seconds each step of reaching a port may take.
        free_bytes: least room in the state folder; checkpoints, Flower's database and logs of a
            few runs fit in the default.
        requirements: what must be installed, as `name==version`; None asks for what this version
            of the program was made for.
    """

    timeout_s: float = 5.0
    free_bytes: int = 2 * GIB
    requirements: Sequence[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """What checks look at.

    Args:
        party: the node's file.
        limits: how long and against what.
        keys: its keys, or why they cannot be loaded.
        roster: everyone on it, or why it cannot be read.
    """

    party: PartyFile
    limits: CheckLimits
    keys: PartyKeys | PartiesError = field(repr=False)
    roster: Roster | PartiesError


def examine(party: PartyFile, limits: CheckLimits) -> Examined:
    """Load what several checks need."""
    return Examined(party=party, limits=limits, keys=_keys(party), roster=_roster(party))


def _keys(party: PartyFile) -> PartyKeys | PartiesError:
    try:
        return load_keys(party.keys)
    except PartiesError as error:
        return error


def _roster(party: PartyFile) -> Roster | PartiesError:
    try:
        return read_roster(party.roster)
    except PartiesError as error:
        return error


def parted(error: Exception, otherwise: str) -> tuple[str, str]:
    """What is wrong and what to do, of an error that says both around its last semicolon.

    Args:
        error: the error.
        otherwise: what to do if it does not say.
    """
    problem, semicolon, remedy = str(error).rpartition("; ")
    return (problem, remedy) if semicolon else (remedy, otherwise)
