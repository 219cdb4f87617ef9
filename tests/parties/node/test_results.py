"""What a run leaves behind is read back as it was, or refused by name."""

from pathlib import Path

import numpy as np
import pytest

from parties.config import RunConfig
from parties.errors import CheckpointError, JobError
from parties.item import ItemOutcome
from parties.node.results import load_result, load_settings, save_result, save_settings
from towers.pooled import EpochReport

OUTCOME = ItemOutcome(
    queries=np.arange(6, dtype=np.float32).reshape(2, 3),
    items=np.ones((4, 3), np.float32),
    history=(EpochReport(0, 1.5, 0.1), EpochReport(1, 1.25, 0.2)),
    shared={"social": np.array([0, 1]), "forum": np.array([1])},
    sent={"alignment": 10, "forward": 0},
)


def test_an_outcome_is_read_back_as_it_was(tmp_path: Path) -> None:
    save_result(tmp_path, OUTCOME)
    read = load_result(tmp_path)
    np.testing.assert_array_equal(read.queries, OUTCOME.queries)
    np.testing.assert_array_equal(read.items, OUTCOME.items)
    assert read.history == OUTCOME.history
    assert {name: users.tolist() for name, users in read.shared.items()} == {
        "social": [0, 1],
        "forum": [1],
    }
    assert read.sent == OUTCOME.sent


def test_an_outcome_without_an_epoch_is_one_too(tmp_path: Path) -> None:
    empty = ItemOutcome(
        queries=OUTCOME.queries, items=OUTCOME.items, history=(), shared={}, sent={}
    )
    save_result(tmp_path, empty)
    assert load_result(tmp_path).history == ()


def test_a_folder_without_a_result_is_refused(tmp_path: Path) -> None:
    with pytest.raises(JobError, match="holds no result"):
        load_result(tmp_path)


def test_a_damaged_result_is_refused(tmp_path: Path) -> None:
    (tmp_path / "result.npz").write_bytes(b"PK nonsense")
    with pytest.raises(CheckpointError):
        load_result(tmp_path)


def test_settings_are_read_back_as_they_were(tmp_path: Path) -> None:
    config = RunConfig(seed=5)
    save_settings(tmp_path, config)
    assert load_settings(tmp_path) == config


@pytest.mark.parametrize("content", [None, "{", '{"unknown": 1}'])
def test_settings_that_are_none_are_refused(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "settings.json").write_text(content)
    with pytest.raises(JobError, match="settings"):
        load_settings(tmp_path)
