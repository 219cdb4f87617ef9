"""Check of what is installed: a run needs the same at every party."""

import platform
import re
from importlib import metadata
from typing import Final

from federation.protocol.frames import VERSION
from parties.node.examined import Examined
from parties.node.findings import Finding, failed, passed

PROGRAM: Final = "fedrecall"
PINNED: Final = re.compile(r"(flwr|tenseal|torch)==([\w.]+)")


def check_versions(examined: Examined) -> Finding:
    """Flower, TenSEAL and torch are of the versions that this program was made for."""
    required = examined.limits.requirements or metadata.requires(PROGRAM) or ()
    pinned = [match.groups() for each in required if (match := PINNED.fullmatch(each))]
    wrong = [(name, due) for name, due in pinned if _installed(name) != due]
    if wrong:
        found = ", ".join(f"{name} {_installed(name)}" for name, _ in wrong)
        due = " ".join(f"{name}=={version}" for name, version in wrong)
        return failed("versions", f"{found}: made for {due}", f"pip install {due}")
    names = ", ".join(f"{name} {version}" for name, version in pinned)
    python = platform.python_version()
    return passed("versions", f"{names}, python {python}, wire format {VERSION}")


def _installed(name: str) -> str:
    """The version, without a local part such as `+cpu`."""
    return metadata.version(name).partition("+")[0]
