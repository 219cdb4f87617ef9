"""A partner on the roster, with its own good key, that means harm to the hub and the others."""

import json
import logging
from collections.abc import Iterator

import grpc
import pytest

from federation.errors import CertificateError
from federation.exchange.claims import PARTY_KEY, SESSION_KEY, Claim, Metadata
from federation.exchange.grpc_options import METADATA_BYTES, METHOD
from federation.exchange.log_lines import JsonLines
from tests.federation.exchange.certificates import authority_of, material
from tests.federation.exchange.deployed import Deployed

EVIL = "x\x1b[2J\n" + json.dumps({"event": "app_refused"})


@pytest.fixture
def running() -> Iterator[Deployed]:
    running = Deployed()
    try:
        yield running
    finally:
        running.close()


def claimed(running: Deployed, **changes: str) -> Metadata:
    claim = Claim(
        party="social",
        session=running.admission.session,
        token=running.admission.tokens["social"],
        instance=bytes(16),
        arrived=0,
    )
    return [*{**dict(claim.to_metadata()), **changes}.items()]


def refused(running: Deployed, pairs: Metadata) -> grpc.StatusCode:
    """How a call by a program that is not ours ends."""
    tls = material("social")
    options = [("grpc.ssl_target_name_override", "coordinator")]
    credentials = grpc.ssl_channel_credentials(authority_of(), tls.key, tls.certificate)
    with grpc.secure_channel(f"127.0.0.1:{running.port}", credentials, options) as channel:
        call = channel.stream_stream(METHOD)(iter(()), metadata=pairs, timeout=5.0)
        with pytest.raises(grpc.RpcError):
            for _ in call:
                pass
        code: grpc.StatusCode = call.code()
        return code


@pytest.mark.parametrize(
    "more",
    [
        [("fedrecall-note", "x" * METADATA_BYTES)],
        [("fedrecall-note", "x" * 100 * METADATA_BYTES)],
        [(f"x-{number}", "y") for number in range(2000)],
    ],
    ids=["long", "far too long", "many"],
)
def test_huge_metadata_end_the_call_and_hold_up_nobody(running: Deployed, more: Metadata) -> None:
    assert refused(running, [*claimed(running), *more]) is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "social" in running.hub.absent()
    running.dial("item")
    assert "item" not in running.hub.absent()


@pytest.mark.parametrize("key", ["fedrecall-version", PARTY_KEY, "fedrecall-arrived"])
@pytest.mark.parametrize("value", ["", "9" * 400, "-1", "1e9", "item", "*", "%0a%1b[2J"])
def test_claims_that_cannot_be_are_refused_in_words_that_move_no_terminal(
    running: Deployed, caplog: pytest.LogCaptureFixture, key: str, value: str
) -> None:
    assert refused(running, claimed(running, **{key: value})) is grpc.StatusCode.PERMISSION_DENIED
    assert all(message.isprintable() and len(message) < 700 for message in caplog.messages)
    assert "social" in running.hub.absent()


def test_a_session_name_that_is_guessed_opens_nothing(running: Deployed) -> None:
    pairs = dict(claimed(running))
    for guess in (bytes(16), bytes(15), running.admission.session[::-1]):
        code = refused(running, [*{**pairs, SESSION_KEY: guess}.items()])
        assert code is grpc.StatusCode.PERMISSION_DENIED
    assert "social" in running.hub.absent()


def test_a_partner_that_waits_with_its_own_hub_is_not_taken_for_the_coordinators() -> None:
    """It has a good certificate of the authority, for its own name."""
    trap = Deployed(tls=material("social"))
    try:
        with pytest.raises(CertificateError, match="Hostname mismatch"):
            trap.dial("item")
        with pytest.raises(CertificateError, match="not the one that the roster of item has"):
            trap.dial("item", hub_name="social")
    finally:
        trap.close()


def test_a_peers_words_stay_on_one_line_of_a_process_log() -> None:
    record = logging.LogRecord("fedrecall", logging.WARNING, "x", 1, "%s", (EVIL,), None)
    (line,) = JsonLines().format(record).splitlines()
    assert line.isascii()
    assert "\x1b" not in line
    assert json.loads(line)["event"] == "message"
