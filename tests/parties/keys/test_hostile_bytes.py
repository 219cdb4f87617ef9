"""Files that come from outside, changed at random: they are taken, or refused by one error."""

import base64
import ssl
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.utils import CryptographyDeprecationWarning
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from parties.errors import KeyFormatError, OwnCertificateError, RosterError, SigningRefusedError
from parties.keys.certificates import certified_names, key_pin, read_certificate, read_request
from parties.keys.roster import read_entries
from parties.keys.trust import check_authority, check_issued

Edits = list[tuple[int, int, bool]]
EDITS = st.lists(
    st.tuples(st.integers(0, 1 << 16), st.integers(0, 255), st.booleans()), min_size=1, max_size=4
)
FUZZ = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


@pytest.fixture(autouse=True)
def _lenient_parser() -> None:
    # Parsers warn of odd serial numbers that later versions will refuse.
    warnings.simplefilter("ignore", CryptographyDeprecationWarning)


def edited(data: bytes, edits: Edits) -> bytes:
    """Replace or remove bytes."""
    changed = bytearray(data)
    for place, value, replaced in edits:
        at = place % len(changed)
        changed[at : at + 1] = bytes([value]) if replaced else b""
    return bytes(changed)


def refusal(call: Callable[[], object], expected: type[Exception]) -> str:
    """What a refusal says; nothing if there was none."""
    try:
        call()
    except expected as error:
        return str(error)
    return ""


def armoured(der: bytes, kind: str) -> bytes:
    return ssl.DER_cert_to_PEM_cert(der).replace("CERTIFICATE", kind).encode()


def bare(path: Path) -> bytes:
    lines = path.read_text().splitlines()
    return base64.b64decode("".join(line for line in lines if "-----" not in line))


@FUZZ
@given(edits=EDITS)
def test_a_request_is_read_or_refused(made: Path, edits: Edits) -> None:
    data = armoured(edited(bare(made / "coordinator" / "tls.csr"), edits), "CERTIFICATE REQUEST")
    said = refusal(lambda: read_request(data, place="tls.csr"), SigningRefusedError)
    assert said.startswith("tls.csr") or not said


@FUZZ
@given(edits=EDITS)
def test_a_certificate_is_read_or_refused(made: Path, edits: Edits) -> None:
    original = bare(made / "coordinator" / "tls.crt")
    authority = read_certificate(
        (made / "authority" / "authority.crt").read_bytes(), place="authority.crt"
    )
    changed = edited(original, edits)
    try:
        found = read_certificate(armoured(changed, "CERTIFICATE"), place="tls.crt")
        key_pin(found.public_key())
        certified_names(found, place="tls.crt")
        check_issued(found, authority, "coordinator", place="tls.crt")
    except (KeyFormatError, OwnCertificateError):
        return
    assert changed == original  # whatever else was changed, the signature is not good


@FUZZ
@given(edits=EDITS)
def test_an_authoritys_certificate_is_read_or_refused(made: Path, edits: Edits) -> None:
    original = bare(made / "authority" / "authority.crt")
    changed = edited(original, edits)
    try:
        found = read_certificate(armoured(changed, "CERTIFICATE"), place="authority.crt")
        check_authority(found, place="authority.crt")
    except (KeyFormatError, OwnCertificateError):
        return
    assert changed == original


@FUZZ
@given(edits=EDITS)
def test_a_card_is_read_or_refused(made: Path, tmp_path: Path, edits: Edits) -> None:
    path = tmp_path / "card.toml"
    path.write_bytes(edited((made / "social" / "card.toml").read_bytes(), edits))
    said = refusal(lambda: read_entries(path), RosterError)
    assert said.startswith(str(path)) or not said


@FUZZ
@given(edits=EDITS)
def test_a_nodes_key_is_read_or_refused(made: Path, tmp_path: Path, edits: Edits) -> None:
    text = (made / "social" / "card.toml").read_text()
    key = text.split("nistp384 ")[1].split('"')[0]
    spoilt = base64.b64encode(edited(base64.b64decode(key), edits)).decode()
    path = tmp_path / "card.toml"
    path.write_text(text.replace(key, spoilt))
    said = refusal(lambda: read_entries(path), RosterError)
    assert "'node'" in said or read_entries(path)[0].node.endswith(spoilt)
