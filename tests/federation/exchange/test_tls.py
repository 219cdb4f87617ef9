import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from federation.errors import CertificateError, SettingError
from federation.exchange.probe import probe_hub, split_address
from federation.exchange.tls import TlsMaterial, spki_pin
from tests.federation.exchange.certificates import material, signed

TLS = material("item")


def test_a_pin_is_of_the_key_and_not_of_the_certificate() -> None:
    pin = spki_pin(signed("item"))

    assert len(pin) == 32
    assert pin == spki_pin(signed("item"))
    assert pin == spki_pin(signed("video", key="item"))
    assert pin != spki_pin(signed("video"))


@pytest.mark.parametrize("wrong", [b"", b"no certificate", TLS.key])
def test_bytes_that_are_no_certificate_have_no_pin(wrong: bytes) -> None:
    with pytest.raises(CertificateError, match="no PEM certificate"):
        spki_pin(wrong)


def test_printed_material_never_shows_a_key() -> None:
    assert repr(TLS) == "TlsMaterial()"


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        ("10.0.0.1:9093", ("10.0.0.1", 9093)),
        ("hub.example:1", ("hub.example", 1)),
        ("[::1]:9093", ("::1", 9093)),
    ],
)
def test_an_address_is_a_host_and_a_port(address: str, parts: tuple[str, int]) -> None:
    assert split_address(address) == parts


@pytest.mark.parametrize("address", ["", "host", ":9093", "host:", "host:x", "host:65536", "h:-1"])
def test_an_address_without_a_host_or_a_port_is_refused(address: str) -> None:
    with pytest.raises(SettingError, match="is no address of the form host:port"):
        split_address(address)


def probe(tls: TlsMaterial, address: str = "127.0.0.1:1") -> bytes:
    return probe_hub(address, tls, party="item", hub="coordinator", pin=bytes(32))


@pytest.mark.parametrize(
    "tls",
    [
        replace(TLS, certificate=b"no certificate"),
        replace(TLS, authority=b"no certificate"),
        replace(TLS, authority=b"\xff\xfe"),
        replace(TLS, key=b"no key"),
        replace(TLS, key=material("social").key),
    ],
    ids=["certificate", "authority", "no text", "key", "another's key"],
)
def test_own_material_that_cannot_be_used_is_refused(tls: TlsMaterial) -> None:
    with pytest.raises(CertificateError, match="item's own") as refusal:
        probe(tls)
    assert "PRIVATE" not in str(refusal.value)


@contextmanager
def server_that_says(greeting: bytes) -> Iterator[str]:
    """A port that answers with a few bytes and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            line, _ = listener.accept()
            with line:
                line.recv(1 << 16)
                line.sendall(greeting)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        thread.join()


@pytest.mark.parametrize("greeting", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
def test_a_server_without_tls_is_no_hub_but_may_become_one(greeting: bytes) -> None:
    with server_that_says(greeting) as address, pytest.raises((ssl.SSLError, ConnectionError)):
        probe(TLS, address)


def test_a_port_without_a_server_may_get_one() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
    with pytest.raises(ConnectionRefusedError):
        probe(TLS, address)
