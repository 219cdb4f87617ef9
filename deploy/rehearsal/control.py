"""The control of the capture check: the same sessions, on the same hosts, without protection."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from deploy.rehearsal.clear_party import CHECKPOINTS, DONE, control_config
from deploy.rehearsal.errors import CommandFailedError
from deploy.rehearsal.evidence import Place, Sight, search_files, search_wire
from deploy.rehearsal.finder import Finder
from deploy.rehearsal.hosts import BRIDGE
from deploy.rehearsal.memory import save_memory
from deploy.rehearsal.parties import Party
from deploy.rehearsal.party_secrets import secrets_of
from deploy.rehearsal.rehearsal import Rehearsal, tell, wait_for
from deploy.rehearsal.sniffer import capturing
from deploy.rehearsal.toml_lines import Value
from parties.archive import unpack_arrays
from parties.config import COORDINATOR, ITEM
from parties.node.results import RESULT

PORT: Final = 9095
CONTROL_S: Final = 900.0
ROOT: Final = Path(__file__).parents[2]
HEADER: Final = b"user_id"  # of a table that the coordinator was sent


def run_control(federation: Rehearsal, folder: Path, run: Mapping[str, Value]) -> list[Sight]:
    """The same sessions without any protection, captured and searched the same way."""
    tell("the control: the same sessions without any protection")
    wire, memory = folder / "control.pcap", folder / "control-memory"
    config = control_config(run)
    with capturing(federation.network.switch, BRIDGE, wire):
        processes = {
            party.name: _start_control(party, federation.coordinator, run)
            for party in federation.parties.values()
        }
        wait_for(
            "the end of the control",
            lambda: _all_done(federation.parties, processes),
            timeout_s=CONTROL_S,
        )
        save_memory(federation.coordinator.host.pids(), memory)
        for party in federation.parties.values():
            party.host.kill_all()
        for process in processes.values():
            process.wait()
    stores = {name: party.folder / CHECKPOINTS for name, party in federation.parties.items()}
    result = unpack_arrays((stores[ITEM] / RESULT).read_bytes())
    vectors = (result["queries"], result["items"])
    finder = Finder(secrets_of(federation.parties, config, stores, vectors).needles)
    return [
        search_wire(Place.WIRE, wire, finder, COORDINATOR.encode()),
        search_files(Place.MEMORY, [memory], finder, HEADER),
    ]


def _start_control(
    party: Party, coordinator: Party, run: Mapping[str, Value]
) -> subprocess.Popen[bytes]:
    words = [str(party.folder), coordinator.host.address, str(PORT), json.dumps(run)]
    argv = [sys.executable, "-m", "deploy.rehearsal.clear_party", *words]
    with _control_log(party).open("wb") as log:
        return party.host.start(argv, log=log, environment={"PYTHONPATH": str(ROOT)})


def _control_log(party: Party) -> Path:
    return party.folder / "control.out"


def _all_done(
    parties: Mapping[str, Party], processes: Mapping[str, subprocess.Popen[bytes]]
) -> bool | None:
    """Whether every party said so; raises CommandFailedError when one ended and did not."""
    texts = {
        name: _control_log(each).read_text("utf-8", "replace") for name, each in parties.items()
    }
    for name, process in processes.items():
        if process.poll() is not None and DONE not in texts[name]:
            text = _control_log(parties[name]).read_text("utf-8", "replace")
            if DONE not in text:
                raise CommandFailedError(f"{name}: the control failed: {text[-1500:]}")
    return all(DONE in text for text in texts.values()) or None
