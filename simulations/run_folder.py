"""A run's folder: what was asked for, what is done so far, and the report.

run.json            what was asked for: data, configuration, seeds, command
log.txt             what happened, with times
data/               the generated world, when there is one
splits/SEED/        checkpoints by party, and the result of each finished task
report.json, report.html
"""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from parties.checkpoints import write_whole
from parties.config import RunConfig
from parties.settings import flatten, from_plain, override, to_plain
from simulations.errors import RunFolderError
from simulations.splits import EvaluationConfig

VERSION: Final = 1
PUBLIC_MODE: Final = 0o644
EVALUATION: Final = "evaluation."


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulationConfig:
    """Everything `--set` can change: a run's settings and how it is judged."""

    run: RunConfig = field(default_factory=RunConfig)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)

    def with_setting(self, key: str, value: object) -> "SimulationConfig":
        """A copy with one setting changed; a run's own settings need no prefix.

        Raises:
            SettingError: the key is unknown or the value does not fit.
        """
        if key.startswith(EVALUATION):
            name = key.removeprefix(EVALUATION)
            return replace(self, evaluation=override(self.evaluation, name, value))
        return replace(self, run=override(self.run, key, value))

    def settings(self) -> Mapping[str, Any]:
        """Every setting by the key that `--set` takes."""
        run = dict(flatten(to_plain(self.run)))
        judged = flatten(to_plain(self.evaluation), EVALUATION)
        return {**run, **dict(judged)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a simulation was asked to do.

    Args:
        data: name of a data set, or path of a folder.
        splits: how many splits; split i has the seed `config.run.seed` + i.
        config: all settings.
        runtime: what carries the messages.
        model: what the item party trains.
        command: what to type to run it again.
    """

    data: str
    splits: int
    config: SimulationConfig
    runtime: str = "memory"
    model: str = "dssm"
    command: str = ""

    @property
    def seeds(self) -> tuple[int, ...]:
        """One seed a split."""
        first = self.config.run.seed
        return tuple(range(first, first + self.splits))


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Paths of one run."""

    path: Path

    @classmethod
    def create(cls, path: Path, plan: Plan) -> "RunFolder":
        """Make the folder of a new run.

        Raises:
            RunFolderError: it exists, or cannot be made.
        """
        if path.exists():
            raise RunFolderError(
                f"{path} exists: choose another --out, or continue it with --resume {path}"
            )
        try:
            path.mkdir(parents=True)
        except OSError as error:
            raise RunFolderError(f"{path} cannot be made: {error.strerror}") from error
        folder = cls(path)
        folder.write_plan(plan)
        return folder

    @property
    def data(self) -> Path:
        """Where a generated world lies."""
        return self.path / "data"

    @property
    def report_json(self) -> Path:
        """The report for machines."""
        return self.path / "report.json"

    @property
    def report_html(self) -> Path:
        """The report for people."""
        return self.path / "report.html"

    def split(self, seed: int) -> Path:
        """Where a split's checkpoints and results lie; it is made if missing."""
        folder = self.path / "splits" / str(seed)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def write_plan(self, plan: Plan) -> None:
        """Note what was asked for."""
        content = {
            "version": VERSION,
            "data": plan.data,
            "splits": plan.splits,
            "runtime": plan.runtime,
            "model": plan.model,
            "command": plan.command,
            "config": to_plain(plan.config),
        }
        text = json.dumps(content, indent=2) + "\n"
        write_whole(self.path / "run.json", text.encode(), mode=PUBLIC_MODE)

    def read_plan(self) -> Plan:
        """What was asked for when the run began.

        Raises:
            RunFolderError: this is no run folder, or one of another version.
        """
        path = self.path / "run.json"
        try:
            content: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise RunFolderError(f"{self.path} is no run folder: it has no run.json") from error
        except ValueError as error:
            raise RunFolderError(f"{path} is not JSON: {error}") from error
        if content.get("version") != VERSION:
            raise RunFolderError(f"{path} has version {content.get('version')}, not {VERSION}")
        try:
            return Plan(
                data=content["data"],
                splits=content["splits"],
                runtime=content["runtime"],
                model=content["model"],
                command=content["command"],
                config=from_plain(SimulationConfig(), content["config"]),
            )
        except KeyError as error:
            raise RunFolderError(f"{path} lacks {error}") from None

    def logger(self) -> logging.Logger:
        """A logger that writes to the folder's log.txt and nowhere else."""
        logger = logging.getLogger(f"fedrecall.run.{self.path}")
        if not logger.handlers:
            handler = logging.FileHandler(self.path / "log.txt", encoding="utf-8")
            handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
            logger.addHandler(handler)
            logger.setLevel(logging.INFO)
            logger.propagate = False
        return logger
