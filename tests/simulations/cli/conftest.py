import json
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from tests.simulations.cli.program import QUICK, fedrecall


@dataclass(frozen=True)
class Ended:
    """A run that the console program did to its end."""

    folder: Path
    process: CompletedProcess[str]

    @property
    def report(self) -> dict[str, Any]:
        report: dict[str, Any] = json.loads((self.folder / "report.json").read_text())
        return report


@pytest.fixture(scope="session")
def strict(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Ended:
    folder = tmp_path_factory.mktemp("runs") / "strict"
    return Ended(folder, fedrecall("simulate", "--data", tiny, "--out", folder, *QUICK))
