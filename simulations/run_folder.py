"""A run's folder: what was asked for, what is done so far, and the report.

run.json            what was asked for: data, configuration, seeds, command
log.txt             what happened, with times
data/               the generated world, when there is one
splits/SEED/        checkpoints by party, and the result of each finished task
report.json, report.html
"""

import json
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Final

from federation.errors import SettingError
from parties.checkpoints import write_whole
from parties.config import RunConfig
from parties.settings import flatten, from_plain, override, to_plain
from simulations.channels.names import ChannelName
from simulations.errors import RunFolderError
from simulations.splits import EvaluationConfig
from simulations.tasks import Runtime

VERSION: Final = 1
PUBLIC_MODE: Final = 0o644
EVALUATION: Final = "evaluation."
WORLD: Final = "world"  # the data set that is generated into the run's folder


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
        data: name of a data set, path of a folder, or "world" for one made in the run's folder.
        splits: how many splits; split i has the seed `config.run.seed` + i.
        config: all settings.
        runtime: what runs the parties.
        model: what the item party trains.
        command: what to type to run it again.
        channels: of the platform's own, compared and fused with the federated one.
    """

    data: str
    splits: int
    config: SimulationConfig
    runtime: Runtime = Runtime.MEMORY
    model: str = "dssm"
    command: str = ""
    channels: tuple[ChannelName, ...] = ()

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
    @contextmanager
    def drafted(cls, path: Path) -> Iterator["RunFolder"]:
        """A draft that becomes the folder `path` when all went well, and vanishes otherwise.

        Raises:
            RunFolderError: `path` exists, or the disk refused.
        """
        if path.exists() or path.is_symlink():
            raise RunFolderError(
                f"{path} exists: choose another --out, or continue it with --resume {path}"
            )
        missing = [folder for folder in path.parents if not folder.exists()]
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            draft = Path(mkdtemp(prefix=f".{path.name}.", dir=path.parent))
            try:
                yield cls(draft)
                draft.chmod(0o755)  # mkdtemp keeps others out; parties keep their own folders shut
                draft.rename(path)
            except BaseException:
                shutil.rmtree(draft, ignore_errors=True)
                raise
        except BaseException as error:
            for folder in missing:
                with suppress(OSError):
                    folder.rmdir()
            if isinstance(error, OSError):
                raise RunFolderError(f"{path} cannot be made: {error.strerror}") from error
            raise

    @property
    def data(self) -> Path:
        """Where a generated world lies."""
        return self.path / "data"

    def source(self, plan: Plan) -> str:
        """What to load the plan's data from: a name or a folder."""
        return str(self.data) if plan.data == WORLD else plan.data

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
            "runtime": plan.runtime.value,
            "model": plan.model,
            "command": plan.command,
            "channels": [channel.value for channel in plan.channels],
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
        if not isinstance(content, dict) or "version" not in content:
            raise RunFolderError(f"{path} is not a run's description: it has no version")
        if content["version"] != VERSION:
            raise RunFolderError(
                f"{path} has version {content['version']}, and this program reads {VERSION}: "
                "continue the run with the program that began it, or begin anew"
            )
        try:
            return _plan(content)
        except KeyError as error:
            raise RunFolderError(f"{path} is damaged: it lacks {error}") from None
        except (TypeError, ValueError, SettingError) as error:
            raise RunFolderError(f"{path} is damaged: {error}") from error

    def log(self, text: str) -> None:
        """Add a line to log.txt; on a full disk the line is lost, rather than the run."""
        line = f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}\n"
        with suppress(OSError), (self.path / "log.txt").open("a", encoding="utf-8") as file:
            file.write(line)


def _plan(content: Mapping[str, Any]) -> Plan:
    """Read a plan; raises KeyError, TypeError or SettingError when it is not one."""
    splits = content["splits"]
    if not isinstance(splits, int) or splits < 1:
        raise TypeError(f"splits is {splits!r}")
    texts = {name: content[name] for name in ("data", "model", "command")}
    for name, text in texts.items():
        if not isinstance(text, str):
            raise TypeError(f"{name} is {text!r}")
    if not isinstance(content["config"], dict):
        raise TypeError(f"config is {content['config']!r}")
    config = from_plain(SimulationConfig(), content["config"])
    runtime = content["runtime"]
    if runtime not in (each.value for each in Runtime):
        raise TypeError(f"runtime is {runtime!r}")
    channels = tuple(ChannelName(name) for name in content.get("channels", ()))
    return Plan(splits=splits, config=config, runtime=Runtime(runtime), channels=channels, **texts)
