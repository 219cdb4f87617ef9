"""Every error of the rehearsal.

RehearsalError
├── MissingToolError      this machine lacks something; the message says what to install
├── CommandFailedError    a command of a party or of the network failed
├── OutOfTimeError        something that was waited for did not happen in time
└── CaptureError          a capture cannot be read, or misses a part of what went by
"""

from simulations.errors import SimulationError


class RehearsalError(SimulationError):
    """Base of every error the rehearsal raises on purpose."""


class MissingToolError(RehearsalError):
    """This machine lacks a right, a program or a part of the kernel."""


class CommandFailedError(RehearsalError):
    """A command ended with an exit code other than 0; the message holds its last words."""


class OutOfTimeError(RehearsalError):
    """Something that was waited for did not happen in time."""


class CaptureError(RehearsalError):
    """A capture cannot be read, or misses a part of what went by."""
