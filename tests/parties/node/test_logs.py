"""The node's log: one event a line, no secrets, bounded, and never a reason to fail."""

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from parties.node.logs import FILE, LINE_BYTES, MASK, Level, LogConfig, NodeLog, masked


def written(log: NodeLog) -> list[dict[str, object]]:
    return [json.loads(line) for line in log.path.read_text().splitlines()]


def a_log(folder: Path, **changes: object) -> NodeLog:
    return NodeLog(LogConfig(folder=folder / "log", party="social", **changes))  # type: ignore[arg-type]


def test_an_event_has_time_level_party_process_and_its_fields(tmp_path: Path) -> None:
    log = a_log(tmp_path)
    log.event(Level.WARNING, "gate_refused", "no key", process="gate", fields={"address": "::1"})
    (line,) = written(log)
    assert list(line)[:5] == ["time", "level", "party", "process", "event"]
    assert (line["level"], line["party"], line["process"]) == ("warning", "social", "gate")
    assert line["address"] == "::1"
    log.close()


def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    log = a_log(tmp_path)
    assert log.path.stat().st_mode & 0o777 == 0o600
    assert log.path.parent.stat().st_mode & 0o777 == 0o700
    log.close()


def test_a_line_that_is_an_event_keeps_its_fields_but_not_its_word_on_who_said_it(
    tmp_path: Path,
) -> None:
    log = a_log(tmp_path)
    said = {
        "level": "error",
        "event": "app_refused",
        "text": "no",
        "app": "00ff",
        "party": "item",
        "time": "yesterday",
        "process": "supervisor",
    }
    log.output("executor", json.dumps(said).encode() + b"\n")
    (line,) = written(log)
    assert (line["party"], line["process"]) == ("social", "executor")
    assert (line["level"], line["event"], line["app"]) == ("error", "app_refused", "00ff")
    assert (line["its_party"], line["its_time"]) == ("item", "yesterday")
    log.close()


@pytest.mark.parametrize(
    ("raw", "level", "text"),
    [
        (b"plain words\n", "info", "plain words"),
        (b"\x1b[93mWARNING \x1b[0m:   beware\n", "warning", "beware"),
        (b"2026-01-01T00:00:00.1Z ERROR [uvicorn.error] no\n", "error", "[uvicorn.error] no"),
        (b"INFO: a, b\n", "info", "a, b"),
        (b"\xff\xfe broken\n", "info", "\ufffd\ufffd broken"),
        (b"{not json\n", "info", "{not json"),
        (b"[1, 2]\n", "info", "[1, 2]"),
        (b'{"level": "odd", "text": "x"}\n', "info", "x"),
    ],
)
def test_a_line_that_is_no_event_is_logged_as_output(
    tmp_path: Path, raw: bytes, level: str, text: str
) -> None:
    log = a_log(tmp_path)
    log.output("executor", raw)
    (line,) = written(log)
    assert (line["level"], line["event"], line["text"]) == (level, "output", text)
    log.close()


@pytest.mark.parametrize(
    "raw",
    [
        b"\n",
        b"   \n",
        b"INFO :      \n",
        b'2026-01-01T00:00:00.1Z INFO [uvicorn.access] 127.0.0.1:1 - "POST /x HTTP/1.1" 200\n',
    ],
)
def test_what_says_nothing_is_not_logged(tmp_path: Path, raw: bytes) -> None:
    log = a_log(tmp_path)
    log.output("superlink", raw)
    assert written(log) == []
    log.close()


def test_a_request_that_was_refused_is_logged(tmp_path: Path) -> None:
    log = a_log(tmp_path)
    log.output("superlink", b'2026-01-01T00:00:00.1Z INFO [uvicorn.access] "POST /x" 401\n')
    assert len(written(log)) == 1
    log.close()


@pytest.mark.parametrize(
    "text",
    [
        "--token 0123456789abcdef0123456789abcdef",
        "token=0123456789abcdef0123456789abcdef",
        '{"superexec_secret": "0123456789abcdef0123456789abcdef"}',
        "Password: 0123456789abcdef0123456789abcdef",
        "-----BEGIN PRIVATE KEY-----\n0123456789abcdef0123456789abcdef\n-----END PRIVATE KEY-----",
        "-----BEGIN OPENSSH PRIVATE KEY----- 0123456789abcdef0123456789abcdef",
    ],
)
def test_what_looks_like_a_secret_is_masked(tmp_path: Path, text: str) -> None:
    log = a_log(tmp_path)
    log.output("superlink", text.replace("\n", " ").encode())
    log.event(Level.INFO, "x", text)
    log.output("app", json.dumps({"text": "t", "detail": text}).encode())
    assert "0123456789abcdef" not in log.path.read_text()
    assert MASK in log.path.read_text()
    log.close()


def test_a_hash_is_no_secret() -> None:
    text = f"the app {'ab' * 32} is not on the allow-list"
    assert masked(text) == text


def test_an_endless_line_is_cut(tmp_path: Path) -> None:
    log = a_log(tmp_path)
    log.output("app", b"x" * (4 * LINE_BYTES))
    assert len(str(written(log)[0]["text"])) == LINE_BYTES
    log.close()


def test_the_log_is_bounded_and_drops_the_oldest(tmp_path: Path) -> None:
    log = a_log(tmp_path, file_bytes=2000, files=2)
    for number in range(100):
        log.event(Level.INFO, "tick", f"number {number}")
    names = sorted(path.name for path in log.path.parent.iterdir())
    assert names == [FILE, f"{FILE}.1", f"{FILE}.2"]
    for path in log.path.parent.iterdir():
        assert path.stat().st_size <= 2000
        assert path.stat().st_mode & 0o777 == 0o600
    kept = "".join(path.read_text() for path in log.path.parent.iterdir())
    assert "number 99" in kept
    assert 'number 0"' not in kept
    log.close()


def test_a_log_that_keeps_no_older_files_begins_anew(tmp_path: Path) -> None:
    log = a_log(tmp_path, file_bytes=1000, files=0)
    for number in range(50):
        log.event(Level.INFO, "tick", f"number {number}")
    assert [path.name for path in log.path.parent.iterdir()] == [FILE]
    log.close()


def test_a_restarted_node_goes_on_with_its_log(tmp_path: Path) -> None:
    for _ in range(2):
        log = a_log(tmp_path)
        log.event(Level.INFO, "node_started")
        log.close()
    assert len(written(log)) == 2
    log.event(Level.INFO, "late")  # of a thread that reads on: it is dropped
    assert len(written(log)) == 2


def test_people_read_along(tmp_path: Path) -> None:
    human = io.StringIO()
    log = a_log(tmp_path, human=human)
    log.event(Level.ERROR, "child_ended", "gate ended with code 1")
    log.event(Level.INFO, "node_stopped")
    log.close()
    assert "error   supervisor gate ended with code 1" in human.getvalue()
    assert "node_stopped" in human.getvalue()


FULL = """
import io, resource, signal, sys
from pathlib import Path
from parties.node.logs import Level, LogConfig, NodeLog
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (500, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
human = io.StringIO()
log = NodeLog(LogConfig(folder=Path(sys.argv[1]), party="social", human=human))
for number in range(20):
    log.event(Level.INFO, "tick", str(number))
print(human.getvalue().count("cannot be written"), human.getvalue().count("tick") or "all told")
"""


def test_a_full_disk_stops_the_log_and_not_the_node(tmp_path: Path) -> None:
    # A process of its own, whose files may not grow beyond 500 bytes: as on a full disk, the
    # system refuses to write.
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path)], capture_output=True, check=True, text=True
    )
    assert done.stdout.split()[0] == "1"


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("a file")
    with pytest.raises(OSError, match="log"):
        a_log(tmp_path)
