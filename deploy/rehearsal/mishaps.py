"""What a party's own operator may get wrong, or its machine: done to a partner, and mended."""

import datetime as dt
import errno
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, TypeAlias

from deploy.rehearsal.commands import require_tools, run
from deploy.rehearsal.parties import Party
from deploy.rehearsal.rehearsal import Rehearsal
from deploy.rehearsal.toml_lines import set_keys

CLOCK: Final = Path(__file__).with_name("clock.c")
UNLISTED: Final = "0" * 64
DISK_MIB: Final = 64
FILLER: Final = "filler"
# Imported at its start by every Python that has this file's folder on its path.
OTHER_VERSION: Final = "import federation.protocol.frames as frames\nframes.VERSION += 1\n"

# What mends a mishap before the node starts again, if anything has to.
Happening: TypeAlias = Callable[[Rehearsal, str], AbstractContextManager[Callable[[], None]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mishap:
    """One thing that goes wrong at a partner.

    Args:
        what: it is.
        happening: brings it about and ends it; gives what makes it worse once the run trains.
        told: pattern of what the partner's node must say.
        logged: pattern of what the coordinator's must; empty if it never gets there.
        runs: whether a run has to be begun for it to show.
        fills: whether the mishap grows in the run, which then must end as undisturbed.
    """

    what: str
    happening: Happening
    told: str
    logged: str = ""
    runs: bool = False
    fills: bool = False


def nothing_more() -> None:
    """For mishaps that are complete when the node starts."""


@contextmanager
def _started_as(
    federation: Rehearsal, party: Party, mend: Callable[[], None] = nothing_more
) -> Iterator[None]:
    """Run a party's node otherwise than it was set up; mended, it is started as it was."""
    before = federation.parties[party.name]
    federation.stop(party.name)
    federation.parties[party.name] = party
    federation.start(party.name)
    try:
        yield
    finally:
        federation.stop(party.name)
        mend()
        federation.parties[party.name] = before
        federation.start(party.name)


@contextmanager
def _with_clock(
    federation: Rehearsal, name: str, ahead: dt.timedelta
) -> Iterator[Callable[[], None]]:
    party = federation.parties[name]
    library = make_clock(party.folder)
    changes = {"LD_PRELOAD": str(library), "CLOCK_AHEAD_S": f"{ahead.total_seconds():.0f}"}
    with _started_as(federation, replace(party, environment=changes), library.unlink):
        yield nothing_more


def make_clock(folder: Path) -> Path:
    """Build the library that gives a process another time of day.

    Raises:
        MissingToolError: there is no C compiler.
        CommandFailedError: it refused.
    """
    require_tools("cc")
    library = folder / "clock.so"
    run(["cc", "-shared", "-fPIC", "-O1", "-o", str(library), str(CLOCK)])
    return library


def expired_certificate(
    federation: Rehearsal, name: str
) -> AbstractContextManager[Callable[[], None]]:
    """The partner's clock, and its alone, is where its certificate has ended."""
    return _with_clock(federation, name, dt.timedelta(days=400))


def wrong_clock(federation: Rehearsal, name: str) -> AbstractContextManager[Callable[[], None]]:
    """The partner's clock is an hour ahead."""
    return _with_clock(federation, name, dt.timedelta(hours=1))


@contextmanager
def other_version(federation: Rehearsal, name: str) -> Iterator[Callable[[], None]]:
    """The partner speaks the next version of the wire format."""
    party = federation.parties[name]
    folder = party.folder / "other-version"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(OTHER_VERSION, encoding="utf-8")
    changed = replace(party, environment={"PYTHONPATH": str(folder)})
    with _started_as(federation, changed, lambda: shutil.rmtree(folder)):
        yield nothing_more


@contextmanager
def unlisted_app(federation: Rehearsal, name: str) -> Iterator[Callable[[], None]]:
    """The partner has another app on its list than the one that comes."""
    party = federation.parties[name]
    file = party.folder / "party.toml"
    text = file.read_text(encoding="utf-8")

    def mend() -> None:
        file.write_text(text, encoding="utf-8")

    set_keys(file, "policy", {"apps": [UNLISTED]})
    with _started_as(federation, party, mend):
        yield nothing_more


@contextmanager
def full_disk(federation: Rehearsal, name: str) -> Iterator[Callable[[], None]]:
    """The partner's state folder is on a small disk, which fills up once the run trains.

    The node goes on running: what is in the way is removed at the end, as an operator would.
    """
    state = federation.parties[name].read().state
    federation.stop(name)
    run(["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m,mode=700", "tmpfs", str(state)])
    federation.start(name)
    federation.await_ready(name)
    try:
        yield lambda: fill(state / FILLER)
    finally:
        (state / FILLER).unlink(missing_ok=True)


def fill(path: Path) -> None:
    """Write until the disk is full."""
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise


def take_disk_away(federation: Rehearsal, name: str) -> None:
    """Give the partner's state its place on the large disk again."""
    state = federation.parties[name].read().state
    if name in federation.nodes:
        federation.stop(name)
    if state.is_mount():
        run(["umount", str(state)])
    federation.start(name)


MISHAPS: Final = (
    Mishap(what="an expired certificate", happening=expired_certificate, told="expired"),
    Mishap(
        what="a clock off by an hour",
        happening=wrong_clock,
        told="clock",
        logged="clock",
    ),
    Mishap(
        what="another protocol version",
        happening=other_version,
        told="version",
        logged="version",
        runs=True,
    ),
    Mishap(
        what="an unlisted app hash",
        happening=unlisted_app,
        told="does not run the app",
        logged="does not run the app",
        runs=True,
    ),
    Mishap(what="a full disk", happening=full_disk, told="No space left", runs=True, fills=True),
)
