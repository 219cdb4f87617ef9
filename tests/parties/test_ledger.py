"""The ledger refuses to lose, change or pass over a line; and then nothing may leave."""

import json
import multiprocessing
import os
import resource
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from federation.exchange.traffic import Traffic
from federation.protocol.messages import ClearGradients
from parties.errors import LedgerDamagedError, LedgerError, UnlistedReleaseError
from parties.ledger import SYNC_S
from parties.ledger_reading import Chain, walk
from tests.parties.ledgers import (
    SESSION,
    events,
    lines_of,
    note_some,
    opened,
    release,
    whole_session,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.jsonl"


def head(path: Path) -> dict[str, object]:
    content: dict[str, object] = json.loads(path.with_suffix(".head").read_bytes())
    return content


def test_a_line_is_on_disk_before_the_release_may_go(path: Path) -> None:
    with opened(path) as ledger:
        ledger.note(release())
        line = lines_of(path)[-1]

    assert {key: line[key] for key in ("kind", "to", "bytes", "step", "phase")} == {
        "kind": "Goodbye",
        "to": "item",
        "bytes": 50,
        "step": None,
        "phase": "control",
    }
    assert line["session"] == SESSION.hex()
    assert line["time"].endswith("+00:00")


def test_a_session_is_opened_noted_and_closed_with_what_the_wire_took(path: Path) -> None:
    whole_session(path)

    assert [*events(path)] == ["opened", "release", "release", "release", "closed"]
    first, *releases, last = lines_of(path)
    assert (first["party"], first["profile"], first["masked"]) == ("social", "strict", True)
    assert [line["step"] for line in releases] == [None, 3, 4]
    assert last["frames"] == {"alignment": 0, "forward": 2, "backward": 0, "control": 1}
    assert last["bytes"]["forward"] == 2001


def test_only_its_owner_may_read_a_ledger(path: Path) -> None:
    whole_session(path)

    assert [file.stat().st_mode & 0o777 for file in path.parent.iterdir()] == [0o600, 0o600]


def test_a_ledger_that_others_could_read_is_closed_to_them(path: Path) -> None:
    whole_session(path)
    path.chmod(0o644)
    whole_session(path, session=bytes(16))

    assert path.stat().st_mode & 0o777 == 0o600


def test_every_line_carries_the_digest_of_the_one_before_and_the_head_the_last(
    path: Path,
) -> None:
    whole_session(path)
    chain = Chain()
    with opened(path, session=bytes(16)) as ledger:
        note_some(ledger)
    for _ in walk(path, chain):
        pass

    assert head(path) == {"lines": chain.place.lines, "digest": chain.place.digest}
    assert ledger.digest == chain.place.digest
    assert chain.place.lines == 5 + 1 + 3


def test_a_later_session_goes_on_behind_the_earlier_one(path: Path) -> None:
    whole_session(path)
    before = path.read_bytes()
    whole_session(path, session=bytes(16))

    assert path.read_bytes().startswith(before)
    assert [line["n"] for line in lines_of(path)] == list(range(10))


def test_nothing_is_noted_after_a_session_was_closed(path: Path) -> None:
    with opened(path) as ledger:
        ledger.close_session(Traffic())
        with pytest.raises(LedgerError, match="Goodbye would leave after the session's end"):
            ledger.note(release())

    assert [*events(path)] == ["opened", "closed"]


def test_a_message_the_profile_has_no_use_for_is_refused_and_not_noted(path: Path) -> None:
    with opened(path) as ledger:
        with pytest.raises(UnlistedReleaseError, match="ClearGradients may not leave under"):
            ledger.note(release(ClearGradients(1, b"")))
        ledger.note(release())

    assert [*events(path)] == ["opened", "release"]


# --- somebody changed it ---


def rewrite(path: Path, change: dict[str, object], line: int) -> None:
    """Change one line's content, and nothing else."""
    lines = path.read_bytes().splitlines(keepends=True)
    content = {**json.loads(lines[line]), **change}
    lines[line] = json.dumps(content, separators=(",", ":")).encode() + b"\n"
    path.write_bytes(b"".join(lines))


@pytest.mark.parametrize("line", range(5))
def test_a_changed_line_is_noticed(path: Path, line: int) -> None:
    whole_session(path)
    rewrite(path, {"time": "2020-01-01T00:00:00.000+00:00"}, line)
    before = path.read_bytes()

    with pytest.raises(LedgerDamagedError, match=r"ledger\.jsonl, line [1-5]: "), opened(path):
        pytest.fail("was opened")
    assert path.read_bytes() == before


@pytest.mark.parametrize("line", range(5))
def test_a_removed_line_is_noticed(path: Path, line: int) -> None:
    whole_session(path)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:line] + lines[line + 1 :]))

    with pytest.raises(LedgerDamagedError), opened(path):
        pytest.fail("was opened")


def test_a_ledger_cut_back_to_an_earlier_line_is_noticed(path: Path) -> None:
    whole_session(path)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:3]))

    with pytest.raises(LedgerDamagedError, match=r"of 5 lines .* 3 are left"), opened(path):
        pytest.fail("was opened")


def test_a_ledger_that_is_gone_is_missed(path: Path) -> None:
    whole_session(path)
    path.unlink()

    with pytest.raises(LedgerDamagedError, match=r"of 5 lines .* 0 are left"), opened(path):
        pytest.fail("was opened")


def test_a_ledger_rewritten_from_its_beginning_does_not_fit_its_head(path: Path) -> None:
    whole_session(path)
    forged = path.with_name("forged.jsonl")
    whole_session(forged)  # the same events at another time
    forged.replace(path)

    with pytest.raises(LedgerDamagedError, match=r"another one than ledger\.head says"):
        opened(path).__enter__()


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"noise", b'{"lines": "5", "digest": 1}'])
def test_a_damaged_head_is_refused(path: Path, content: bytes) -> None:
    whole_session(path)
    path.with_suffix(".head").write_bytes(content)

    with pytest.raises(LedgerDamagedError, match=r"ledger\.head is damaged"), opened(path):
        pytest.fail("was opened")


@pytest.mark.parametrize("other", [{"party": "forum"}, {"job": bytes(16)}])
def test_the_ledger_of_another_party_or_job_is_refused(
    path: Path, other: dict[str, object]
) -> None:
    whole_session(path)

    with pytest.raises(LedgerDamagedError, match="is the ledger of social in job 0001"):
        opened(path, **other).__enter__()


def replaced(path: Path) -> None:
    path.with_name("other").write_bytes(path.read_bytes())
    path.with_name("other").replace(path)


def appended_to(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"x")


def cut(path: Path) -> None:
    os.truncate(path, 10)


@pytest.mark.parametrize("change", [replaced, appended_to, cut])
def test_a_ledger_that_somebody_changes_during_the_run_is_noticed(
    path: Path, change: Callable[[Path], None]
) -> None:
    session = opened(path)
    session.__enter__()
    change(path)

    with pytest.raises(LedgerDamagedError, match="was changed or replaced"):
        session.__exit__(None, None, None)


def test_a_ledger_that_is_removed_during_the_run_is_missed(path: Path) -> None:
    with pytest.raises(LedgerError, match=r"ledger\.jsonl cannot be written"), opened(path):
        path.unlink()


# --- a crash ---


@pytest.mark.parametrize("rest", [b'{"n":5,"time":"20', b"\x00" * 100, b"{"])
def test_an_unfinished_line_is_set_aside_and_noted(path: Path, rest: bytes) -> None:
    whole_session(path)
    whole = path.read_bytes()
    path.write_bytes(whole + rest)
    whole_session(path, session=bytes(16))

    assert path.read_bytes().startswith(whole)
    torn = lines_of(path)[5]
    assert (torn["event"], torn["bytes"]) == ("torn", len(rest))
    assert (path.parent / torn["file"]).read_bytes() == rest
    assert [*events(path)].count("torn") == 1


def test_a_crash_between_setting_aside_and_noting_is_made_good(path: Path) -> None:
    whole_session(path)
    path.with_name("ledger.torn-0123456789abcdef").write_bytes(b'{"n":')
    whole_session(path, session=bytes(16))
    whole_session(path, session=bytes([1] * 16))

    assert [*events(path)].count("torn") == 1


def die(path: Path, ready: "Connection[str, None]") -> None:
    with opened(path) as ledger:
        note_some(ledger)
        ready.send("noted")
        signal.pause()


def test_a_killed_process_loses_no_line_and_leaves_no_lock(path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=die, args=(path, there))
    process.start()
    assert here.poll(30)
    with pytest.raises(LedgerError, match="another process writes"), opened(path):
        pytest.fail("was opened twice")
    process.kill()
    process.join(10)
    whole_session(path, session=bytes(16))

    assert [*events(path)][:4] == ["opened", "release", "release", "release"]
    assert [*events(path)][4] == "opened"


# --- the disk refuses ---


@contextmanager
def room_for(path: Path, more: int) -> Iterator[None]:
    """Let no file of this process grow beyond `path`'s size and some more bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + more, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("more", [0, 1, 100])
def test_a_full_disk_stops_the_release_and_leaves_no_part_of_a_line(path: Path, more: int) -> None:
    with opened(path) as ledger:
        ledger.note(release())
        before = path.read_bytes()
        with room_for(path, more), pytest.raises(LedgerError) as refusal:
            ledger.note(release())
        assert path.read_bytes() == before
        ledger.note(release())  # there is room again

    text = str(refusal.value)
    assert str(path) in text
    assert "nothing leaves this party" in text
    assert "free space" in text
    assert [*events(path)] == ["opened", "release", "release"]


def test_a_head_that_cannot_be_written_stops_the_release(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(path) as ledger:
        monkeypatch.setattr("parties.ledger.SYNC_S", 0.0)
        path.parent.chmod(0o500)
        monkeypatch.setattr("parties.ledger.head_of", lambda _: Path("/proc/none/ledger.head"))
        with pytest.raises(LedgerError, match=r"ledger\.head cannot be written"):
            ledger.note(release())
        monkeypatch.undo()
        path.parent.chmod(0o700)


def test_the_head_follows_within_the_time_it_promises(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(path) as ledger:
        ledger.note(release())
        assert head(path)["lines"] == 1
        monkeypatch.setattr("parties.ledger.time.monotonic", lambda: 1e12 + SYNC_S)
        ledger.note(release())
        assert head(path)["lines"] == 3


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    command = [mount or "mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if mount is None or subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("only root can mount a small disk")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)  # noqa: S607 - as above


def test_a_disk_that_fills_up_during_a_run_stops_it_with_a_whole_ledger(tiny_disk: Path) -> None:
    path = tiny_disk / "ledger.jsonl"
    with pytest.raises(LedgerError, match=r"No space left on device"):
        fill(path)
    assert path.read_bytes().endswith(b"\n")
    noted = [*events(path)].count("release")
    assert noted > 50

    (tiny_disk / "ballast").unlink()
    whole_session(path, session=bytes(16))
    assert [*events(path)].count("release") == noted + 3


def fill(path: Path) -> None:
    """Note releases until the disk is full."""
    path.with_name("ballast").write_bytes(bytes(24_000))
    with opened(path) as ledger:
        for _ in range(1000):
            ledger.note(release())


def test_a_folder_that_is_not_there_is_named(path: Path) -> None:
    missing = path.parent / "gone" / "ledger.jsonl"

    with pytest.raises(LedgerError, match=r"gone/ledger\.jsonl cannot be opened: No such"):
        opened(missing).__enter__()


def test_a_link_is_no_ledger(path: Path) -> None:
    path.symlink_to(path.parent / "elsewhere")

    with pytest.raises(LedgerError, match="cannot be opened"):
        opened(path).__enter__()
    assert not (path.parent / "elsewhere").exists()


def fail_inside(path: Path) -> None:
    with opened(path):
        raise ZeroDivisionError


def test_what_fails_inside_a_session_is_not_hidden(path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        fail_inside(path)

    assert head(path)["lines"] == 1
