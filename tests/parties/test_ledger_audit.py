from contextlib import ExitStack
from pathlib import Path

import pytest

from federation.exchange.traffic import Release, Traffic
from federation.protocol.messages import Activations, Goodbye, Holdings
from federation.protocol.profile import Profile
from parties.errors import LedgerError
from parties.ledger import Ledger
from parties.ledger_audit import audit_ledger
from parties.ledger_lines import Closed, Event, Line, Noted, Opened, Place, encode_line
from parties.protection import Protection
from tests.parties.harness import Table, make_world, run_parties, tiny
from tests.parties.ledgers import JOB, SESSION, note_some, opened, whole_session

MASKED = "BFV ciphertext under the item party's key, masked"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.jsonl"


def test_releases_are_added_up_by_recipient_and_kind(path: Path) -> None:
    whole_session(path)
    whole_session(path, session=bytes(16))
    audit = audit_ledger(path)

    total = audit.totals["forward", "coordinator", "Activations", MASKED]
    assert (total.frames, total.bytes) == (4, 4002)
    assert total.first <= total.last
    assert [each.opened.session for each in audit.sessions] == [SESSION.hex(), bytes(16).hex()]
    assert not audit.faults
    assert not audit.remarks
    assert audit.place.lines == 10


def test_a_ledger_is_read_while_it_is_written(path: Path) -> None:
    with opened(path) as ledger:
        note_some(ledger)
        audit = audit_ledger(path)

    assert not audit.faults
    assert audit.remarks == [
        f"session {SESSION.hex()} has no end: it still runs, or its process was killed"
    ]


def test_more_on_the_wire_than_in_the_ledger_is_a_fault(path: Path) -> None:
    with opened(path) as ledger:
        wire = Traffic()
        note_some(ledger, wire=wire)
        wire.count(Activations(5, 1, ()), 700)
        ledger.close_session(wire)
    (fault,) = audit_ledger(path).faults

    assert "forward: 3 frames of 2701 bytes went to the wire and 2 of 2001 bytes are" in fault


def test_larger_frames_than_were_noted_are_a_fault(path: Path) -> None:
    with opened(path) as ledger:
        wire = Traffic()
        ledger.note(Release.of(Goodbye(), "item", 50))
        wire.count(Goodbye(), 51)
        ledger.close_session(wire)

    assert len(audit_ledger(path).faults) == 1


def test_what_was_noted_and_not_sent_is_remarked(path: Path) -> None:
    with opened(path) as ledger:
        wire = Traffic()
        note_some(ledger, wire=wire)
        ledger.note(Release.of(Holdings(b"", ()), "item", 60))
        ledger.close_session(wire)
    audit = audit_ledger(path)

    assert not audit.faults
    assert "1 frames of 60 bytes were noted and then not sent" in audit.remarks[0]


def test_a_changed_line_is_a_fault_and_nothing_behind_it_is_counted(path: Path) -> None:
    whole_session(path)
    path.write_bytes(path.read_bytes().replace(b'"bytes":1000', b'"bytes":9000'))
    audit = audit_ledger(path)

    assert "line 4: it does not follow the line before it" in audit.faults[0]
    assert sum(total.frames for total in audit.totals.values()) == 2


def test_lines_that_are_gone_are_a_fault(path: Path) -> None:
    whole_session(path)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-1]))

    assert "of 5 lines that were safe on disk, 4 are left" in audit_ledger(path).faults[0]


def test_a_cut_line_is_remarked_before_and_after_it_was_set_aside(path: Path) -> None:
    whole_session(path)
    with path.open("ab") as file:
        file.write(b'{"n":5')
    before = audit_ledger(path)
    whole_session(path, session=bytes(16))
    after = audit_ledger(path)

    assert not before.faults + after.faults
    assert "an unfinished line of 6 bytes follows line 5" in before.remarks[0]
    assert "line 6: an unfinished line of 6 bytes was set aside in ledger.torn" in after.remarks[0]


OPENED = Opened(
    party="social", job=JOB.hex(), session="aa", profile="strict", scheme="bfv", masked=True
)
NOTED = Noted(
    session="aa", phase="control", kind="Goodbye", step=None, to="item", bytes=1, protection=""
)
NOUGHT = dict.fromkeys(("alignment", "forward", "backward", "control"), 0)
CLOSED = Closed(session="aa", frames=NOUGHT, bytes=NOUGHT)


@pytest.mark.parametrize(
    "events",
    [
        (NOTED,),
        (CLOSED,),
        (OPENED, CLOSED, NOTED),
        (OPENED, CLOSED, CLOSED),
        (OPENED, Closed(session="bb", frames=NOUGHT, bytes=NOUGHT)),
    ],
    ids=["release first", "end first", "release after the end", "two ends", "another's end"],
)
def test_a_forged_chain_of_events_that_cannot_be_is_a_fault(
    path: Path, events: tuple[Event, ...]
) -> None:
    place = Place()
    for event in events:
        line = encode_line(Line("now", event), place)
        place = place.after(line)
        with path.open("ab") as file:
            file.write(line)

    assert "is not open there" in audit_ledger(path).faults[0]


def test_a_ledger_that_cannot_be_read_is_an_error(path: Path) -> None:
    with pytest.raises(LedgerError, match="cannot be read: No such file"):
        audit_ledger(path)


# --- whole runs ---


SENT_BY_A_PARTNER = {  # under strict, and nothing else: what its auditor must find
    ("control", "*", "Greeting"),
    ("control", "coordinator", "KeyConfirmation"),
    ("control", "item", "KeyConfirmation"),
    ("control", "forum", "KeyConfirmation"),
    ("control", "item", "Holdings"),
    ("alignment", "item", "PartnerPoints"),
    ("alignment", "item", "PartnerDoubled"),
    ("forward", "coordinator", "Activations"),
    ("backward", "item", "MaskedProducts"),
}


@pytest.mark.parametrize("profile", Profile)
def test_the_ledgers_of_a_whole_run_agree_with_its_links(profile: Profile, tmp_path: Path) -> None:
    world = make_world("social", "forum")
    table = Table(config=tiny(profile, training__epochs=1), partners=tuple(world.partners))
    protection = Protection.of(table.config, partners=2)
    with ExitStack() as stack:
        for name in table.names:
            book = Ledger.opened(
                tmp_path / name, party=name, job=JOB, session=SESSION, protection=protection
            )
            table.released[name] = stack.enter_context(book).note
        assert not run_parties(table, world).errors
    for name in table.names:
        audit = audit_ledger(tmp_path / name)
        assert not audit.faults
        (session,) = audit.sessions
        traffic = table.links[name].traffic
        sent, frames = traffic.bytes_by_stage(), traffic.frames_by_stage()
        assert session.noted == {
            phase: (frames[phase], sent[phase]) for phase in sent if frames[phase]
        }
    if profile is Profile.STRICT:
        partner = audit_ledger(tmp_path / "social").totals
        assert {key[:3] for key in partner} == SENT_BY_A_PARTNER


def test_a_party_whose_ledger_fails_stops_and_sends_nothing_more(tmp_path: Path) -> None:
    world = make_world("social", "forum")
    config = tiny(Profile.PLAIN, exchange__timeout_s=1.0)
    table = Table(config=config, partners=tuple(world.partners))
    noted: list[Release] = []

    def note(release: Release) -> None:
        if len(noted) == 8:
            raise LedgerError("the disk is full")
        noted.append(release)

    table.released["social"] = note
    ended = run_parties(table, world)

    assert str(ended.errors["social"]) == "the disk is full"
    assert set(ended.errors) == set(table.names)
    assert sum(table.links["social"].traffic.frames_by_stage().values()) == 8
