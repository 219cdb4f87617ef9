"""Log records as JSON lines."""

import json
import logging
import subprocess
import sys

from federation.exchange.log_lines import JsonLines, fields


def line(text: str, **extra: object) -> dict[str, object]:
    record = logging.LogRecord("x", logging.WARNING, "x.py", 1, text, None, None)
    record.__dict__.update(extra)
    content: dict[str, object] = json.loads(JsonLines().format(record))
    return content


def test_a_record_is_one_line_whatever_is_in_it() -> None:
    record = logging.LogRecord("x", logging.INFO, "x.py", 1, 'two\nlines, "quoted"', None, None)
    written = JsonLines().format(record)
    assert "\n" not in written
    assert json.loads(written)["text"] == 'two\nlines, "quoted"'


def test_a_record_without_an_event_is_a_message() -> None:
    assert line("hello") == {"level": "warning", "event": "message", "text": "hello"}


def test_an_event_has_its_name_and_fields() -> None:
    content = line("refused", **fields("app_refused", app="00ff", run=7))
    assert content["event"] == "app_refused"
    assert content["app"] == "00ff"
    assert content["run"] == 7


def test_an_error_keeps_its_traceback() -> None:
    try:
        raise ValueError("here")
    except ValueError:
        record = logging.LogRecord(
            "x", logging.ERROR, "x.py", 1, "it failed", None, sys.exc_info()
        )
    assert "ValueError: here" in json.loads(JsonLines().format(record))["text"]


def test_a_process_logs_to_stdout_and_leaves_flowers_own_lines_alone() -> None:
    program = (
        "import logging; from federation.exchange.log_lines import log_as_json; log_as_json();"
        "logging.getLogger('a').info('one'); logging.getLogger('a').debug('two');"
        "logging.getLogger('flwr').error('three'); logging.getLogger('httpx').info('four')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, text=True
    )
    assert [json.loads(each)["text"] for each in done.stdout.splitlines()] == ["one"]
