"""One party of the control: a `plain` run, its tables and its result, all in the clear.

Run on a party's host as `python -m deploy.rehearsal.clear_party FOLDER HOST PORT SETTINGS`. What
a federation without any protection would send, this one sends: the tables as they lie on the
disk, the messages of the real sessions unsealed, and the vectors that serve.
"""

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from deploy.rehearsal.clear_line import ARCHIVE, ClearHub, ClearLink, ClearTransport
from parties.checkpoints import FolderCheckpoints
from parties.config import COORDINATOR, ITEM, RunConfig
from parties.coordinator import Coordinator
from parties.data import ItemData
from parties.item import ItemParty
from parties.keys.roster import read_roster
from parties.node.members import member_of
from parties.node.party_file import PartyFile, read_party_file
from parties.node.results import save_result
from parties.node.run_settings import put_settings
from parties.partner import Partner
from parties.role import Role
from parties.seeds import party_seed
from parties.session import Session

JOB: Final = bytes(16)
CHECKPOINTS: Final = "control"  # below the party's folder
DONE: Final = "the control is done"


def main(arguments: Sequence[str] | None = None) -> None:
    """Take part in the control to its end; the coordinator then waits to be ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("settings", type=json.loads)
    given = parser.parse_args(arguments)
    party = read_party_file(given.folder / "party.toml")
    if party.role is Role.COORDINATOR:
        _coordinate(party, given.port, given.settings)
    else:
        _take_part(party, (given.host, given.port), given.settings)
        _say_done()


def control_config(settings: Mapping[str, Any]) -> RunConfig:
    """The run of the control: the same settings, and no protection."""
    return put_settings(RunConfig(), {**settings, "profile": "plain"})


def _coordinate(party: PartyFile, port: int, settings: Mapping[str, Any]) -> None:
    roster = read_roster(party.roster)
    hub = ClearHub(port, list(roster.names))
    with hub.serving():
        link = ClearLink(ClearTransport(("127.0.0.1", port), COORDINATOR), COORDINATOR, JOB)
        Coordinator(link, control_config(settings), roster.partners).run()
        _say_done()
        while True:  # what it saw stays in its memory, to be searched
            time.sleep(1)


def _take_part(party: PartyFile, hub: tuple[str, int], settings: Mapping[str, Any]) -> None:
    config = control_config(settings)
    line = ClearTransport(hub, party.name)
    for path in sorted(party.file.parent.glob("*.csv")):
        line.send_to(ARCHIVE, path.read_bytes())
    session = Session(
        link=ClearLink(line, party.name, JOB),
        config=config,
        partners=read_roster(party.roster).partners,
        private_seed=party_seed(config.seed, party.name),
        store=FolderCheckpoints(party.file.parent / CHECKPOINTS),
    )
    data = member_of(party).data(config)
    if party.name == ITEM and isinstance(data, ItemData):
        outcome = ItemParty(session, data).run()
        save_result(party.file.parent / CHECKPOINTS, outcome)
        for vectors in (outcome.queries, outcome.items):
            line.send_to(ARCHIVE, vectors.astype("<f4").tobytes())
    elif not isinstance(data, ItemData):
        Partner(session, data).run()


def _say_done() -> None:
    sys.stdout.write(f"{DONE}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
