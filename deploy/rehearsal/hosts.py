"""Hosts on one machine: network namespaces around a bridge, torn down however a run ends.

Every host has an address, a line to the switch and an `/etc/hosts` with all names. The switch is
a namespace too: nothing of a rehearsal touches this machine's own network.
"""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from types import FrameType
from typing import IO, Final, NoReturn

from deploy.rehearsal.cable import LINE, Cable, Ends, lay
from deploy.rehearsal.commands import require_root, require_tools, run
from deploy.rehearsal.errors import OutOfTimeError, RehearsalError
from deploy.rehearsal.slots import other_free_slots, own_slot

PREFIX: Final = "fedrehearsal"
SWITCH: Final = "switch"
BRIDGE: Final = "br0"
DOMAIN: Final = "rehearsal.test"  # RFC 6761 keeps .test from ever being a real one
NAMES_FOLDER: Final = Path("/etc/netns")  # `ip netns exec` lays its files over /etc
MAX_NAME: Final = 13  # a host's name is its device at the switch, which Linux limits
FIRST_ADDRESS: Final = 11
LISTENING: Final = "0A"  # in /proc/net/tcp
SPACES_FOLDER: Final = Path("/run/netns")  # where `ip netns` keeps namespaces by name
DEATH_S: Final = 10.0  # how long killed processes may take to go
ENTRY_S: Final = 10.0  # how long a program may take to enter its host


class Cut(Enum):
    """How a line is cut."""

    UNPLUGGED = "unplugged"  # the host sees its carrier go
    SILENT = "silent"  # every frame is lost, and nobody is told


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """One host.

    Args:
        name: of the host, which others may reach it by.
        address: IPv4.
        namespace: of its network.
        switch: namespace of the switch it is joined to.
    """

    name: str
    address: str
    namespace: str
    switch: str

    @property
    def full_name(self) -> str:
        """Name and domain, which no party has as its name."""
        return f"{self.name}.{DOMAIN}"

    def run(
        self,
        argv: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        timeout_s: float = 60.0,
    ) -> subprocess.CompletedProcess[str]:
        """Run a program here to its end, whatever its exit code.

        Raises:
            OutOfTimeError: it did not end in time, and was killed.
        """
        try:
            return subprocess.run(  # noqa: S603 - argv lists of this package, no shell
                self._inside(argv),
                capture_output=True,
                text=True,
                timeout=timeout_s,
                check=False,
                env=_environment(environment),
            )
        except subprocess.TimeoutExpired as error:
            told = f"{' '.join(argv)} took over {timeout_s:.0f} s"
            raise OutOfTimeError(f"{self.name}: {told}") from error

    def start(
        self,
        argv: Sequence[str],
        *,
        log: IO[bytes],
        environment: Mapping[str, str] | None = None,
    ) -> subprocess.Popen[bytes]:
        """Start a program here; all it writes goes to `log`.

        It is on this host when this returns, or has ended: `kill_all` cannot miss it.

        Raises:
            OutOfTimeError: it did not get here in time, and was killed.
        """
        process = subprocess.Popen(  # noqa: S603 - argv lists of this package, no shell
            self._inside(argv),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=_environment(environment),
            start_new_session=True,
        )
        ends = time.monotonic() + ENTRY_S
        while process.poll() is None and not is_inside(process.pid, self.namespace):
            if time.monotonic() > ends:
                process.kill()
                process.wait()
                raise OutOfTimeError(
                    f"{self.name}: {argv[0]} did not start within {ENTRY_S:.0f} s"
                )
            time.sleep(0.001)
        return process

    def pids(self) -> list[int]:
        """Every process on this host."""
        return pids_in(self.namespace)

    def listens(self, port: int) -> bool:
        """Whether something on this host accepts TCP connections to a port."""
        return any(port in listening_ports(pid) for pid in self.pids()[:1])

    def kill_all(self) -> int:
        """End every process on this host at once, as a power cut does; returns how many."""
        return kill_all_in(self.namespace)

    def cut(self, how: Cut = Cut.SILENT) -> None:
        """Cut this host's line."""
        if how is Cut.SILENT:
            self._set_port("nomaster")
        else:
            self._set_port("down")

    def restore(self) -> None:
        """Mend this host's line."""
        self._set_port("master", BRIDGE)
        self._set_port("up")

    def _inside(self, argv: Sequence[str]) -> list[str]:
        return ["ip", "netns", "exec", self.namespace, *argv]

    def _set_port(self, *change: str) -> None:
        run(["ip", "-n", self.switch, "link", "set", "dev", self.name, *change])


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """Hosts joined by a switch, in the order they were named."""

    hosts: Mapping[str, Host]
    switch: str  # its namespace, where all that crosses can be seen on `BRIDGE`

    def __getitem__(self, name: str) -> Host:
        return self.hosts[name]


@contextmanager
def joined_hosts(names: Sequence[str], *, cable: Cable | None = None) -> Iterator[Network]:
    """Make hosts, and remove them and all that runs on them at the end, whatever happens.

    What an earlier process left behind, because it was killed, goes first.

    Args:
        names: of the hosts; the first one sits at the switch, the others at the end of a cable.
        cable: how long and thin that cable is; None for one that costs no time.

    Raises:
        MissingToolError: not root, or a program or a part of the kernel is missing.
        RehearsalError: a name cannot be a host's, or too many rehearsals run.
        CommandFailedError: the kernel refused.
    """
    require_root()
    require_tools("ip")
    _check_names(names)
    with ExitStack() as stack:
        slot = stack.enter_context(own_slot())
        with other_free_slots(slot) as others:
            for number in (slot, *others):
                remove_slot(number)
        stack.enter_context(_ending_like_an_interrupt())
        stack.callback(_remove_undisturbed, slot)
        yield _build(slot, names, cable, stack)


def pids_in(namespace: str) -> list[int]:
    """Every process in a network namespace."""
    return [int(pid) for pid in run(["ip", "netns", "pids", namespace]).split()]


def is_inside(pid: int, namespace: str) -> bool:
    """Whether a process is in a network namespace."""
    try:
        return Path("/proc", str(pid), "ns", "net").samefile(SPACES_FOLDER / namespace)
    except OSError:  # one of them has just gone
        return False


def listening_ports(pid: int) -> set[int]:
    """TCP ports, of IPv4, that anything in a process's network namespace listens on."""
    try:
        table = Path("/proc", str(pid), "net", "tcp").read_text(encoding="ascii")
    except OSError:  # it has just ended
        return set()
    rows = (line.split() for line in table.splitlines()[1:])
    return {int(row[1].partition(":")[2], 16) for row in rows if row[3] == LISTENING}


def kill_all_in(namespace: str) -> int:
    """Kill every process in a network namespace, and wait until they are gone.

    Raises:
        OutOfTimeError: one would not go.
    """
    killed: set[int] = set()
    ends = time.monotonic() + DEATH_S
    while pids := pids_in(namespace):
        if time.monotonic() > ends:
            raise OutOfTimeError(f"processes {pids} in {namespace} cannot be killed")
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        killed.update(pids)
        time.sleep(0.02)
    return len(killed)


def remove_slot(slot: int) -> None:
    """Remove every host of a slot, with all that runs on it."""
    prefix = _namespace(slot, "")
    lines = run(["ip", "netns", "list"]).splitlines()
    for name in [line.split()[0] for line in lines if line.startswith(prefix)]:
        kill_all_in(name)
        run(["ip", "netns", "delete", name])
    for folder in NAMES_FOLDER.glob(f"{prefix}*"):
        shutil.rmtree(folder, ignore_errors=True)


def _check_names(names: Sequence[str]) -> None:
    for name in names:
        plain = name.isascii() and name.replace("-", "").isalnum()
        if not plain or len(name) > MAX_NAME or name in (SWITCH, BRIDGE):
            raise RehearsalError(
                f"{name!r} cannot name a host: take 1 to {MAX_NAME} letters, digits and hyphens"
            )
    if len(set(names)) != len(names):
        raise RehearsalError("two hosts have one name")


def _namespace(slot: int, name: str) -> str:
    return f"{PREFIX}{slot}-{name}"


def _build(slot: int, names: Sequence[str], cable: Cable | None, stack: ExitStack) -> Network:
    switch = _namespace(slot, SWITCH)
    run(["ip", "netns", "add", switch])
    run(["ip", "-n", switch, "link", "set", "lo", "up"])
    run(["ip", "-n", switch, "link", "add", BRIDGE, "type", "bridge"])
    run(["ip", "-n", switch, "link", "set", BRIDGE, "up"])
    hosts = {
        name: Host(
            name=name,
            address=f"10.77.{slot}.{FIRST_ADDRESS + number}",
            namespace=_namespace(slot, name),
            switch=switch,
        )
        for number, name in enumerate(names)
    }
    for number, host in enumerate(hosts.values()):
        _write_names(host, hosts)
        _plug_in(host, cable if number else None, stack)
    return Network(hosts=hosts, switch=switch)


def _plug_in(host: Host, cable: Cable | None, stack: ExitStack) -> None:
    space, switch = host.namespace, host.switch
    run(["ip", "netns", "add", space])
    lay(Ends(host=space, switch=switch, port=host.name), cable, stack)
    run(["ip", "-n", switch, "link", "set", "dev", host.name, "master", BRIDGE])
    run(["ip", "-n", switch, "link", "set", "dev", host.name, "up"])
    run(["ip", "-n", space, "address", "add", f"{host.address}/24", "dev", LINE])
    for device in ("lo", LINE):
        run(["ip", "-n", space, "link", "set", "dev", device, "up"])


def _write_names(host: Host, hosts: Mapping[str, Host]) -> None:
    folder = NAMES_FOLDER / host.namespace
    folder.mkdir(mode=0o755, parents=True)
    lines = ["127.0.0.1 localhost", *map(_names, hosts.values())]
    (folder / "hosts").write_text("\n".join([*lines, ""]), encoding="ascii")
    (folder / "resolv.conf").write_text("", encoding="ascii")  # nobody is asked for names


def _names(host: Host) -> str:
    return f"{host.address} {host.full_name} {host.name}"


def _environment(changes: Mapping[str, str] | None) -> dict[str, str]:
    """This process's environment without what would lead a host to another one's things."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("FEDRECALL")}
    return {**kept, **(changes or {})}


@contextmanager
def _ending_like_an_interrupt() -> Iterator[None]:
    """Let SIGTERM unwind the stack as Ctrl-C does."""

    def interrupt(number: int, frame: FrameType | None) -> NoReturn:
        del number, frame
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _remove_undisturbed(slot: int) -> None:
    """Tear down; a second Ctrl-C must not leave a half behind."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, signal.SIG_IGN)
    try:
        remove_slot(slot)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
