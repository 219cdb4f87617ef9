"""The reference of party.toml is what the code reads."""

import runpy
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from parties.node.checks import CHECKS
from parties.node.party_file import ALL_SECTIONS, TOP, Endpoint, Experiment
from parties.node.policy import OWN_KEYS, Policy

DOCS = Path(__file__).parents[3] / "docs"
PAGE = DOCS / "node.md"


@pytest.fixture(scope="module")
def script() -> dict[str, Any]:
    return runpy.run_path(str(DOCS / "make_node.py"))


def test_the_page_is_what_its_script_makes(script: dict[str, Any]) -> None:
    assert PAGE.read_text(encoding="utf-8") == script["page"](), "run: python docs/make_node.py"


def test_the_script_says_whether_the_page_is_current(
    script: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(script["main"].__globals__, "PAGE", tmp_path / "page.md")
    monkeypatch.setattr("sys.argv", ["make_node.py"])
    assert script["main"]() == 0
    monkeypatch.setattr("sys.argv", ["make_node.py", "--check"])
    assert script["main"]() == 0
    (tmp_path / "page.md").write_text("out of date")
    assert script["main"]() == 1


def test_every_key_of_a_party_file_is_explained() -> None:
    page = PAGE.read_text(encoding="utf-8")
    sections = {"policy": Policy, "experiment": Experiment, "coordinator": Endpoint}
    keys = [*TOP, "health.port", *(f"own.{key}" for key in OWN_KEYS)]
    keys += [f"{name}.{field.name}" for name, kind in sections.items() for field in fields(kind)]
    for key in keys:
        assert f"| `{key}` | " in page, key
    for section in ALL_SECTIONS:
        assert f"\n## [{section}]\n" in page


def test_every_check_says_in_one_sentence_what_it_verifies() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for check in {check for checks in CHECKS.values() for check in checks}:
        first = (check.__doc__ or "").splitlines()[0]
        assert first.endswith(".")
        assert f"| {first} |" in page
