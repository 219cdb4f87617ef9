import re
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from federation.exchange.tls import spki_pin
from parties.errors import KeyFormatError, KeysMissingError, SigningRefusedError
from parties.keys import fingerprint, grouped, read_roster
from parties.keys.folder import read_tls_key
from tests.parties.keys.test_roster import openssh


@pytest.mark.parametrize("party", ["coordinator", "item", "social"])
def test_all_that_is_one_partys_has_one_fingerprint(keys: Path, party: str) -> None:
    folder = keys / party
    key = read_tls_key(folder / "tls.key").public_key()
    public = folder / "tls.pub"
    public.write_bytes(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    expected = read_roster(keys / "roster.toml").pins()[party]
    for path in (folder, *(folder / name for name in ("tls.csr", "tls.crt", "card.toml")), public):
        assert fingerprint(path).value == expected, path
    assert spki_pin((folder / "tls.crt").read_bytes()) == expected


def test_an_authority_has_one_too(keys: Path) -> None:
    found = fingerprint(keys / "authority")
    assert found.kind == "certificate"
    assert found == fingerprint(keys / "social" / "authority.crt")


def test_every_key_of_every_party_counts_in_a_rosters(keys: Path) -> None:
    path = keys / "roster.toml"
    text = path.read_text()
    seen = {fingerprint(path).value}
    other = (keys / "social" / "card.toml").read_text()
    for line in other.splitlines()[3:]:
        key = line.split(" = ")[0]
        item = next(one for one in text.split("\n\n")[1].splitlines() if one.startswith(key))
        swapped = text.replace(item, "#").replace(line, item).replace("#", line)
        assert swapped != text
        path.write_text(swapped)
        seen.add(fingerprint(path).value)
    assert len(seen) == 4
    assert fingerprint(path).kind == "roster"


def test_a_nodes_key_has_its_own(keys: Path) -> None:
    found = fingerprint(keys / "social" / "node.pub")
    assert found.kind == "public key"
    assert found.value != fingerprint(keys / "social").value


@pytest.mark.parametrize("name", ["exchange.key", "tls.key", "node.key"])
def test_a_secret_is_never_taken_for_something_to_read_out(keys: Path, name: str) -> None:
    with pytest.raises(KeyFormatError, match=f"{name} is a secret key"):
        fingerprint(keys / "social" / name)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello",
        b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
        b"ecdsa-sha2-nistp384 AAAA",
        openssh(ed25519.Ed25519PrivateKey.generate()).encode(),
        rsa.generate_private_key(65537, 2048)
        .public_key()
        .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        b"-----BEGIN CERTIFICATE-----\n",
    ],
    ids=["empty", "text", "damaged-pem", "damaged-ssh", "ed25519", "rsa", "cut-certificate"],
)
def test_what_has_no_fingerprint_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(KeyFormatError, match=r"file is no|only elliptic-curve keys"):
        fingerprint(path)


def test_a_request_with_a_false_signature_has_no_fingerprint(tmp_path: Path) -> None:
    path = tmp_path / "tls.csr"
    path.write_text("-----BEGIN CERTIFICATE REQUEST-----\n")
    with pytest.raises(SigningRefusedError):
        fingerprint(path)


def test_a_folder_without_keys_has_none(tmp_path: Path) -> None:
    with pytest.raises(KeysMissingError, match="neither a party's keys nor an authority's"):
        fingerprint(tmp_path)
    with pytest.raises(KeysMissingError, match="is not there"):
        fingerprint(tmp_path / "nothing")


def test_people_read_four_digits_at_a_time() -> None:
    text = grouped(bytes(range(32)))
    assert re.fullmatch(r"([0-9a-f]{4} ){15}[0-9a-f]{4}", text)
    assert text.startswith("0001 0203 ")
