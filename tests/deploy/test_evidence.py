"""A verdict needs both: nothing found in the run, and everything found in its control."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.rehearsal import evidence
from deploy.rehearsal.evidence import (
    Evidence,
    Place,
    Sight,
    Verdict,
    search_files,
    search_wire,
)
from deploy.rehearsal.finder import Finder, Kind, Needle

from .made_capture import SYN, Made, write_capture
from .test_tls_records import record

SECRET = b"listener:1234"
FINDER = Finder([Needle(Kind.IDENTIFIER, SECRET), Needle(Kind.NAME, b"Massive Attack")])
NOTHING: Mapping[Kind, int] = dict.fromkeys(Kind, 0)
CLEAN = Sight(place=Place.WIRE, size=100, found=NOTHING, canary=True)
ALL = Sight(place=Place.WIRE, size=100, found=dict.fromkeys(Kind, 3), canary=True, unsealed=100)


def test_nothing_in_the_run_and_everything_in_the_control_is_clean() -> None:
    assert Evidence(protected=[CLEAN], control=[ALL]).verdict() is Verdict.CLEAN


@pytest.mark.parametrize("kind", list(Kind))
def test_one_secret_in_the_run_is_a_leak(kind: Kind) -> None:
    leaky = replace(CLEAN, place=Place.MEMORY, found={**NOTHING, kind: 1})
    assert Evidence(protected=[CLEAN, leaky], control=[ALL]).verdict() is Verdict.LEAKY


def test_one_byte_outside_tls_is_a_leak() -> None:
    leaky = replace(CLEAN, unsealed=1)
    assert Evidence(protected=[leaky], control=[ALL]).verdict() is Verdict.LEAKY


@pytest.mark.parametrize("kind", list(Kind))
def test_a_control_that_misses_a_kind_proves_nothing(kind: Kind) -> None:
    weak = replace(ALL, found={**ALL.found, kind: 0})
    checked = Evidence(protected=[CLEAN], control=[weak])
    assert checked.verdict() is Verdict.INCONCLUSIVE
    assert checked.doubts() == [f"the control does not show {kind.value} either"]


@pytest.mark.parametrize("sight", [replace(CLEAN, canary=False), replace(CLEAN, missing=1)])
def test_a_place_that_was_not_seen_whole_proves_nothing(sight: Sight) -> None:
    checked = Evidence(protected=[sight], control=[ALL])
    assert checked.verdict() is Verdict.INCONCLUSIVE
    assert len(checked.doubts()) == 1


def wire_of(tmp_path: Path, *payloads: bytes) -> Path:
    frames, sequence = [Made(sequence=99, flags=SYN).frame()], 100
    for payload in payloads:
        frames.append(Made(sequence=sequence, payload=payload).frame())
        sequence += len(payload)
    return write_capture(tmp_path / "wire.pcap", frames)


def test_a_secret_that_packets_cut_in_two_is_found(tmp_path: Path) -> None:
    path = wire_of(tmp_path, b"hello " + SECRET[:5], SECRET[5:])
    sight = search_wire(Place.WIRE, path, FINDER, b"hello")
    assert (sight.found[Kind.IDENTIFIER], sight.found[Kind.NAME]) == (1, 0)
    assert sight.canary
    assert sight.unsealed == 6 + len(SECRET)


def test_a_sealed_wire_shows_nothing(tmp_path: Path) -> None:
    path = wire_of(tmp_path, record(22, 60), record(23, 900))
    sight = search_wire(Place.WIRE, path, FINDER, b"hello")
    assert sight == Sight(place=Place.WIRE, size=970, found=NOTHING, canary=False)


def test_clear_text_on_a_loopback_is_no_leak_by_itself(tmp_path: Path) -> None:
    sight = search_wire(Place.LOOPBACK, wire_of(tmp_path, b"GET /"), FINDER, b"GET")
    assert sight.unsealed == 0


def test_a_secret_outside_all_connections_is_found(tmp_path: Path) -> None:
    path = write_capture(tmp_path / "arp.pcap", [bytes(12) + b"\x08\x06" + SECRET])
    assert search_wire(Place.WIRE, path, FINDER, b"-").found[Kind.IDENTIFIER] == 1


def test_a_secret_across_two_pieces_of_a_file_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evidence, "PIECE", 1000)
    path = tmp_path / "memory"
    path.write_bytes(bytes(995) + SECRET + bytes(2000) + b"key")
    sight = search_files(Place.MEMORY, [path], FINDER, b"key")
    assert (sight.found[Kind.IDENTIFIER], sight.canary) == (1, True)
    assert sight.size == path.stat().st_size
