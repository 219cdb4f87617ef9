import copy
import json
from pathlib import Path

import pytest

from simulations.report import SCHEMA, ReportFormatError, build_report, check, read_report
from simulations.report.schema import Json
from tests.simulations.report.made_run import made_run


@pytest.fixture(scope="module")
def report() -> Json:
    return build_report(made_run(splits=1))


def changed(report: Json, *path: str | int, to: object) -> Json:
    """A copy of the report with one place changed."""
    copied = copy.deepcopy(report)
    place = copied
    for step in path[:-1]:
        place = place[step]  # type: ignore[index]
    place[path[-1]] = to  # type: ignore[index]
    return copied


@pytest.mark.parametrize(
    ("path", "to", "reason"),
    [
        (("version",), 2, "none of"),
        (("profile",), "open", "none of"),
        (("seeds",), [], "fewer than 1"),
        (("seeds", 0), True, "is no integer"),
        (("seeds", 0), 0.5, "is no integer"),
        (("seeds", 0), -1, "below 0"),
        (("data",), None, "is no string"),
        (("partners",), "social", "is no array"),
        (("users",), [], "is no object"),
        (("users",), {"warm": 1}, "cold missing"),
        (("systems", "own", "recall@50", "low"), "0.1", "is no number"),
        (("systems", "own", "recall@50", "low"), float("inf"), "no JSON number"),
        (("systems", "own", "recall@50"), {"mean": 0.1}, "low, high missing"),
        (("privacy", "epsilon", "social"), 0.0, "is no null"),
        (("privacy", "delta"), 1e-6, "is no null"),
        (("privacy", "accepted_single_partner"), 1, "is no boolean"),
        (("curves", "federated", 0, "epochs", 3, "loss"), None, r"epochs\[3\]\.loss"),
        (("cost", "bytes", "forward"), 1.5, "is no integer"),
        (("configuration", "odd"), {}, "is no string or number"),
    ],
)
def test_a_report_out_of_format_is_refused_by_place(
    report: Json, path: tuple[str | int, ...], to: object, reason: str
) -> None:
    with pytest.raises(ReportFormatError, match=reason) as refusal:
        check(changed(report, *path, to=to))
    assert str(path[0]) in str(refusal.value)


@pytest.mark.parametrize("key", SCHEMA["required"])
def test_a_report_without_a_key_is_refused(report: Json, key: str) -> None:
    fewer = {name: value for name, value in report.items() if name != key}
    with pytest.raises(ReportFormatError, match=f"{key} missing"):
        check(fewer)


def test_keys_of_later_versions_are_let_through(report: Json) -> None:
    check({**report, "serving": {"kg": 0.1}})


def test_a_schema_keyword_the_reader_does_not_know_is_refused() -> None:
    with pytest.raises(ValueError, match="pattern"):
        check("x", {"type": "string", "pattern": "y"})


def test_the_schema_itself_is_json() -> None:
    assert json.loads(json.dumps(SCHEMA)) == SCHEMA


def test_other_readers_of_json_schema_agree(report: Json) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    validator = jsonschema.Draft202012Validator(SCHEMA)
    validator.check_schema(SCHEMA)
    assert not list(validator.iter_errors(report))
    assert list(validator.iter_errors(changed(report, "privacy", "delta", to=1.0)))


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[]", b"{}"])
def test_a_file_that_is_no_report_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "report.json"
    path.write_bytes(content)
    with pytest.raises(ReportFormatError, match=r"report\.json"):
        read_report(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReportFormatError, match="cannot be read"):
        read_report(tmp_path / "report.json")
