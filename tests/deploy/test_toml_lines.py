"""Keys of a commented file are changed in place, and the file stays TOML."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from deploy.rehearsal.toml_lines import Value, set_keys

TEXT = """\
# a file
name = "social"
seed = 7

[run]                 # what runs
seed = 0
# training.epochs = 20

[policy]
profiles = ["strict"]   # what is agreed to
"""


def changed(tmp_path: Path, section: str, **values: Value) -> dict[str, Any]:
    path = tmp_path / "party.toml"
    path.write_text(TEXT)
    set_keys(path, section, {key.replace("__", "."): value for key, value in values.items()})
    return tomllib.loads(path.read_text())


@pytest.mark.parametrize(
    "value", [3, 0.25, True, False, 'quoted "text"', ["a", "b"], {"name": "multi", "a b": "x"}]
)
def test_a_value_is_read_back_as_it_was_given(value: Value, tmp_path: Path) -> None:
    assert changed(tmp_path, "run", seed=value)["run"]["seed"] == value


def test_only_the_key_of_the_named_section_changes(tmp_path: Path) -> None:
    values = changed(tmp_path, "run", seed=1)
    assert (values["seed"], values["run"]["seed"]) == (7, 1)
    assert values["policy"] == {"profiles": ["strict"]}


def test_a_key_that_was_commented_out_comes_in(tmp_path: Path) -> None:
    values = changed(tmp_path, "run", training__epochs=2)
    assert values["run"]["training"] == {"epochs": 2}
    assert "# training.epochs" not in (tmp_path / "party.toml").read_text()


def test_a_key_and_a_section_that_are_missing_are_added(tmp_path: Path) -> None:
    assert changed(tmp_path, "policy", min_cohort=2)["policy"]["min_cohort"] == 2
    assert changed(tmp_path, "experiment", repeatable=True)["experiment"] == {"repeatable": True}


def test_comments_stay(tmp_path: Path) -> None:
    changed(tmp_path, "run", seed=1)
    assert "# what runs" in (tmp_path / "party.toml").read_text()
