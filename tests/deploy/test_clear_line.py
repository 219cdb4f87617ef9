"""The control carries messages as they are: whoever sees the line can read all of it."""

import threading

import pytest

from deploy.rehearsal.clear_line import ARCHIVE, ClearHub, ClearLink, ClearTransport
from federation.errors import OutOfTurnError, PeerLostError
from federation.protocol.messages import Collected, Goodbye

NAMES = ["coordinator", "item"]
JOB = bytes(16)


def hub_on_a_free_port() -> tuple[ClearHub, tuple[str, int]]:
    hub = ClearHub(0, NAMES)
    return hub, ("127.0.0.1", hub.port)


def test_messages_come_as_they_were_sent_and_from_whom() -> None:
    hub, address = hub_on_a_free_port()
    with hub.serving():
        one = ClearLink(ClearTransport(address, "coordinator"), "coordinator", JOB)
        two = ClearLink(ClearTransport(address, "item"), "item", JOB)
        one.post("item", Collected(3))
        one.post("item", Goodbye())
        assert two.receive("coordinator", Collected) == Collected(3)
        assert two.receive_any() == ("coordinator", Goodbye())
        two.post("coordinator", Goodbye())
        with pytest.raises(OutOfTurnError):
            one.receive("item", Collected)
        one.close()
        two.close()


def test_what_goes_to_the_archive_stays_with_the_hub() -> None:
    hub, address = hub_on_a_free_port()
    with hub.serving():
        line = ClearTransport(address, "item")
        line.send_to(ARCHIVE, b"listener:1234")
        line.send_to("item", b"and back")
        assert line.next() == ("item", b"and back")
        line.close()
    assert hub.archive == [b"listener:1234"]


def test_a_party_that_is_early_waits_for_the_hub() -> None:
    first, address = hub_on_a_free_port()
    with first.serving():
        pass  # the port is known now, and free again
    lines: list[ClearTransport] = []
    early = threading.Thread(target=lambda: lines.append(ClearTransport(address, "item")))
    early.start()
    hub = ClearHub(address[1], NAMES)
    with hub.serving():
        early.join(10)
        lines[0].send_to("item", b"here")
        assert lines[0].next() == ("item", b"here")
        lines[0].close()


def test_a_lost_line_is_said() -> None:
    hub, address = hub_on_a_free_port()
    with hub.serving():
        line = ClearTransport(address, "item")
        line.close()
        with pytest.raises(PeerLostError):
            line.next()
