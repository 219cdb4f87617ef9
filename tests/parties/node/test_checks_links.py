"""Each way in which a coordinator can be out of reach, with real sockets."""

import datetime as dt
import shutil
import socket
from pathlib import Path

import pytest
from flwr.common import constant

from parties.node.check_links import (
    SYSTEM_TIME_TOLERANCE_S,
    TIMESTAMP_TOLERANCE_S,
    check_clock,
    check_flower_port,
    check_health_port,
    check_hub_port,
    check_listening,
)
from parties.node.examined import CheckLimits, Examined, examine
from parties.node.findings import Outcome
from parties.node.party_file import read_party_file
from parties.role import Role
from tests.parties.node.conftest import NodeMaker, aged_certificate
from tests.parties.node.servers import (
    TlsServer,
    free_port,
    hanging_up,
    listening,
    saying,
    serving,
    staying_silent,
    swallowing,
    telling_the_time,
)

HOUR = dt.timedelta(hours=1)


def seen(file: Path, timeout_s: float = 5.0) -> Examined:
    return examine(read_party_file(file), CheckLimits(timeout_s=timeout_s))


def test_a_host_that_no_one_knows_is_a_matter_of_dns(node: NodeMaker) -> None:
    file = node(Role.PARTNER)
    file.write_text(file.read_text().replace("127.0.0.1", "nowhere.invalid"))
    finding = check_flower_port(seen(file))
    assert finding.outcome is Outcome.FAILED
    assert finding.detail.startswith("DNS: no address is known for 'nowhere.invalid'")
    assert "coordinator.host" in finding.remedy


def test_a_host_name_that_cannot_be_one_is_a_matter_of_dns(node: NodeMaker) -> None:
    file = node(Role.PARTNER)
    file.write_text(file.read_text().replace("127.0.0.1", "a" * 70 + ".example"))
    assert check_flower_port(seen(file)).detail.startswith("DNS: ")


def test_a_gate_that_is_not_up_is_a_matter_of_tcp(node: NodeMaker) -> None:
    port = free_port()
    finding = check_flower_port(seen(node(Role.PARTNER, flower_port=port)))
    assert finding.outcome is Outcome.FAILED
    assert finding.detail == f"TCP: 127.0.0.1:{port} refuses: nothing listens there"
    assert "start the coordinator's node" in finding.remedy


def test_a_hub_that_is_not_up_may_only_mean_that_no_run_is_on(node: NodeMaker) -> None:
    finding = check_hub_port(seen(node(Role.PARTNER, hub_port=free_port())))
    assert finding.outcome is Outcome.WARNED
    assert "listens only while a run is on" in finding.detail


def test_a_port_that_never_answers_is_a_matter_of_firewalls(node: NodeMaker) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        port = full.getsockname()[1]
        waiting = []
        # A queue that is full drops what comes, as a firewall does.
        for _ in range(4):
            client = socket.socket()
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", port))
            waiting.append(client)
        finding = check_hub_port(seen(node(Role.PARTNER, hub_port=port), timeout_s=0.5))
        for client in waiting:
            client.close()
    assert finding.outcome is Outcome.FAILED
    assert finding.detail == f"TCP: 127.0.0.1:{port} did not answer within 0.5 s"
    assert "firewalls" in finding.remedy


def test_an_address_without_a_route_is_a_matter_of_the_network(node: NodeMaker) -> None:
    file = node(Role.PARTNER)
    file.write_text(file.read_text().replace("127.0.0.1", "255.255.255.255"))
    finding = check_flower_port(seen(file, timeout_s=0.5))
    assert finding.detail.startswith("TCP: 255.255.255.255:9092 cannot be reached")
    assert "routes" in finding.remedy


def test_something_else_at_the_port_is_a_matter_of_tls(node: NodeMaker) -> None:
    with listening(lambda plain: plain.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")) as port:
        finding = check_flower_port(seen(node(Role.PARTNER, flower_port=port)))
    assert finding.outcome is Outcome.FAILED
    assert finding.detail.startswith(f"TLS: 127.0.0.1:{port} ends the handshake: wrong version")


def test_a_port_that_accepts_and_says_nothing_is_a_matter_of_tls(node: NodeMaker) -> None:
    with listening(swallowing) as port:
        finding = check_flower_port(seen(node(Role.PARTNER, flower_port=port), timeout_s=0.5))
    assert finding.detail == f"TLS: 127.0.0.1:{port} ends the handshake: no answer in time"


def test_a_certificate_of_another_authority_is_a_matter_of_tls(
    node: NodeMaker, other_keys: Path
) -> None:
    with serving(TlsServer(other_keys / "coordinator", staying_silent)) as port:
        finding = check_flower_port(seen(node(Role.PARTNER, flower_port=port)))
    assert finding.outcome is Outcome.FAILED
    assert finding.detail.startswith(f"TLS: the certificate at 127.0.0.1:{port} is not trusted")
    assert "all parties need the same authority.crt" in finding.remedy


@pytest.mark.parametrize(
    ("age", "problem", "remedy"),
    [
        (-dt.timedelta(days=30), "expired", "certificate be renewed"),
        (dt.timedelta(days=30), "not yet valid", "set this machine's clock"),
    ],
)
def test_a_certificate_out_of_its_time_is_a_matter_of_tls(
    node: NodeMaker,
    made_keys: Path,
    tmp_path: Path,
    age: dt.timedelta,
    problem: str,
    remedy: str,
) -> None:
    keys = shutil.copytree(made_keys / "coordinator", tmp_path / "aged")
    (keys / "tls.crt").write_bytes(aged_certificate(made_keys / "authority", keys, age))
    with serving(TlsServer(keys, staying_silent)) as port:
        finding = check_flower_port(seen(node(Role.PARTNER, flower_port=port)))
    assert finding.detail.startswith("TLS: ")
    assert problem in finding.detail
    assert remedy in finding.remedy


def test_another_party_that_answers_at_the_gate_is_a_matter_of_the_name(
    node: NodeMaker, made_keys: Path
) -> None:
    with serving(TlsServer(made_keys / "forum", staying_silent)) as port:
        finding = check_flower_port(seen(node(Role.PARTNER, flower_port=port)))
    assert finding.outcome is Outcome.FAILED
    assert finding.detail == f"name: the certificate at 127.0.0.1:{port} is not for '127.0.0.1'"
    assert "coordinator.host" in finding.remedy


def test_another_party_that_answers_as_the_hub_is_a_matter_of_the_name(
    node: NodeMaker, made_keys: Path
) -> None:
    with serving(TlsServer(made_keys / "forum", staying_silent)) as port:
        finding = check_hub_port(seen(node(Role.PARTNER, hub_port=port)))
    assert finding.detail == f"name: the certificate at 127.0.0.1:{port} is not for 'coordinator'"
    assert "another party answers there" in finding.remedy


def test_the_right_name_under_another_key_is_a_matter_of_the_pin(
    node: NodeMaker, other_keys: Path
) -> None:
    # The roster of one federation and the authority of the other: TLS alone would be content.
    file = node(Role.PARTNER)
    shutil.rmtree(file.parent / "keys")
    shutil.copytree(other_keys / "social", file.parent / "keys")
    with serving(TlsServer(other_keys / "coordinator", staying_silent)) as port:
        file.write_text(file.read_text().replace("[data]", f"flower_port = {port}\n[data]"))
        finding = check_flower_port(seen(file))
    assert finding.outcome is Outcome.FAILED
    assert finding.detail.startswith("pin: the key at 127.0.0.1")
    assert "roster" in finding.remedy


def test_a_hub_that_does_not_take_this_partys_certificate_is_a_matter_of_tls(
    node: NodeMaker, made_keys: Path, other_keys: Path
) -> None:
    hub = TlsServer(made_keys / "coordinator", staying_silent, mutual=True)
    with serving(hub) as port:
        file = node(Role.PARTNER, hub_port=port)
        examined = seen(file)
        for name in ("tls.key", "tls.crt"):  # such as load_keys would refuse
            shutil.copy(other_keys / "social" / name, file.parent / "keys")
        finding = check_hub_port(examined)
    assert finding.outcome is Outcome.FAILED
    assert finding.detail.startswith(f"TLS: 127.0.0.1:{port} refuses this party's certificate")
    assert "look into its log" in finding.remedy


def test_a_hub_that_hangs_up_at_once_did_not_take_the_certificate(
    node: NodeMaker, made_keys: Path
) -> None:
    hub = TlsServer(made_keys / "coordinator", hanging_up, mutual=True)
    with serving(hub) as port:
        finding = check_hub_port(seen(node(Role.PARTNER, hub_port=port)))
    assert "refuses this party's certificate: the connection was closed" in finding.detail


def test_a_hub_that_waits_for_the_first_word_did_take_the_certificate(
    node: NodeMaker, made_keys: Path
) -> None:
    hub = TlsServer(made_keys / "coordinator", staying_silent, mutual=True)
    with serving(hub) as port:
        finding = check_hub_port(seen(node(Role.PARTNER, hub_port=port), timeout_s=0.5))
    assert finding.outcome is Outcome.PASSED


@pytest.mark.parametrize("check", [check_flower_port, check_hub_port, check_clock])
def test_lines_are_not_tried_without_keys_and_roster(node: NodeMaker, check: object) -> None:
    file = node(Role.PARTNER)
    (file.parent / "roster.toml").unlink()
    assert callable(check)
    finding = check(seen(file))
    assert finding.outcome is Outcome.SKIPPED
    assert "needs keys and a roster" in finding.detail


@pytest.mark.parametrize("check", [check_flower_port, check_hub_port, check_clock])
def test_a_coordinator_dials_nobody(node: NodeMaker, check: object) -> None:
    assert callable(check)
    assert check(seen(node(Role.COORDINATOR))).outcome is Outcome.SKIPPED


@pytest.mark.parametrize(
    ("coordinators", "outcome", "detail"),
    [
        (dt.timedelta(), Outcome.PASSED, "as the coordinator's"),
        (HOUR, Outcome.FAILED, "clock off by 3600 s, behind the coordinator's"),
        (-HOUR, Outcome.FAILED, "clock off by 3600 s, ahead of the coordinator's"),
        (-dt.timedelta(seconds=9), Outcome.FAILED, "Flower allows 5 s ahead and 305 s behind"),
        (-dt.timedelta(seconds=4), Outcome.WARNED, "ahead of"),
        (dt.timedelta(seconds=290), Outcome.WARNED, "behind"),
        (dt.timedelta(seconds=310), Outcome.FAILED, "behind"),
    ],
)
def test_the_clock_is_held_against_the_coordinators_by_flowers_measure(
    node: NodeMaker,
    made_keys: Path,
    coordinators: dt.timedelta,
    outcome: Outcome,
    detail: str,
) -> None:
    with serving(TlsServer(made_keys / "coordinator", telling_the_time(coordinators))) as port:
        finding = check_clock(seen(node(Role.PARTNER, flower_port=port)))
    assert finding.outcome is outcome
    assert detail in finding.detail
    assert ("NTP" in finding.remedy) is (outcome is not Outcome.PASSED)


def test_flower_still_has_the_tolerances_that_clocks_are_held_against() -> None:
    assert constant.SYSTEM_TIME_TOLERANCE == SYSTEM_TIME_TOLERANCE_S
    assert constant.TIMESTAMP_TOLERANCE == TIMESTAMP_TOLERANCE_S


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nDate: yesterday\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nDate: Mon, 01 Jan 2024 00:00:00\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000,
        b"\xff" * 70_000,
    ],
    ids=["nothing", "no HTTP", "no date", "no such date", "no zone", "headers", "bytes"],
)
def test_a_gate_that_does_not_tell_the_time_is_no_crash(
    node: NodeMaker, made_keys: Path, answer: bytes
) -> None:
    with serving(TlsServer(made_keys / "coordinator", saying(answer))) as port:
        finding = check_clock(seen(node(Role.PARTNER, flower_port=port)))
    assert finding.outcome is Outcome.SKIPPED
    assert "does not tell its time" in finding.detail


def test_the_clock_is_not_read_where_the_gate_is_not_reached(node: NodeMaker) -> None:
    finding = check_clock(seen(node(Role.PARTNER, flower_port=free_port())))
    assert (finding.outcome, finding.detail) == (Outcome.SKIPPED, "needs the flower port")


def test_a_health_port_in_use_may_only_mean_that_the_node_is_up(node: NodeMaker) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        finding = check_health_port(seen(node(Role.ITEM, health=taken.getsockname()[1])))
    assert finding.outcome is Outcome.WARNED
    assert "if this node is up" in finding.remedy


def test_a_coordinators_port_in_use_is_named(node: NodeMaker) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        finding = check_listening(seen(node(Role.COORDINATOR, hub_port=port)))
    assert finding.detail == f"127.0.0.1:{port} is in use"


@pytest.mark.parametrize("host", ["192.0.2.1", "nowhere.invalid"])
def test_an_address_of_another_machine_cannot_be_listened_on(node: NodeMaker, host: str) -> None:
    file = node(Role.COORDINATOR)
    file.write_text(file.read_text().replace("127.0.0.1", host))
    finding = check_listening(seen(file))
    assert finding.outcome is Outcome.FAILED
    assert "name an address of this machine" in finding.remedy


def test_who_does_not_listen_has_no_ports_to_check(node: NodeMaker) -> None:
    assert check_listening(seen(node(Role.ITEM))).outcome is Outcome.SKIPPED


def test_a_handshake_that_is_cut_off_is_a_matter_of_tls(node: NodeMaker) -> None:
    with listening(lambda plain: None) as port:
        finding = check_flower_port(seen(node(Role.PARTNER, flower_port=port)))
    assert finding.detail.startswith(f"TLS: 127.0.0.1:{port} ends the handshake: ")
