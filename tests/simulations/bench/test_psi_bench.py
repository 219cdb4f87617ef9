import io
import json
import time

import pytest

from federation.errors import SettingError
from simulations.bench import bare, psi
from simulations.bench.psi import run_psi_bench


def number(report: dict[str, object], key: str) -> float:
    value = report[key]
    assert isinstance(value, float)
    return value


@pytest.fixture(scope="module")
def stages() -> list[str]:
    return []


@pytest.fixture(scope="module")
def report(stages: list[str]) -> dict[str, object]:
    return run_psi_bench(size=200, processes=2, progress=stages.append)


def test_the_report_is_json_and_counts_what_was_done(report: dict[str, object]) -> None:
    assert json.loads(json.dumps(report)) == report
    assert (report["size"], report["processes"], report["shared"]) == (200, 2, 100)
    assert report["multiplications"] == 800


def test_the_ratios_follow_from_the_figures_beside_them(report: dict[str, object]) -> None:
    rate = number(report, "multiplications_per_second")
    assert rate == pytest.approx(800 / number(report, "seconds"))
    for kind, ratio in (("alone", "ratio"), ("together", "ratio_together")):
        bare_rate = number(report, f"bare_per_second_{kind}")
        assert number(report, ratio) == pytest.approx(rate / (2 * bare_rate))
    by_cpu = 800 / number(report, "cpu_seconds")
    assert number(report, "ratio_by_cpu") == pytest.approx(
        by_cpu / number(report, "bare_per_cpu_second")
    )


def test_stages_are_told_in_order(report: dict[str, object], stages: list[str]) -> None:
    assert report
    assert stages[:5] == [
        "bare X25519 exchanges, before",
        "blinding both sets",
        "bare X25519 exchanges, half way",
        "doubling and matching both sets",
        "bare X25519 exchanges, after",
    ]


def test_openmined_psi_is_measured_where_it_is_installed(report: dict[str, object]) -> None:
    pytest.importorskip("private_set_intersection")
    other = report["openmined_psi"]
    assert isinstance(other, dict)
    assert number(report, "cpu_ratio") == pytest.approx(
        number(report, "cpu_seconds") / other["cpu_seconds"]
    )


def test_the_peer_library_can_be_left_out() -> None:
    report = run_psi_bench(size=2, processes=1, peer=False)
    assert "openmined_psi" not in report
    assert "cpu_ratio" not in report


@pytest.mark.parametrize(("size", "processes"), [(0, 1), (3, 1), (-2, 1), (2, 0)])
def test_sizes_that_cannot_be_halved_are_refused(size: int, processes: int) -> None:
    with pytest.raises(SettingError, match=f"size {size} "):
        run_psi_bench(size=size, processes=processes)


def test_a_wrong_intersection_is_not_reported_as_a_result(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psi, "_names", lambda size: (["a", "b"], ["c", "d"]))
    with pytest.raises(ArithmeticError, match="shared half"):
        run_psi_bench(size=2, processes=1)


def test_a_meter_counts_what_is_inside_its_blocks_only() -> None:
    meter = psi.Meter()
    began = time.perf_counter()
    for _ in range(2):
        with meter:
            time.sleep(0.02)
        time.sleep(0.1)
    assert 0.04 <= meter.seconds <= time.perf_counter() - began - 0.2
    assert meter.cpu_seconds >= 0


def test_a_bare_loop_waits_to_be_started_and_then_tells_its_rate() -> None:
    start, out = io.StringIO("\n"), io.StringIO()
    bare.main(["20"], start, out)
    ready, rate = out.getvalue().split()
    assert ready == "ready"
    assert start.tell() == 1
    assert float(rate) > 0
