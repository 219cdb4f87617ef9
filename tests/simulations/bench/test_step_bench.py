import json

import numpy as np
import pytest

from federation.errors import SettingError, SmallBatchError
from simulations.bench.step import _refuse_difference, run_step_bench

FORWARD = {"encrypt", "add", "decrypt"}
BACKWARD = {"seal", "prepare", "multiply", "sum_blocks", "unmask"}


@pytest.fixture(scope="module")
def report() -> dict[str, object]:
    return run_step_bench(rows=256, dim=32, columns=3, partners=3, repeats=2)


def section(report: dict[str, object], name: str) -> dict[str, float]:
    found = report[name]
    assert isinstance(found, dict)
    return found


def test_a_report_survives_json(report: dict[str, object]) -> None:
    assert json.loads(json.dumps(report)) == report
    assert report["bench"] == "step"
    assert report["exact"] is True
    asked = {name: report[name] for name in ("rows", "dim", "columns", "partners", "repeats")}
    assert asked == {"rows": 256, "dim": 32, "columns": 3, "partners": 3, "repeats": 2}


def test_every_stage_is_timed_and_the_whole_is_about_the_sum(report: dict[str, object]) -> None:
    stages, seconds = section(report, "stages_ms"), section(report, "cpu_seconds")

    assert set(stages) == FORWARD | BACKWARD
    assert all(value >= 0 for value in stages.values())
    assert stages["prepare"] > 0
    # Two steps: the median of sums is the sum of medians.
    assert seconds["forward"] == pytest.approx(sum(stages[name] for name in FORWARD) / 1e3)
    assert seconds["backward"] == pytest.approx(sum(stages[name] for name in BACKWARD) / 1e3)
    assert seconds["total"] == pytest.approx(seconds["forward"] + seconds["backward"])
    assert seconds["first_step"] > 0


def test_bytes_are_those_of_ciphertexts(report: dict[str, object]) -> None:
    sizes = section(report, "bytes")

    assert sizes["sums_per_partner"] == 3 * 32 * 8
    # A seeded ciphertext is one polynomial over three primes, a product two over one.
    assert 0.8 * 2 * 3 * 65536 < sizes["sealed_gradients_per_partner"] < 2 * 3 * 65536
    assert 0.8 * 3 * 2 * 65536 < sizes["products_per_partner"] < 3 * 2 * 65536
    assert sizes["embeddings_per_partner"] > 256 * 32 * 2
    assert sizes["sum_to_item_party"] > 256 * 32 * 2


def test_progress_is_told_every_step() -> None:
    told: list[str] = []

    run_step_bench(rows=128, columns=1, partners=1, repeats=2, progress=told.append)

    assert told[0] == "keys"
    assert told[-2:] == ["step 1 of 2", "step 2 of 2"]


@pytest.mark.parametrize(
    "numbers",
    [{"rows": 0}, {"rows": 100}, {"rows": -128}, {"columns": 0}, {"partners": 0}, {"repeats": 0}],
)
def test_numbers_that_make_no_step_are_refused(numbers: dict[str, int]) -> None:
    with pytest.raises(SettingError, match="multiple of 128"):
        run_step_bench(**numbers)  # type: ignore[arg-type]


def test_a_width_the_crypto_does_not_know_is_refused() -> None:
    with pytest.raises(SettingError, match="dim is 48"):
        run_step_bench(rows=128, dim=48, columns=1)


def test_a_batch_too_small_for_its_width_is_refused() -> None:
    with pytest.raises(SmallBatchError):
        run_step_bench(rows=128, columns=17)


def test_a_result_that_is_not_exact_ends_the_bench() -> None:
    one = np.ones((2, 2), dtype=np.float32)

    with pytest.raises(ArithmeticError, match="a batch gradient"):
        _refuse_difference(one, np.nextafter(one, np.float32(2)), "a batch gradient")
