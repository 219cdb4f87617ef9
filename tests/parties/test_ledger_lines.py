import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parties.errors import LedgerDamagedError
from parties.ledger_lines import (
    MAX_LINE_BYTES,
    Closed,
    Event,
    Line,
    Noted,
    Opened,
    Place,
    Torn,
    decode_line,
    encode_line,
)

COUNTS = {"alignment": 1, "forward": 2, "backward": 3, "control": 4}
NOTED = Noted(
    session="00", phase="forward", kind="Activations", step=3, to="item", bytes=9, protection="x"
)
EXAMPLES: tuple[Event, ...] = (
    Opened(party="p", job="aa", session="00", profile="strict", scheme="bfv", masked=True),
    NOTED,
    Closed(session="00", frames=COUNTS, bytes=COUNTS),
    Torn(file="ledger.torn-1", bytes=4, sha256="ab"),
)
HERE = Place(7, "f" * 64)


def encoded(event: Event = NOTED) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(encode_line(Line("now", event), HERE))
    return content


@pytest.mark.parametrize("event", EXAMPLES, ids=lambda event: type(event).__name__)
def test_a_line_is_read_as_what_was_written(event: Event) -> None:
    line = Line("2026-01-02T03:04:05.678+00:00", event)
    data = encode_line(line, HERE)

    assert data.endswith(b"\n")
    assert b"\n" not in data[:-1]
    assert decode_line(data, HERE) == line


def test_the_next_place_depends_on_every_byte_of_the_line() -> None:
    data = encode_line(Line("now", NOTED), HERE)

    assert HERE.after(data).lines == 8
    assert HERE.after(data) != HERE.after(data.replace(b"now", b"new"))


@pytest.mark.parametrize("place", [Place(6, "f" * 64), Place(7, "e" * 64), Place()])
def test_a_line_of_another_place_is_refused(place: Place) -> None:
    with pytest.raises(LedgerDamagedError, match="does not follow"):
        decode_line(encode_line(Line("now", NOTED), HERE), place)


@pytest.mark.parametrize(
    "change",
    [
        {"time": 5},
        {"event": "erased"},
        {"event": ["release"]},
        {"event": "torn"},
        {"bytes": -1},
        {"bytes": True},
        {"bytes": 1.0},
        {"step": "3"},
        {"step": -1},
        {"to": None},
        {"to": "item\x1b[2J"},
        {"more": 1},
    ],
    ids=str,
)
def test_a_line_with_a_field_that_cannot_be_is_refused(change: dict[str, Any]) -> None:
    data = json.dumps({**encoded(), **change}).encode()

    with pytest.raises(LedgerDamagedError):
        decode_line(data, HERE)


@pytest.mark.parametrize("name", [*encoded()])
def test_a_line_without_one_of_its_fields_is_refused(name: str) -> None:
    content = encoded()
    del content[name]

    with pytest.raises(LedgerDamagedError):
        decode_line(json.dumps(content).encode(), HERE)


@pytest.mark.parametrize("counts", [{}, {**COUNTS, "other": 1}, {**COUNTS, "forward": -1}, [1]])
def test_sums_of_other_phases_are_refused(counts: object) -> None:
    data = json.dumps({**encoded(EXAMPLES[2]), "frames": counts}).encode()

    with pytest.raises(LedgerDamagedError, match="no event 'closed'"):
        decode_line(data, HERE)


@pytest.mark.parametrize(
    "data", [b"", b"\n", b"[]", b"1", b"\xff", b"{", b"[" * 2000, b" " * MAX_LINE_BYTES + b"{}"]
)
def test_bytes_that_are_no_line_are_refused(data: bytes) -> None:
    with pytest.raises(LedgerDamagedError, match="not a JSON object"):
        decode_line(data, HERE)


@given(st.binary(max_size=200))
def test_any_bytes_give_a_line_or_the_one_error(data: bytes) -> None:
    with pytest.raises(LedgerDamagedError):
        decode_line(data, HERE)
