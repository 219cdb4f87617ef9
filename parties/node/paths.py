"""Where a node keeps what: everything it writes lies in its state folder."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

JOB_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class StatePaths:
    """The layout of a state folder; nothing is made by naming it.

    Args:
        folder: the state folder.
    """

    folder: Path

    @property
    def jobs(self) -> Path:
        """One folder a run."""
        return self.folder / "jobs"

    def job(self, job: bytes) -> Path:
        """What one run keeps: checkpoints, the ledger, the result.

        Args:
            job: the 16 bytes that name the run.

        Raises:
            ValueError: another number of bytes.
        """
        if len(job) != JOB_BYTES:
            raise ValueError(f"a job is named by {JOB_BYTES} bytes, not {len(job)}")
        return self.jobs / job.hex()

    def ledger(self, job: bytes) -> Path:
        """The append-only list of what left in one run."""
        return self.job(job) / "ledger.jsonl"

    def result(self, job: bytes) -> Path:
        """What one run ended with."""
        return self.job(job) / "result"

    @property
    def status(self) -> Path:
        """What the node is doing now, written by its supervisor."""
        return self.folder / "status.json"

    @property
    def log(self) -> Path:
        """Structured logs, one file a process."""
        return self.folder / "log"

    @property
    def flower(self) -> Path:
        """Flower's home and database."""
        return self.folder / "flower"
