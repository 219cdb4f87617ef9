"""The whole key ceremony in one process: for simulations, tests and rehearsals.

Where one program makes everyone's keys, nobody is protected from whoever runs it. Organisations
make their own; docs/keys.md walks through it.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from parties.keys.authority import Terms, make_authority
from parties.keys.files import Access, make_folder, write_file, write_new
from parties.keys.folder import (
    AUTHORITY_CERTIFICATE,
    TLS_CERTIFICATE,
    NewParty,
    make_keys,
    request_of,
)
from parties.keys.roster import make_roster
from parties.role import Role

AUTHORITY_FOLDER: Final = "authority"
ROSTER: Final = "roster.toml"
LOOPBACK: Final = ("localhost", "127.0.0.1")


def make_federation_keys(
    folder: Path, partners: Sequence[str], *, hosts: Sequence[str] = LOOPBACK
) -> Path:
    """Make an authority, all parties' keys and certificates, and their roster.

    `folder` then holds `authority/`, a key folder named after each party (`coordinator/`, `item/`
    and one a partner) and `roster.toml`.

    Args:
        folder: made if it is missing; none of the above may be in it.
        partners: their names, in the order in which they are summed.
        hosts: names and addresses at which the coordinator is reached.

    Returns:
        Path of the roster.

    Raises:
        KeysExistError: there are keys already.
        KeysError: a name or host cannot be used, or the disk refused.
    """
    make_folder(folder)
    authority = make_authority(folder / AUTHORITY_FOLDER, "fedrecall rehearsal")
    trusted = (folder / AUTHORITY_FOLDER / AUTHORITY_CERTIFICATE).read_bytes()
    parties = (
        NewParty(name=Role.COORDINATOR.value, role=Role.COORDINATOR, hosts=hosts),
        NewParty(name=Role.ITEM.value, role=Role.ITEM),
        *(NewParty(name=name, role=Role.PARTNER) for name in partners),
    )
    cards = []
    for party in parties:
        own = folder / party.name
        cards.append(make_keys(own, party))
        signed = authority.sign(request_of(own), Terms())
        write_file(own / TLS_CERTIFICATE, signed, Access.EVERYONE)
        write_file(own / AUTHORITY_CERTIFICATE, trusted, Access.EVERYONE)
    roster = folder / ROSTER
    write_new(roster, make_roster(cards, place=str(roster)).text().encode(), Access.EVERYONE)
    return roster
