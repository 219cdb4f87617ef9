"""Every error of the parties package.

PartiesError
├── PartyFileError            a party.toml says something it may not say
├── PolicyError               a run is ordered that this party did not agree to
├── UnreachableError          the coordinator's port cannot be reached, or is another's
├── NodeError                 a node cannot be started, runs already or does not run
├── JobError                  a job or its folder cannot be used
├── CheckpointError           a checkpoint cannot be written, is missing or is damaged
├── LedgerError               the ledger cannot be written or read, so nothing leaves
│   ├── LedgerDamagedError    a ledger was changed or has lost lines
│   └── UnlistedReleaseError  a message of which nobody said how it is protected
├── KeysError                 keys, certificates or a roster cannot be made or used
│   ├── KeysExistError        something is already where keys would be written
│   ├── KeysMissingError      a file of a key folder is not there
│   ├── ExposedKeyError       others may read a secret or change what is trusted
│   ├── KeyFormatError        a file is not what its name says, or of another kind of key
│   ├── KeyMismatchError      files of one folder, or folder and roster, do not belong together
│   ├── OwnCertificateError   this party's certificate cannot be used
│   │   ├── CertificateExpiredError      its time is over
│   │   └── CertificateNotYetValidError  its time has not come, or the clock is wrong
│   ├── SigningRefusedError   a certificate request will not be signed
│   └── RosterError           a roster or card says something it may not say
└── DataError                 a table or its description cannot be used
    ├── MissingFileError      a file the description names is not there
    ├── EmptyTableError       a file without a header or without rows
    ├── EncodingError         bytes that are not UTF-8
    ├── LayoutError           ragged rows, missing or repeated columns, unknown file types
    ├── DuplicateKeyError     two rows for a key that must be unique
    ├── ValueRefusedError     a value of the wrong type or range
    └── DescriptionError      federation.toml says something it may not say
"""

from pathlib import Path


class PartiesError(Exception):
    """Base of every error the parties package raises on purpose."""


class CheckpointError(PartiesError):
    """A checkpoint cannot be written, is missing or is damaged; the message names the file."""


class LedgerError(PartiesError):
    """The ledger cannot be written or read; what could not be noted has not left."""


class LedgerDamagedError(LedgerError):
    """A ledger's lines do not follow each other, or lines are gone; the message names the file."""


class UnlistedReleaseError(LedgerError):
    """A message was about to leave that the profile has no use for; it did not."""


class PartyFileError(PartiesError):
    """A party.toml cannot be used; the message names file and key and says what to write.

    Args:
        problem: what is wrong and what to write.
        file: the party.toml.
        key: its dotted key at fault; None for the file as a whole.
    """

    def __init__(self, problem: str, *, file: Path, key: str | None = None) -> None:
        self.problem = problem
        self.file = file
        self.key = key
        place = f"{file}, {key}" if key else f"{file}"
        super().__init__(f"{place}: {problem}")


class PolicyError(PartiesError):
    """A coordinator orders what [policy], or the terms of the job, do not allow."""


class NodeError(PartiesError):
    """A node cannot be started, runs already, or does not run; the message says what to do."""


class JobError(PartiesError):
    """A job is unknown, its folder damaged or in use by another process of this party."""


class UnreachableError(PartiesError):
    """The coordinator's port cannot be reached, or is not the coordinator's.

    Args:
        problem: what happened.
        step: how far it went: DNS, TCP, TLS, name or pin.
        remedy: what to mend.
        refused: whether the host answered that nothing listens there.
    """

    def __init__(self, problem: str, *, step: str, remedy: str, refused: bool = False) -> None:
        self.problem = problem
        self.step = step
        self.remedy = remedy
        self.refused = refused
        super().__init__(f"{step}: {problem}; {remedy}")


class KeysError(PartiesError):
    """Keys, certificates or a roster cannot be made or used; the message names the file."""


class KeysExistError(KeysError):
    """Something is already where keys would be written; nothing was overwritten."""


class KeysMissingError(KeysError):
    """A file of a key folder is not there; the message says where it comes from."""


class ExposedKeyError(KeysError):
    """Others may read a secret, or change what is trusted; the message holds the chmod."""


class KeyFormatError(KeysError):
    """A file is not what its name says, or holds another kind of key."""


class KeyMismatchError(KeysError):
    """Files of one key folder, or the folder and the roster, do not belong together."""


class OwnCertificateError(KeysError):
    """This party's certificate is for another key or name, or of another authority."""


class CertificateExpiredError(OwnCertificateError):
    """A certificate's time is over."""


class CertificateNotYetValidError(OwnCertificateError):
    """A certificate's time has not come, or this machine's clock is wrong."""


class SigningRefusedError(KeysError):
    """A certificate request will not be signed; nothing was written."""


class RosterError(KeysError):
    """A roster or a card says something it may not say."""


class DataError(PartiesError):
    """A table cannot be used; the message names file, column and line, and the way out.

    Args:
        problem: what is wrong and what to do, one sentence or two.
        file: the file at fault; None for a table that was made in memory.
        column: the column at fault, as its header spells it.
        line: 1-based line of a text file, its header included.
        row: 1-based row of a table that has no lines, such as Parquet.
    """

    def __init__(
        self,
        problem: str,
        *,
        file: Path | None = None,
        column: str | None = None,
        line: int | None = None,
        row: int | None = None,
    ) -> None:
        self.problem = problem
        self.file = file
        self.column = column
        self.line = line
        self.row = row
        super().__init__(self._sentence())

    def _sentence(self) -> str:
        place = [str(self.file)] if self.file is not None else []
        place += [f"column {self.column!r}"] if self.column is not None else []
        place += [f"line {self.line}"] if self.line is not None else []
        place += [f"row {self.row}"] if self.row is not None else []
        return f"{', '.join(place)}: {self.problem}" if place else self.problem


class MissingFileError(DataError):
    """A file that the description names does not exist or cannot be read."""


class EmptyTableError(DataError):
    """A table has no header, or a header and no rows."""


class EncodingError(DataError):
    """A text file holds bytes that are not UTF-8."""


class LayoutError(DataError):
    """A table has ragged rows, missing or repeated columns, or an unknown file type."""


class DuplicateKeyError(DataError):
    """Two rows carry the same key."""


class ValueRefusedError(DataError):
    """A value has the wrong type, is missing where it may not be, or is out of range."""


class DescriptionError(DataError):
    """A federation.toml is not valid TOML or says something it may not say."""
