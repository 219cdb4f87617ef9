"""What left a party: a line for every frame, written before the frame is sent.

Rules:
1. A frame that cannot be noted is not sent: a full disk stops the party, not the ledger.
2. Lines are appended and never changed; each carries the digest of the one before. Beside the
   ledger, its head says how far it had come when it was last safe on disk: at most `SYNC_S` ago.
3. What a crash left of an unfinished line is set aside in a file and noted, never read past. The
   frame of that line had not left.
4. One process writes one ledger.

The chain shows a change to whoever knows an earlier digest. It is no proof against the owner of
the disk, who could write a whole new ledger and head: an auditor keeps digests of their own.
"""

import errno
import fcntl
import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from federation.exchange.traffic import Release, Traffic
from parties.checkpoints import write_whole
from parties.errors import CheckpointError, LedgerDamagedError, LedgerError
from parties.ledger_lines import Closed, Event, Line, Noted, Opened, Torn, encode_line
from parties.ledger_reading import (
    TORN_SUFFIX,
    Chain,
    disk_errors,
    head_content,
    head_of,
    walk,
)
from parties.protection import Protection

SYNC_S: Final = (
    1.0  # what a power cut may take of the ledger's end; a killed process takes nothing
)
NAME_DIGITS: Final = 16  # of a digest in a file's name


class Ledger:
    """The open ledger of one session; its owner is the thread of the session's link."""

    def __init__(self, path: Path, descriptor: int, chain: Chain, protection: Protection) -> None:
        """Go on behind `chain`; `opened` checks what is there and is the way to make one."""
        self._path = path
        self._descriptor = descriptor
        self._place, self._size = chain.place, chain.size
        self._protection = protection
        self._session = ""
        self._over = True
        self._synced = time.monotonic()

    @classmethod
    @contextmanager
    def opened(
        cls, path: Path, *, party: str, job: bytes, session: bytes, protection: Protection
    ) -> Iterator["Ledger"]:
        """Append to the ledger at `path`, which is made if it is missing.

        Args:
            path: the ledger; its head lies beside it.
            party: whose it is.
            job: the run.
            session: names this session of the run.
            protection: how the run's releases are protected.

        Raises:
            LedgerDamagedError: what is there is no whole ledger of this party and job.
            LedgerError: it cannot be written, or another process does.
        """
        with _held(path) as descriptor:
            chain, unnoted = _recover(path, descriptor, party=party, job=job.hex())
            ledger = cls(path, descriptor, chain, protection)
            for torn in unnoted:
                ledger._append(torn)
            ledger._open_session(party, job.hex(), session.hex())
            try:
                yield ledger
            finally:
                ledger.sync()

    @property
    def digest(self) -> str:
        """SHA-256 of the last line, which stands for all before it."""
        return self._place.digest

    def note(self, release: Release) -> None:
        """Write that a frame is about to leave; until this returns it must not.

        Raises:
            UnlistedReleaseError: the profile has no use for such a message.
            LedgerError: it could not be written.
        """
        if self._over:
            raise LedgerError(f"{self._path}: {release.kind} would leave after the session's end")
        self._append(
            Noted(
                session=self._session,
                phase=release.stage.value,
                kind=release.kind,
                step=release.step,
                to=release.recipient,
                bytes=release.bytes,
                protection=self._protection.phrase(release.kind),
            )
        )
        if time.monotonic() - self._synced >= SYNC_S:
            self.sync()

    def close_session(self, traffic: Traffic) -> None:
        """Write what the link handed to the wire; nothing may leave in this session any more.

        Raises:
            LedgerError: it could not be written.
        """
        self._over = True
        frames, sent = traffic.frames_by_stage(), traffic.bytes_by_stage()
        self._append(Closed(session=self._session, frames=frames, bytes=sent))
        self.sync()

    def sync(self) -> None:
        """Make all lines safe on disk, and say so in the head.

        Raises:
            LedgerError: the disk refused, or the file is not the one that was written.
        """
        with disk_errors(self._path, "written"):
            os.fsync(self._descriptor)
            now, here = os.fstat(self._descriptor), self._path.stat()
        if (here.st_dev, here.st_ino, here.st_size) != (now.st_dev, now.st_ino, self._size):
            raise LedgerDamagedError(f"{self._path} was changed or replaced while it was written")
        _write(head_of(self._path), head_content(self._place))
        self._synced = time.monotonic()

    def _open_session(self, party: str, job: str, session: str) -> None:
        protection = self._protection
        self._append(
            Opened(
                party=party,
                job=job,
                session=session,
                profile=protection.profile.value,
                scheme=protection.scheme.value,
                masked=protection.masked,
            )
        )
        self.sync()
        self._session, self._over = session, False

    def _append(self, event: Event) -> None:
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = encode_line(Line(now, event), self._place)
        with disk_errors(self._path, "written"):
            self._write_all(line)
        self._place, self._size = self._place.after(line), self._size + len(line)

    def _write_all(self, line: bytes) -> None:
        """Append a line or nothing: a part of one would have to be set aside later."""
        try:
            written = os.write(self._descriptor, line)
            if written == len(line):
                return
            # The disk had room for a part only. A second attempt gives the reason, if it stays so.
            if os.write(self._descriptor, line[written:]) == len(line) - written:
                return
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError:
            with suppress(OSError):
                os.ftruncate(self._descriptor, self._size)
            raise


@contextmanager
def _held(path: Path) -> Iterator[int]:
    """The ledger's file, open for appending by this process alone."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    with disk_errors(path, "opened"):
        descriptor = os.open(path, flags, 0o600)
    try:
        with disk_errors(path, "opened"):
            os.fchmod(descriptor, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise LedgerError(
                f"another process writes {path}; only one node may run with this state folder"
            ) from None
        yield descriptor
    finally:
        os.close(descriptor)


def _recover(
    path: Path, descriptor: int, *, party: str, job: str
) -> tuple[Chain, tuple[Torn, ...]]:
    """Check what is there; returns where its chain ends, and what was set aside and not noted."""
    chain, noted = Chain(), set()
    for line in walk(path, chain):
        match line.event:
            case Torn(file=file):
                noted.add(file)
            case Opened() as session if (session.party, session.job) != (party, job):
                raise LedgerDamagedError(
                    f"{path} is the ledger of {session.party} in job {session.job}"
                )
    if chain.rest:
        name = hashlib.sha256(chain.rest).hexdigest()[:NAME_DIGITS]
        _write(path.with_name(f"{path.stem}{TORN_SUFFIX}{name}"), chain.rest)
        with disk_errors(path, "written"):
            os.ftruncate(descriptor, chain.size)
    with disk_errors(path.parent, "read"):
        aside = sorted(path.parent.glob(f"{path.stem}{TORN_SUFFIX}*"))
        unnoted = [_torn(file) for file in aside if file.name not in noted]
    return chain, tuple(unnoted)


def _torn(file: Path) -> Torn:
    data = file.read_bytes()
    return Torn(file=file.name, bytes=len(data), sha256=hashlib.sha256(data).hexdigest())


def _write(path: Path, data: bytes) -> None:
    try:
        write_whole(path, data)
    except CheckpointError as error:
        raise LedgerError(f"{error}; nothing leaves this party until it can be") from error
