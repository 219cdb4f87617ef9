import json
import sys
from typing import Any

import numpy as np
import pytest

from simulations.bench import exchange
from simulations.bench.exchange import STAGES, run_exchange_bench


@pytest.fixture(scope="module")
def told() -> list[str]:
    return []


@pytest.fixture(scope="module")
def report(told: list[str]) -> dict[str, Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exchange, "PAILLIER_VALUES", 3)
        patch.setattr(exchange, "PAILLIER_BITS", 512)
        return run_exchange_bench(
            partners=(3, 2), rows=130, dim=64, repeats=2, progress=told.append
        )


def test_every_number_of_partners_is_measured_in_order(report: dict[str, Any]) -> None:
    assert [result["partners"] for result in report["results"]] == [2, 3]
    assert (report["rows"], report["dim"], report["repeats"]) == (130, 64, 2)


def test_every_stage_takes_time_and_every_ratio_is_named(report: dict[str, Any]) -> None:
    for result in report["results"]:
        for stage in STAGES:
            assert result["bfv"][f"{stage}_ms"] > 0
            assert result["ckks_tutorial"][f"{stage}_ms"] > 0
            assert result["ratios"][f"{stage}_bfv_over_ckks"] > 0


def test_both_schemes_give_the_sum_to_their_own_error(report: dict[str, Any]) -> None:
    for result in report["results"]:
        step = 2.0 / 32767
        assert 0 < result["bfv"]["largest_error"] <= result["partners"] * step / 2 + 1e-6
        assert 0 < result["ckks_tutorial"]["largest_error"] < 1e-6


def test_bytes_a_value_are_those_of_one_partner(report: dict[str, Any]) -> None:
    # 8,320 values: two ciphertexts of 8,192 under BFV.
    for result in report["results"]:
        assert 10 < result["bfv"]["bytes_per_value"] < 14
        ratio = result["bfv"]["bytes_per_value"] / result["ckks_tutorial"]["bytes_per_value"]
        assert result["ratios"]["bytes_bfv_over_ckks"] == pytest.approx(ratio, rel=1e-3)


def test_paillier_is_labelled_as_extrapolated(report: dict[str, Any]) -> None:
    pytest.importorskip("phe")
    paillier = report["paillier"]

    assert paillier["extrapolated"] == "times for 8320 values, from 3 measured ones"
    assert paillier["measured_values"] == 3
    assert paillier["bytes_per_value"] == 128
    assert paillier["encrypt_serialise_ms"] > report["results"][0]["bfv"]["encrypt_serialise_ms"]
    assert set(paillier["ratios"]) == {
        "encrypt_serialise_paillier_over_bfv",
        "decrypt_paillier_over_bfv",
    }


def test_the_report_is_json(report: dict[str, Any]) -> None:
    assert json.loads(json.dumps(report)) == report


def test_progress_says_what_runs(report: dict[str, Any], told: list[str]) -> None:
    assert report["bench"] == "exchange"
    assert told[:2] == ["BFV and CKKS, 2 partners", "BFV and CKKS, 3 partners"]


def test_without_phe_there_is_no_paillier_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "phe.paillier", None)

    report = run_exchange_bench(partners=(1,), rows=2, dim=2, repeats=1)

    assert report["paillier"] is None
    assert np.isfinite(report["results"][0]["bfv"]["largest_error"])
