import re
import tomllib
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]

from parties.keys.folder import AUTHORITY_CERTIFICATE, CARD, TLS_CERTIFICATE, TLS_REQUEST
from parties.node.activity import Activity
from parties.node.children import ChildState, ChildStatus
from parties.node.health import metrics
from parties.node.party_file import FLOWER_PORT, HEALTH_PORT, HUB_PORT
from parties.node.status import NodeStatus
from tests.deploy_files.files import DEPLOY, GUIDE, ROOT, blocks, lint

TEXT = GUIDE.read_text(encoding="utf-8")
CHILD = ChildStatus(name="gate", state=ChildState.RUNNING, pid=2, restarts=0, since=0.0, code=None)
STATUS = NodeStatus(
    party="coordinator",
    role="coordinator",
    pid=1,
    started=0.0,
    written=0.0,
    children=(CHILD,),
    activity=Activity(missing=("social",), sent={"forward": 1}),
)


def rules() -> str:
    [found] = [block for block in blocks(GUIDE, "yaml") if block.startswith("groups:")]
    return found


def test_alerts_and_text_name_metrics_that_a_node_has() -> None:
    there = set(re.findall(r"^(fedrecall_\w+)", metrics(STATUS), re.MULTILINE))
    named = set(re.findall(r"\bfedrecall_\w+", TEXT))
    assert named <= there
    assert len(named) >= 4


def test_prometheus_takes_the_alerts(tmp_path: Path) -> None:
    file = tmp_path / "alerts.yaml"
    file.write_text(rules(), encoding="utf-8")
    done = lint("promtool", "check", "rules", str(file))
    assert done.returncode == 0, done.stderr
    assert "3 rules found" in done.stdout


def test_prometheus_takes_the_scrape(tmp_path: Path) -> None:
    [scrape] = [block for block in blocks(GUIDE, "yaml") if block.startswith("scrape_configs:")]
    targets = yaml.safe_load(scrape)["scrape_configs"][0]["static_configs"][0]["targets"]
    assert targets == [f"127.0.0.1:{HEALTH_PORT}"]
    file = tmp_path / "prometheus.yaml"
    file.write_text(scrape, encoding="utf-8")
    done = lint("promtool", "check", "config", "--syntax-only", str(file))
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("port", [FLOWER_PORT, HUB_PORT, HEALTH_PORT])
def test_every_port_is_in_the_table(port: int) -> None:
    assert re.search(rf"^\| \w+ \| {port}, ", TEXT, re.MULTILINE)


@pytest.mark.parametrize("name", [AUTHORITY_CERTIFICATE, CARD, TLS_CERTIFICATE, TLS_REQUEST])
def test_the_ceremony_names_the_files_that_travel(name: str) -> None:
    assert f"`{name}`" in TEXT


def test_the_installation_is_of_the_versions_that_are_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    [torch] = [each for each in project["dependencies"] if each.startswith("torch==")]
    assert f"--no-deps {torch}\n" in TEXT
    assert f"/opt/fedrecall-{project['version']}\n" in TEXT


def test_every_folder_of_files_is_told_of() -> None:
    page = (DEPLOY / "README.md").read_text(encoding="utf-8")
    folders = {path.name for path in DEPLOY.iterdir() if path.is_dir()} - {"__pycache__"}
    assert set(re.findall(r"^\| `(\w+)/` \|", page, re.MULTILINE)) == folders
