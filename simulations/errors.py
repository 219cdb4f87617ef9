"""Every error of the simulations package.

SimulationError
├── DataSetMissingError       a data set is not on this machine
├── DataSetDamagedError       a data set's files are not what its description says
├── FolderExistsError         a folder to be written is already there
├── RunFolderError            a run folder cannot be used
├── RunStoppedError           a run stopped early and can be continued
├── NodeFailedError           a party of a federation on Flower's engine refused or failed
├── TaskFailedError           a part of a simulation failed in its process
├── PeerMissingError          a program to compare with is not where it was said to be
└── FetchError                a public data set could not be fetched
    ├── DownloadError         the server or the link failed, or sent too much
    ├── ChecksumError         the bytes are not the published ones
    └── ArchiveError          an archive that cannot be unpacked safely
"""

import sys
from typing import Final

from federation.errors import FederationError
from parties.errors import PartiesError
from towers.errors import TowersError


class SimulationError(Exception):
    """Base of every error the simulations package raises on purpose."""


class DataSetMissingError(SimulationError):
    """A data set is not on this machine; the message says how to get it."""


class DataSetDamagedError(SimulationError):
    """A data set's files are not what its description says."""


class FolderExistsError(SimulationError):
    """A folder to be written already exists; nothing was overwritten."""


class RunFolderError(SimulationError):
    """A run folder cannot be created, read or resumed."""


class RunStoppedError(SimulationError):
    """A run stopped early; the message says why and how to continue it."""


class NodeFailedError(SimulationError):
    """A party that Flower's engine ran refused or failed; the message names it and its log."""


class TaskFailedError(SimulationError):
    """A part of a simulation failed; what was done so far is kept and can be resumed.

    Args:
        message: why, for people.
        kind: class of the original error.
        task: which part.
    """

    def __init__(self, message: str, *, kind: str, task: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.task = task


class PeerMissingError(SimulationError):
    """A program that a bench should compare with is not where it was said to be, or failed."""


class FetchError(SimulationError):
    """A public data set could not be fetched; nothing was left half-written."""


class DownloadError(FetchError):
    """The server or the link failed, or sent more than the data set has."""


class ChecksumError(FetchError):
    """The downloaded bytes are not the published ones."""


class ArchiveError(FetchError):
    """An archive is damaged, too large, or names files outside its folder."""


_LIGHT: Final = (
    FederationError,
    PartiesError,
    SimulationError,
    TowersError,
    OSError,
    MemoryError,
)


def expected() -> tuple[type[Exception], ...]:
    """What a run may end with that a person can do something about, for an `except`.

    Anything else is a mistake of this program and keeps its traceback. Recall takes a second to
    import, which commands without it need not spend: where it is not loaded it raised nothing.
    """
    recall = sys.modules.get("recall.errors")
    return _LIGHT if recall is None else (*_LIGHT, recall.RecallError)
