import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from federation.protocol.profile import Profile
from simulations.report import (
    CostRecord,
    EpochRecord,
    IncompleteRunError,
    PrivacyRecord,
    ReportFormatError,
    RunRecord,
    build_report,
    read_report,
    write_report,
)
from simulations.report.schema import Json
from tests.simulations.report.made_run import FACTORS, made_run, single_partner_run


@pytest.fixture(scope="module")
def report() -> Json:
    return build_report(made_run())


# The keys of the format as the design fixes them, spelled out again on purpose.
FIXED = {
    "version", "data", "profile", "runtime", "model", "seeds", "users", "items", "partners",
    "systems", "lift", "retained_lift", "cost", "privacy",
}  # fmt: skip


def test_the_report_has_every_key_of_the_format(report: Json) -> None:
    assert report.keys() >= FIXED
    assert report["version"] == 1
    assert report["seeds"] == [0, 1, 2]
    assert report["users"] == {"warm": 1514, "cold": 378}
    assert list(report["systems"]) == list(FACTORS)
    assert report["systems"]["federated"]["recall@50"].keys() == {"mean", "low", "high"}
    assert report["lift"]["federated_vs_popularity"]["recall@50"].keys() >= {
        "relative", "low", "high",
    }  # fmt: skip
    assert report["cost"].keys() >= {"seconds", "bytes", "bytes_per_value"}
    assert report["privacy"].keys() >= {"epsilon", "delta", "audit"}


def test_a_planted_lift_makes_the_headline(report: Json) -> None:
    lift = report["lift"]["federated_vs_popularity"]["recall@50"]
    assert 0.5 < lift["low"] < lift["relative"] < lift["high"] < 0.7
    assert report["headline"]["verdict"] == "up"
    assert "% more of the artists" in report["headline"]["sentence"]
    assert report["lift"]["shuffled_vs_popularity"]["recall@50"]["absolute"]["low"] < 0
    assert 0.7 < report["retained_lift"]["recall@50"] < 1.0


def test_no_lift_is_said_to_be_none() -> None:
    report = build_report(made_run(0.0))
    lift = report["lift"]["federated_vs_popularity"]["recall@50"]
    assert lift["low"] <= 0 <= lift["high"]
    assert report["headline"]["verdict"] == "unclear"
    assert report["retained_lift"]["recall@50"] is None
    assert "no lift" in report["retained_lift_intervals"]["recall@50"]["reason"]


def test_systems_are_compared_with_popularity_and_federated_and_the_control_with_own(
    report: Json,
) -> None:
    others = FACTORS.keys() - {"popularity", "federated"}
    assert report["lift"].keys() == {
        f"{name}_vs_popularity" for name in FACTORS if name != "popularity"
    } | {f"federated_vs_{name}" for name in others} | {"shuffled_vs_own"}


def test_epsilon_is_null_for_every_partner_and_never_a_number(report: Json) -> None:
    assert report["privacy"]["epsilon"] == {"social": None, "forum": None}
    assert report["privacy"]["epsilon_note"] == "not yet accounted"
    assert report["privacy"]["delta"] is None
    claimed = {**report, "privacy": {**report["privacy"], "epsilon": {"social": 1.0}}}
    with pytest.raises(ReportFormatError, match=r"privacy\.epsilon\.social"):
        write_report(claimed, Path("never.json"))


def test_the_same_record_gives_the_same_report(report: Json) -> None:
    assert build_report(made_run()) == report
    other = build_report(replace(made_run(), bootstrap_seed=1))
    assert other["systems"]["own"] != report["systems"]["own"]
    assert other["splits"] == report["splits"]


def test_bytes_by_phase_are_the_sum_over_parties(report: Json) -> None:
    by_party = report["cost"]["bytes_by_party"]
    for phase, total in report["cost"]["bytes"].items():
        assert total == sum(sent.get(phase, 0) for sent in by_party.values())


def test_a_run_without_a_phase_states_zero_bytes_for_it() -> None:
    run = made_run(splits=1)
    cost = CostRecord(seconds={}, bytes_sent={"social": {"alignment": 3}})
    assert build_report(replace(run, cost=cost))["cost"]["bytes"] == {
        "forward": 0,
        "backward": 0,
        "alignment": 3,
    }


def test_small_cohorts_are_suppressed_without_their_size(report: Json) -> None:
    groups = report["cohorts"]["entry point"]
    assert groups["library"]["users"] is None
    assert groups["library"].keys() == {"users", "suppressed"}
    assert report["cohorts"]["partners"]["social + forum"]["users"] >= 20
    assert report["cohorts"]["partners"]["social + forum"]["lift"]["low"] > 0


def test_lists_are_averaged_over_splits_and_only_what_all_splits_have(report: Json) -> None:
    run = made_run(splits=2)
    values = [split.result.systems[0].lists["coverage@50"] for split in run.splits]
    found = build_report(run)["lists"]["popularity"]
    assert found["coverage@50"] == pytest.approx(np.mean(values))
    first = run.splits[0].result
    bare = replace(first, systems=tuple(replace(s, lists={}) for s in first.systems))
    fewer = replace(run, splits=(replace(run.splits[0], result=bare), run.splits[1]))
    assert build_report(fewer)["lists"]["popularity"] == {}


def test_curves_keep_every_epoch_of_every_split(report: Json) -> None:
    assert [curve["seed"] for curve in report["curves"]["federated"]] == [0, 1, 2]
    assert len(report["curves"]["federated"][0]["epochs"]) == 25


def test_an_epoch_without_validation_stays_null() -> None:
    run = made_run(splits=1)
    epoch = EpochRecord(epoch=1, loss=float(np.float32(2.5)), validation_recall=None, seconds=1)
    split = replace(run.splits[0], curves={"federated": (epoch,)})
    curves = build_report(replace(run, splits=(split,)))["curves"]["federated"]
    assert curves[0]["epochs"] == [
        {"epoch": 1, "loss": 2.5, "validation_recall": None, "seconds": 1.0}
    ]


def test_a_curve_that_one_split_lacks_is_left_out_there() -> None:
    run = made_run(splits=2)
    splits = (run.splits[0], replace(run.splits[1], curves={}))
    curves = build_report(replace(run, splits=splits))["curves"]
    assert [curve["seed"] for curve in curves["central"]] == [0]


def test_a_run_without_a_ceiling_has_no_retained_lift() -> None:
    run = without_systems(made_run(splits=1), "central")
    assert build_report(run)["retained_lift"] == {}


@pytest.mark.parametrize("name", ["popularity", "federated"])
def test_a_run_without_what_the_headline_needs_is_refused(name: str) -> None:
    with pytest.raises(IncompleteRunError, match=name):
        build_report(without_systems(made_run(splits=1), name))


def test_what_parties_learn_depends_on_the_profile() -> None:
    learned = {
        profile: build_report(made_run(splits=1, profile=profile))["privacy"]["exposure"]
        for profile in Profile
    }
    by_phase = {p: {row["phase"]: row for row in rows} for p, rows in learned.items()}
    assert "in clear" in by_phase[Profile.PLAIN]["forward"]["coordinator"]
    assert "in clear" in by_phase[Profile.PLAIN]["serving"]["coordinator"]
    assert "gradient" in by_phase[Profile.PLAIN]["backward"]["partner"]
    assert "batch sum" in by_phase[Profile.STRICT]["backward"]["partner"]
    assert "no backward" in by_phase[Profile.FROZEN]["backward"]["partner"]


def test_a_single_partner_is_said_to_be_seen_through() -> None:
    rows = build_report(single_partner_run())["privacy"]["exposure"]
    assert "sum hides nothing" in {row["phase"]: row for row in rows}["forward"]["item_party"]


def test_tuples_in_the_configuration_become_lists() -> None:
    run = replace(made_run(splits=1), configuration={"cutoffs": (10, 50), "deep": True})
    assert build_report(run)["configuration"] == {"cutoffs": [10, 50], "deep": True}


def test_a_written_report_reads_back_the_same(report: Json, tmp_path: Path) -> None:
    path = tmp_path / "runs" / "report.json"
    write_report(report, path)
    assert read_report(path) == json.loads(json.dumps(report)) == report
    assert [file.name for file in path.parent.iterdir()] == ["report.json"]
    assert path.stat().st_mode & 0o777 == 0o644


def test_a_full_disk_leaves_the_old_report(
    report: Json, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "report.json"
    write_report(report, path)
    before = path.read_bytes()

    def disk_full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", disk_full)
    with pytest.raises(OSError, match="No space"):
        write_report({**report, "data": "other"}, path)
    assert path.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


def test_a_number_that_json_lacks_is_refused(tmp_path: Path) -> None:
    run = made_run(splits=1)
    broken = replace(run, cost=CostRecord(seconds={"training": float("nan")}, bytes_sent={}))
    with pytest.raises(ReportFormatError, match=r"cost\.seconds\.training"):
        build_report(broken)


def test_a_printed_record_does_not_spill_its_scores() -> None:
    assert len(repr(made_run(splits=1))) < 2000
    assert PrivacyRecord(cipher="x").caveat == ""


def without_systems(run: RunRecord, *names: str) -> RunRecord:
    splits = tuple(
        replace(
            split,
            result=replace(
                split.result,
                systems=tuple(s for s in split.result.systems if s.name not in names),
            ),
        )
        for split in run.splits
    )
    return replace(run, splits=splits)
