"""Whom the hub and a party refuse, and that the others' session goes on."""

import logging
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import grpc
import pytest

from federation.errors import (
    CertificateError,
    FederationError,
    MalformedError,
    PeerLostError,
    SecondProcessError,
    SessionOverError,
    SettingError,
    TooLargeError,
    UnknownPeerError,
    VersionError,
)
from federation.exchange.claims import (
    PARTY_KEY,
    SESSION_KEY,
    VERSION_KEY,
    Claim,
    Metadata,
    decode_refusal,
    is_refusal,
)
from federation.exchange.delivery import ACKNOWLEDGEMENT, MAGIC
from federation.exchange.grpc_hub import HubServer
from federation.exchange.grpc_options import METHOD
from federation.exchange.grpc_transport import DialConfig, GrpcTransport
from federation.exchange.tls import TlsMaterial, spki_pin
from federation.exchange.transport import Transport
from federation.protocol.frames import Frame, FrameKind
from federation.protocol.limits import Limits
from tests.federation.exchange.certificates import authority_of, key_pem, material, signed
from tests.federation.exchange.deployed import Deployed, deployed, pins_of
from tests.federation.exchange.relay import Relay

HOUR = timedelta(hours=1)
LIMITS = Limits(max_frame_bytes=100_000)


def sealed(sender: str, recipient: str, body: bytes = b"") -> bytes:
    return Frame(FrameKind.SEALED, sender, recipient, 0, body).encode()


class Undisturbed(Deployed):
    """A hub where the item party and the coordinator have a session going."""

    def begin(self) -> "Undisturbed":
        self.coordinator: Transport = self.hub.attach("coordinator")
        self.item = self.dial("item")
        return self

    def goes_on(self) -> None:
        self.item.send(sealed("item", "coordinator", b"there"))
        assert self.coordinator.receive(5.0) == sealed("item", "coordinator", b"there")
        self.coordinator.send(sealed("coordinator", "item", b"back"))
        assert self.item.receive(5.0) == sealed("coordinator", "item", b"back")
        assert "item" not in self.hub.absent()


@pytest.fixture
def running() -> Iterator[Undisturbed]:
    running = Undisturbed(limits=LIMITS)
    try:
        yield running.begin()
        running.goes_on()
    finally:
        running.close()


def certified(name: str, *, start: timedelta, end: timedelta, **changes: str) -> TlsMaterial:
    now = datetime.now(UTC)
    certificate = signed(name, start=now + start, end=now + end, **changes)
    return TlsMaterial(
        key=key_pem(changes.get("key", name)),
        certificate=certificate,
        authority=authority_of(),
    )


def raw_call(
    running: Deployed, tls: TlsMaterial | None, pairs: Metadata, *messages: bytes
) -> grpc.Call:
    """A call by a program that is not ours; returns it when it has ended."""
    key, certificate = (tls.key, tls.certificate) if tls else (None, None)
    options = [("grpc.ssl_target_name_override", "coordinator")]
    credentials = grpc.ssl_channel_credentials(authority_of(), key, certificate)
    with grpc.secure_channel(f"127.0.0.1:{running.port}", credentials, options) as channel:
        call = channel.stream_stream(METHOD)(iter(messages), metadata=pairs, timeout=10.0)
        with pytest.raises(grpc.RpcError):
            for _ in call:
                pass
        return call


def refusal(call: grpc.Call) -> FederationError:
    assert is_refusal(call.trailing_metadata())
    return decode_refusal(call.trailing_metadata(), call.details())


def claim(running: Deployed, name: str) -> Claim:
    return Claim(
        party=name,
        session=running.admission.session,
        token=running.admission.tokens[name],
        instance=bytes(16),
        arrived=0,
    )


def test_a_key_that_is_not_on_the_roster_is_refused(
    caplog: pytest.LogCaptureFixture,
) -> None:
    running = Undisturbed(pins=pins_of(["coordinator", "item", "social"])).begin()
    pin = spki_pin(material("video").certificate).hex()
    try:
        with pytest.raises(UnknownPeerError, match=f"key of video, {pin}, is not on the hub's"):
            running.dial("video")
        running.goes_on()
    finally:
        running.close()

    assert f"refused a party: UnknownPeerError: the TLS key of video, {pin}" in caplog.text


def test_a_stranger_cannot_put_a_name_that_is_none_into_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with deployed(pins=pins_of(["coordinator", "item"])) as running:
        call = raw_call(running, material("video"), [(PARTY_KEY, "root: all is well!")])

    assert isinstance(refusal(call), UnknownPeerError)
    assert "all is well" not in caplog.text
    assert "the TLS key of a party" in caplog.text


def test_the_right_key_under_another_name_is_refused(
    running: Undisturbed, caplog: pytest.LogCaptureFixture
) -> None:
    config = running.dial_config("video", tls=material("social"))

    with pytest.raises(
        UnknownPeerError, match=r"key is social's and the party calls itself video: correct"
    ):
        GrpcTransport(config)
    assert "refused social: UnknownPeerError" in caplog.text


def test_a_renewed_certificate_of_the_same_key_is_accepted(running: Undisturbed) -> None:
    renewed = certified("social", start=-HOUR, end=HOUR)
    assert renewed.certificate != material("social").certificate
    social = running.dial("social", tls=renewed)
    social.send(sealed("social", "coordinator"))

    assert running.coordinator.receive(5.0) == sealed("social", "coordinator")


def test_a_certificate_of_another_authority_is_refused(running: Undisturbed) -> None:
    foreign = replace(material("social", authority="elsewhere"), authority=authority_of())

    with pytest.raises(
        CertificateError, match=r"hub at .* hangs up on the certificate of social: .*sign a new"
    ):
        running.dial("social", tls=foreign)


@pytest.mark.parametrize(("start", "end"), [(-2 * HOUR, -HOUR), (HOUR, 2 * HOUR)])
def test_a_certificate_that_is_not_valid_now_is_refused_by_its_owner(
    running: Undisturbed, start: timedelta, end: timedelta
) -> None:
    with pytest.raises(
        CertificateError, match=r"social's own certificate is valid from .* correct the clock"
    ):
        running.dial("social", tls=certified("social", start=start, end=end))


@pytest.mark.parametrize(("start", "end"), [(-2 * HOUR, -HOUR), (HOUR, 2 * HOUR)])
def test_a_certificate_that_is_not_valid_now_is_refused_by_the_hub(
    running: Undisturbed, start: timedelta, end: timedelta
) -> None:
    wrong = certified("social", start=start, end=end)
    call = raw_call(running, wrong, claim(running, "social").to_metadata())

    assert call.code() is grpc.StatusCode.UNAVAILABLE
    assert "social" in running.hub.absent()


def test_a_party_without_a_certificate_is_refused(running: Undisturbed) -> None:
    call = raw_call(running, None, claim(running, "social").to_metadata())

    assert call.code() is grpc.StatusCode.UNAVAILABLE


def test_another_version_is_refused(
    running: Undisturbed, caplog: pytest.LogCaptureFixture
) -> None:
    pairs = dict(claim(running, "social").to_metadata()) | {VERSION_KEY: "2"}
    error = refusal(raw_call(running, material("social"), [*pairs.items()]))

    assert isinstance(error, VersionError)
    assert str(error).startswith("social speaks version 2 of the hub's protocol and the hub 1")
    assert "refused social: VersionError: social speaks version 2" in caplog.text


def test_a_call_without_a_claim_is_refused(running: Undisturbed) -> None:
    assert isinstance(refusal(raw_call(running, material("social"), [])), VersionError)
    pairs = dict(claim(running, "social").to_metadata()) | {SESSION_KEY: b"short"}
    error = refusal(raw_call(running, material("social"), [*pairs.items()]))
    assert isinstance(error, MalformedError)


def test_an_earlier_session_cannot_be_replayed(
    running: Undisturbed, caplog: pytest.LogCaptureFixture
) -> None:
    earlier = running.dial_config("social")
    running.item.close()
    running.admit()
    running.begin()

    with pytest.raises(SessionOverError, match="social's session is over, a new order will come"):
        GrpcTransport(earlier)
    assert "refused social: SessionOverError" in caplog.text
    assert earlier.token.hex() not in caplog.text


def test_a_token_of_an_earlier_session_is_refused(running: Undisturbed) -> None:
    earlier = running.admission
    running.item.close()
    running.admit()
    running.begin()

    with pytest.raises(SessionOverError, match="social has a token of another session"):
        running.dial("social", token=earlier.tokens["social"])


def test_a_token_of_another_party_is_refused(running: Undisturbed) -> None:
    with pytest.raises(SessionOverError, match="social has a token of another session"):
        running.dial("social", token=running.admission.tokens["video"])


def test_a_second_process_with_the_same_identity_is_refused(
    running: Undisturbed, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(SecondProcessError, match="another process is in this session as item"):
        running.dial("item")

    assert "refused item: SecondProcessError" in caplog.text


@pytest.mark.parametrize(
    ("message", "error"),
    [
        (sealed("item", "coordinator"), UnknownPeerError),
        (sealed("social", "mallory"), UnknownPeerError),
        (b"no frame at all", MalformedError),
        (ACKNOWLEDGEMENT.pack(MAGIC, 5), MalformedError),
        (sealed("social", "coordinator", bytes(100_000)), TooLargeError),
    ],
    ids=["another's name", "to a stranger", "no frame", "acknowledged", "a bit too large"],
)
def test_a_party_that_sends_what_it_may_not_is_refused(
    running: Undisturbed,
    caplog: pytest.LogCaptureFixture,
    message: bytes,
    error: type[FederationError],
) -> None:
    pairs = claim(running, "social").to_metadata()
    refused = refusal(raw_call(running, material("social"), pairs, message))

    assert type(refused) is error
    assert f"refused social: {error.__name__}" in caplog.text


def test_a_frame_far_over_the_limit_is_refused_before_it_is_read(running: Undisturbed) -> None:
    pairs = claim(running, "social").to_metadata()
    call = raw_call(running, material("social"), pairs, bytes(10_000_000))

    assert call.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "larger than max" in call.details()


def test_a_party_with_a_higher_limit_than_the_hubs_is_told_so(running: Undisturbed) -> None:
    social = running.dial("social", limits=Limits(max_frame_bytes=1_000_000))

    with pytest.raises(TooLargeError, match="over the limit of 100000"):
        social.send(sealed("social", "coordinator", bytes(200_000)))


def test_connections_that_say_nothing_hold_up_nobody(running: Undisturbed) -> None:
    address = ("127.0.0.1", running.port)
    silent = [socket.create_connection(address) for _ in range(50)]
    for half in silent[:25]:
        half.sendall(b"\x16\x03\x01\x02\x00")  # the first bytes of a handshake
    running.goes_on()
    social = running.dial("social")
    social.send(sealed("social", "coordinator"))

    assert running.coordinator.receive(5.0) == sealed("social", "coordinator")
    for each in silent:
        each.close()


def test_a_party_that_calls_again_and_again_holds_up_nobody(
    running: Undisturbed, caplog: pytest.LogCaptureFixture
) -> None:
    pairs = replace(claim(running, "social"), token=bytes(32)).to_metadata()
    with ThreadPoolExecutor(20) as pool:
        calls = [pool.submit(raw_call, running, material("social"), pairs) for _ in range(60)]
        running.goes_on()
        codes = {call.result().code() for call in calls}

    # Refused, or not even heard while as many calls as there may be were being refused.
    assert codes <= {grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.RESOURCE_EXHAUSTED}
    assert caplog.text.count("refused social") == 1


def test_an_expired_certificate_of_the_hub_is_refused() -> None:
    with (
        deployed(tls=certified("coordinator", start=-2 * HOUR, end=-HOUR)) as running,
        pytest.raises(
            CertificateError,
            match=r"item does not accept the certificate of the hub at .*expired; compare auth",
        ),
    ):
        running.dial("item")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (lambda _: {"hub_name": "elsewhere"}, "Hostname mismatch.*elsewhere"),
        (lambda _: {"hub_pin": bytes(32)}, "not the one that the roster of item has for coord"),
        (
            lambda tls: {"tls": replace(tls, authority=authority_of("elsewhere"))},
            "item does not accept the certificate of the hub",
        ),
    ],
    ids=["another name", "another key", "another authority"],
)
def test_a_hub_that_is_not_the_federations_is_refused(
    changes: Callable[[TlsMaterial], dict[str, object]], sentence: str
) -> None:
    with deployed() as running:
        with pytest.raises(CertificateError, match=sentence):
            running.dial("item", **changes(material("item")))
        assert "item" in running.hub.absent()


def test_a_hub_that_is_another_one_after_the_first_look_is_refused() -> None:
    # The impostor has a certificate of the authority under the hub's name, and another key.
    other = certified("coordinator", start=-HOUR, end=HOUR, key="impostor")
    with deployed() as running, deployed(tls=other) as impostor:
        impostor.admission = running.admission
        impostor.hub.admit(running.admission)
        relay = Relay(lambda number: impostor.port if number % 2 else running.port)
        with pytest.raises(PeerLostError, match=r"item has not reached the hub"):
            running.dial("item", address=relay.address, reconnect_s=0.5)
        relay.close()
        assert "item" in impostor.hub.absent()


def test_a_hub_that_is_not_there_is_given_up(running: Undisturbed) -> None:
    relay = Relay(lambda _: running.port)
    relay.close()

    with pytest.raises(PeerLostError, match=r"item has not reached the hub at .* for \d+ s: "):
        running.dial("item", address=relay.address, reconnect_s=0.3)


def test_two_hubs_cannot_have_one_port(running: Undisturbed) -> None:
    second = HubServer(
        running.hub, f"127.0.0.1:{running.port}", tls=material("coordinator"), pins={}
    )

    with pytest.raises(SettingError, match=r"cannot listen on .* another program"):
        second.start()


def test_printed_settings_never_show_a_secret(running: Undisturbed) -> None:
    config: DialConfig = running.dial_config("item")

    assert "PRIVATE KEY" not in repr(config)
    assert repr(config.token) not in repr(config)


def test_nothing_secret_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with deployed() as running:
        item, coordinator = running.dial("item"), running.hub.attach("coordinator")
        item.send(sealed("item", "coordinator", b"payload!"))
        coordinator.receive(5.0)
        tokens = [*running.admission.tokens.values()]

    assert "item is connected" in caplog.text
    assert "payload!" not in caplog.text
    assert not any(token.hex() in caplog.text or repr(token) in caplog.text for token in tokens)
