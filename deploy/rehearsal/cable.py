"""The line between a host and the switch: short and wide, or as long and thin as a WAN."""

import select
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final

from deploy.rehearsal.commands import require_tools, run
from deploy.rehearsal.errors import CommandFailedError, MissingToolError

LINE: Final = "eth0"
RELAY: Final = Path(__file__).with_name("relay.py")
START_S: Final = 20.0


class Shaper(Enum):
    """What makes a line slow."""

    NETEM = "tc netem"
    RELAY = "a relay process, for this kernel has no netem"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cable:
    """How long and thin a line is.

    Args:
        rtt_ms: milliseconds there and back.
        mbit_s: megabits a second, each way.
    """

    rtt_ms: float = 40.0
    mbit_s: float = 100.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """Where a line goes: device `eth0` of a host, and one of the host's name at the switch."""

    host: str  # namespace
    switch: str  # namespace
    port: str  # device at the switch


def find_shaper(namespace: str) -> Shaper:
    """What can make a line slow here; tried in `namespace`, which is left as it was.

    Raises:
        MissingToolError: neither way is there.
    """
    require_tools("tc")
    qdisc = ["tc", "-n", namespace, "qdisc"]
    try:
        run([*qdisc, "add", "dev", "lo", "root", "netem", "delay", "1ms"])
    except CommandFailedError:
        if not Path("/dev/net/tun").exists():
            raise MissingToolError(
                "this kernel has neither netem (CONFIG_NET_SCH_NETEM) nor /dev/net/tun "
                "(CONFIG_TUN): no slow line can be made"
            ) from None
        return Shaper.RELAY
    run([*qdisc, "del", "dev", "lo", "root"])
    return Shaper.NETEM


def lay(ends: Ends, cable: Cable | None, stack: ExitStack) -> None:
    """Join a host's namespace to the switch's; the devices are there afterwards, still down.

    Args:
        ends: where to.
        cable: how slow; None for as fast as the machine.
        stack: ends what has to run for the line.

    Raises:
        MissingToolError, CommandFailedError: the kernel cannot, or refuses.
    """
    if cable is not None and find_shaper(ends.switch) is Shaper.RELAY:
        _relay(ends, cable, stack)
        return
    peer = ["peer", "name", ends.port, "netns", ends.switch]
    run(["ip", "link", "add", LINE, "netns", ends.host, "type", "veth", *peer])
    if cable is not None:
        _slow_down(ends, cable)


def _slow_down(ends: Ends, cable: Cable) -> None:
    shape = ["delay", f"{cable.rtt_ms / 2:g}ms", "rate", f"{cable.mbit_s:g}mbit"]
    for space, device in ((ends.host, LINE), (ends.switch, ends.port)):
        run(["tc", "-n", space, "qdisc", "add", "dev", device, "root", "netem", *shape])


def _relay(ends: Ends, cable: Cable, stack: ExitStack) -> None:
    argv = [sys.executable, str(RELAY), "--host", ends.host, "--host-device", LINE]
    argv += ["--switch", ends.switch, "--switch-device", ends.port]
    argv += ["--delay-ms", f"{cable.rtt_ms / 2:g}", "--mbit-s", f"{cable.mbit_s:g}"]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE)  # noqa: S603 - argv as above
    stack.callback(_end, process)
    if process.stdout is None or not select.select([process.stdout], [], [], START_S)[0]:
        raise CommandFailedError(f"the cable of {ends.port} was not ready in {START_S:.0f} s")
    if not process.stdout.readline():
        raise CommandFailedError(f"the cable of {ends.port} could not be laid; see stderr")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    if process.stdout is not None:
        process.stdout.close()
