"""The parties of a rehearsal: one host, one folder and one home each, set up by real commands.

Nothing goes from one party's folder to another's but what a key ceremony hands over: requests,
certificates, cards and the roster, all through the courier's folder.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

from deploy.rehearsal.errors import CommandFailedError
from deploy.rehearsal.hosts import Host, Network
from deploy.rehearsal.tables import Handout
from deploy.rehearsal.toml_lines import Value, set_keys
from parties.config import COORDINATOR, ITEM
from parties.node.party_file import PartyFile, read_party_file
from parties.role import Role

FEDRECALL: Final = str(Path(sys.executable).with_name("fedrecall"))
COMMAND_S: Final = 180.0
LAST_WORDS: Final = 1_500


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """One party.

    Args:
        name: on the roster; also of its host.
        role: what it is.
        host: where it runs.
        folder: all it owns.
        environment: what its programs get beside a home of their own.
    """

    name: str
    role: Role
    host: Host
    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def keys(self) -> Path:
        """Its key folder."""
        return self.folder / "keys"

    @property
    def log(self) -> Path:
        """Where what its node prints goes."""
        return self.folder / "node.out"

    def read(self) -> PartyFile:
        """What its party.toml says."""
        return read_party_file(self.folder / "party.toml")

    def try_fedrecall(
        self, *arguments: str, timeout_s: float = COMMAND_S
    ) -> subprocess.CompletedProcess[str]:
        """Run a command of the program on this party's host, whatever comes of it."""
        argv = [FEDRECALL, *arguments]
        return self.host.run(argv, environment=self._environment(), timeout_s=timeout_s)

    def fedrecall(self, *arguments: str, timeout_s: float = COMMAND_S) -> str:
        """Run a command of the program on this party's host.

        Returns:
            What it wrote to stdout.

        Raises:
            CommandFailedError: it failed; the message ends with what it wrote last.
        """
        done = self.try_fedrecall(*arguments, timeout_s=timeout_s)
        if done.returncode != 0:
            words = f"{done.stdout}\n{done.stderr}".strip()[-LAST_WORDS:]
            told = f"fedrecall {' '.join(arguments)}"
            raise CommandFailedError(f"{self.name}: {told}: exit code {done.returncode}: {words}")
        return done.stdout

    def fedrecall_json(self, *arguments: str, timeout_s: float = COMMAND_S) -> Any:  # noqa: ANN401 - JSON
        """As `fedrecall`, of a command that prints JSON."""
        return json.loads(self.fedrecall(*arguments, "--json", timeout_s=timeout_s))

    def start_fedrecall(self, *arguments: str, log: IO[bytes]) -> subprocess.Popen[bytes]:
        """Start a command of the program on this party's host."""
        argv = [FEDRECALL, *arguments]
        return self.host.start(argv, log=log, environment=self._environment())

    def start_node(self) -> subprocess.Popen[bytes]:
        """Start this party's node; what it prints is added to `log`."""
        with self.log.open("ab") as log:
            return self.start_fedrecall("node", "up", str(self.folder), log=log)

    def _environment(self) -> Mapping[str, str]:
        home = self.folder / "home"
        home.mkdir(mode=0o700, exist_ok=True)
        own = {"HOME": str(home), "TMPDIR": str(home), "PYTHONUNBUFFERED": "1"}
        return {**own, **self.environment}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a rehearsal's federation is to do.

    Args:
        folder: of everything; must be empty or missing.
        run: the coordinator's [run], by dotted keys.
        handouts: what the item party and each partner hold, by their names, in order.
        experiment: keys of the item party's [experiment]; the partners get `repeatable` alone.
        own: keys of [own] of the item party and the partners.
        strangers: names of hosts of nobody.
    """

    folder: Path
    run: Mapping[str, Value]
    handouts: Mapping[str, Handout]
    experiment: Mapping[str, Value] = field(default_factory=dict)
    own: Mapping[str, Value] = field(default_factory=dict)
    strangers: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """All parties, the coordinator first, partners in the order of their sum."""
        return (COORDINATOR, ITEM, *(name for name in self.handouts if name != ITEM))


def set_up(plan: Plan, network: Network) -> dict[str, Party]:
    """Make every party's folder: party.toml, keys, roster and its own tables.

    Raises:
        CommandFailedError: a command of the program refused.
    """
    parties = {name: _party(name, plan.folder, network[name]) for name in plan.names}
    for party in parties.values():
        _initialise(party, plan, network[COORDINATOR])
    hold_ceremony(plan.folder, list(parties.values()))
    return parties


def _party(name: str, folder: Path, host: Host) -> Party:
    role = {COORDINATOR: Role.COORDINATOR, ITEM: Role.ITEM}.get(name, Role.PARTNER)
    own = folder / name
    own.mkdir(mode=0o700, parents=True)
    return Party(name=name, role=role, host=host, folder=own)


def _initialise(party: Party, plan: Plan, coordinator: Host) -> None:
    named = ["--role", party.role.value, "--name", party.name]
    dialled = [] if party.role is Role.COORDINATOR else ["--coordinator", coordinator.full_name]
    party.fedrecall("node", "init", str(party.folder), *named, *dialled)
    file = party.folder / "party.toml"
    if party.role is Role.COORDINATOR:
        set_keys(file, "run", plan.run)
        return
    handout = plan.handouts[party.name]
    for path in handout.files:
        shutil.copyfile(path, party.folder / path.name)
        (party.folder / path.name).chmod(0o600)
    set_keys(file, "data", handout.data)
    set_keys(file, "own", plan.own)
    chosen = plan.experiment if party.role is Role.ITEM else _shared(plan.experiment)
    set_keys(file, "experiment", chosen)


def _shared(experiment: Mapping[str, Value]) -> Mapping[str, Value]:
    return {key: value for key, value in experiment.items() if key == "repeatable"}


def hold_ceremony(folder: Path, parties: Sequence[Party]) -> None:
    """Make keys at each party, certify them at the authority, and hand the roster round."""
    courier, authority = folder / "courier", folder / "authority"
    courier.mkdir(mode=0o700)
    keeper = parties[0]  # somebody has to keep the authority
    keeper.fedrecall("keys", "new", str(authority), "--authority", "--name", "rehearsal")
    for party in parties:
        _make_keys(party)
        certify(party, keeper, authority, courier)
    cards = [
        shutil.copyfile(each.keys / "card.toml", courier / f"{each.name}.toml") for each in parties
    ]
    roster = courier / "roster.toml"
    keeper.fedrecall("keys", "roster", *map(str, cards), "--out", str(roster))
    for party in parties:
        shutil.copyfile(roster, party.folder / "roster.toml")


def _make_keys(party: Party) -> None:
    named = ["--name", party.name, "--role", party.role.value]
    reached = (party.host.full_name, party.host.address) if party.role is Role.COORDINATOR else ()
    hosts = [word for each in reached for word in ("--host", each)]
    party.fedrecall("keys", "new", str(party.keys), *named, *hosts)


def certify(party: Party, keeper: Party, authority: Path, courier: Path, *options: str) -> None:
    """Have a party's request signed, and bring it the certificate and the authority's."""
    request, signed = courier / f"{party.name}.csr", courier / f"{party.name}.crt"
    shutil.copyfile(party.keys / "tls.csr", request)
    signed.unlink(missing_ok=True)
    seen = party.fedrecall_json("keys", "fingerprint", str(party.keys / "tls.csr"))
    called = ["--fingerprint", seen["fingerprint"]]  # as read out on the phone
    keeper.fedrecall(
        "keys", "sign", str(authority), str(request), "--out", str(signed), *called, *options
    )
    shutil.copyfile(signed, party.keys / "tls.crt")
    shutil.copyfile(authority / "authority.crt", party.keys / "authority.crt")
