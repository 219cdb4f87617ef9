"""Orders and reports cross between organisations: they are read strictly."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.errors import MalformedError
from parties.node.orders import (
    MAX_SETTINGS_CHARACTERS,
    REASON_CHARACTERS,
    Ending,
    SessionOrder,
    SessionReport,
)

ORDER = SessionOrder(
    job=b"j" * 16,
    session=b"s" * 16,
    number=3,
    token=b"t" * 32,
    settings={"profile": "strict", "training": {"epochs": 4}},
)
REPORT = SessionReport(
    ending=Ending.DONE, sent={"forward": 12, "control": 3}, values=640, clipped=2
)


def changed(values: Mapping[str, Any], /, **changes: object) -> Mapping[str, Any]:
    return {**values, **changes}


def test_an_order_arrives_as_it_was_given() -> None:
    assert SessionOrder.from_values(ORDER.to_values()) == ORDER


def test_a_report_arrives_as_it_was_given() -> None:
    assert SessionReport.from_values(REPORT.to_values()) == REPORT


def test_a_printed_order_does_not_show_its_token() -> None:
    assert "token" not in repr(ORDER)
    assert "tttt" not in repr(ORDER)


def test_an_order_of_another_version_names_both_versions() -> None:
    with pytest.raises(MalformedError, match="version 2 and this party knows 1"):
        SessionOrder.from_values(changed(ORDER.to_values(), version=2))


@pytest.mark.parametrize("key", sorted(ORDER.to_values()))
def test_an_order_that_lacks_a_value_is_refused(key: str) -> None:
    values = {name: value for name, value in ORDER.to_values().items() if name != key}
    with pytest.raises(MalformedError, match=key):
        SessionOrder.from_values(values)


@pytest.mark.parametrize(
    "changes",
    [
        {"job": b"short"},
        {"session": "text" * 4},
        {"token": b"t" * 31},
        {"number": 0},
        {"number": True},
        {"settings": "[1, 2]"},
        {"settings": "{"},
        {"settings": "[" * 60_000},
        {"settings": json.dumps({"a": "x" * MAX_SETTINGS_CHARACTERS})},
    ],
)
def test_an_order_with_a_wrong_value_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(MalformedError):
        SessionOrder.from_values(changed(ORDER.to_values(), **changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"ending": "exploded"},
        {"sent": "3"},
        {"sent": '{"forward": -1}'},
        {"sent": '{"forward": true}'},
        {"sent": '{"forward\\"} 1": 3}'},
        {"values": 1 << 63},
        {"clipped": 0.5},
    ],
)
def test_a_report_with_a_wrong_value_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(MalformedError):
        SessionReport.from_values(changed(REPORT.to_values(), **changes))


def test_a_reason_cannot_write_to_a_terminal_or_fill_a_log() -> None:
    reason = "\x1b[2J" + "x" * 10 * REASON_CHARACTERS
    report = SessionReport.from_values(changed(REPORT.to_values(), reason=reason))
    assert "\x1b" not in report.reason
    assert len(report.reason) == REASON_CHARACTERS


scalars = st.one_of(
    st.text(max_size=20), st.integers(), st.floats(), st.binary(max_size=40), st.booleans()
)


@given(st.dictionaries(st.sampled_from([*ORDER.to_values(), *REPORT.to_values()]), scalars))
def test_whatever_comes_is_a_message_or_malformed(values: dict[str, Any]) -> None:
    for kind in (SessionOrder, SessionReport):
        try:
            kind.from_values(values)
        except MalformedError:
            continue
