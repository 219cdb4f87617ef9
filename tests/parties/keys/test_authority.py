import datetime as dt
import errno
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509

from parties.errors import (
    CertificateExpiredError,
    CertificateNotYetValidError,
    ExposedKeyError,
    KeyFormatError,
    KeyMismatchError,
    KeysError,
    KeysExistError,
    KeysMissingError,
    OwnCertificateError,
    SigningRefusedError,
)
from parties.keys import (
    NewParty,
    Terms,
    grouped,
    make_authority,
    make_keys,
    open_authority,
    request_of,
    rotate_keys,
    sign_request,
)
from parties.role import Role

NOW = dt.datetime.now(dt.UTC)
DAY = dt.timedelta(days=1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_authority(tmp_path / "authority", "our run")
    return tmp_path / "authority"


@pytest.fixture
def csr(tmp_path: Path) -> Path:
    make_keys(tmp_path / "social", NewParty(name="social", role=Role.PARTNER))
    return tmp_path / "social" / "tls.csr"


def test_an_authority_keeps_its_key_to_itself(folder: Path) -> None:
    assert {path.name for path in folder.iterdir()} == {
        "authority.key",
        "authority.crt",
        "signed.json",
    }
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "authority.key").stat().st_mode & 0o777 == 0o600
    opened = open_authority(folder)
    assert opened.name == "our run"
    assert opened.signed() == ()
    assert 1824 * DAY < opened.expires - NOW < 1826 * DAY
    assert "PRIVATE" not in repr(opened)


def test_an_authority_is_never_overwritten(folder: Path) -> None:
    kept = (folder / "authority.key").read_bytes()
    with pytest.raises(KeysExistError):
        make_authority(folder, "another")
    assert (folder / "authority.key").read_bytes() == kept


@pytest.mark.parametrize("name", ["", "x" * 65, "a\nb", "\x1b[31mred"])
def test_a_name_that_no_certificate_can_carry_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(KeysError, match="1 to 64 printable characters"):
        make_authority(tmp_path / "authority", name)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("days", [-1, 0, 7301])
def test_days_out_of_range_are_refused(tmp_path: Path, folder: Path, csr: Path, days: int) -> None:
    with pytest.raises(KeysError, match=f"--days {days} is out of range"):
        make_authority(tmp_path / "other", "other", days=days)
    with pytest.raises(KeysError, match=f"--days {days} is out of range"):
        sign_request(folder, csr, Terms(days=days))
    assert open_authority(folder).signed() == ()


def test_what_was_signed_is_written_down(folder: Path, csr: Path) -> None:
    asked, data = sign_request(folder, csr, Terms(days=30))
    made = x509.load_pem_x509_certificate(data)
    (entry,) = open_authority(folder).signed()
    assert (entry.name, entry.hosts, entry.tls) == ("social", (), asked.pin.hex())
    assert int(entry.serial, 16) == made.serial_number
    assert dt.datetime.fromisoformat(entry.expires) == made.not_valid_after_utc
    assert 29 * DAY < made.not_valid_after_utc - NOW < 31 * DAY


def test_a_fingerprint_that_was_read_out_may_have_blanks_colons_and_capitals(
    folder: Path, csr: Path
) -> None:
    pin = request_of(csr.parent).pin
    for said in (pin.hex(), grouped(pin), pin.hex(":").upper(), f"  {grouped(pin)}\n"):
        sign_request(folder, csr, Terms(fingerprint=said))


@pytest.mark.parametrize(
    "spoil", [lambda pin: "", lambda pin: pin[:-1], lambda pin: pin[1:] + "0"]
)
def test_a_request_with_another_fingerprint_is_not_signed(
    folder: Path, csr: Path, spoil: Callable[[str], str]
) -> None:
    pin = request_of(csr.parent).pin
    with pytest.raises(SigningRefusedError, match=f"{grouped(pin)}, which is not.*call the party"):
        sign_request(folder, csr, Terms(fingerprint=spoil(pin.hex())))
    assert open_authority(folder).signed() == ()


def test_a_second_key_under_a_known_name_is_refused_until_somebody_says_so(
    folder: Path, csr: Path
) -> None:
    sign_request(folder, csr, Terms())
    sign_request(folder, csr, Terms())  # a renewal
    rotate_keys(csr.parent)
    with pytest.raises(SigningRefusedError, match=r"'social' has a certificate for.*--replace"):
        sign_request(folder, csr, Terms())
    assert len(open_authority(folder).signed()) == 2
    sign_request(folder, csr, Terms(replace=True))
    sign_request(folder, csr, Terms())
    assert len(open_authority(folder).signed()) == 4


def test_the_key_that_was_replaced_is_as_foreign_as_any_other(folder: Path, csr: Path) -> None:
    sign_request(folder, csr, Terms())
    _, old = rotate_keys(csr.parent)
    sign_request(folder, csr, Terms(replace=True))
    with pytest.raises(SigningRefusedError, match="--replace"):
        sign_request(folder, old / "tls.csr", Terms())


def test_a_host_that_is_called_like_a_party_is_refused_in_either_order(
    tmp_path: Path, csr: Path
) -> None:
    clash = NewParty(name="coordinator", role=Role.COORDINATOR, hosts=["a.org", "social"])
    make_keys(tmp_path / "coordinator", clash)
    requests = [csr, tmp_path / "coordinator" / "tls.csr"]
    for number, (first, second) in enumerate([requests, requests[::-1]]):
        folder = tmp_path / f"authority{number}"
        make_authority(folder, "our run")
        sign_request(folder, first, Terms())
        with pytest.raises(SigningRefusedError, match="names 'social', which stands in"):
            sign_request(folder, second, Terms(replace=True))


def test_no_certificate_outlives_its_authority(tmp_path: Path, csr: Path) -> None:
    make_authority(tmp_path / "brief", "brief", days=100)
    with pytest.raises(KeysError, match=r"the authority itself ends on .*; --days 99 is the most"):
        sign_request(tmp_path / "brief", csr, Terms(days=101))
    sign_request(tmp_path / "brief", csr, Terms(days=99))


def test_no_certificate_begins_before_its_authority(folder: Path, csr: Path) -> None:
    authority = open_authority(folder).signer.certificate
    soon = authority.not_valid_before_utc + dt.timedelta(minutes=1)
    _, data = sign_request(folder, csr, Terms(now=soon))
    made = x509.load_pem_x509_certificate(data)
    assert made.not_valid_before_utc == authority.not_valid_before_utc


def test_an_authority_out_of_its_time_signs_nothing(folder: Path, csr: Path) -> None:
    with pytest.raises(CertificateExpiredError, match="make a new one"):
        sign_request(folder, csr, Terms(now=NOW + 1826 * DAY))
    with pytest.raises(CertificateNotYetValidError, match="set the clock"):
        sign_request(folder, csr, Terms(now=NOW - DAY))


def test_an_authority_whose_key_others_may_read_signs_nothing(folder: Path, csr: Path) -> None:
    (folder / "authority.key").chmod(0o644)
    with pytest.raises(ExposedKeyError, match="chmod 600"):
        sign_request(folder, csr, Terms())


def test_files_of_two_authorities_are_not_mixed(tmp_path: Path, folder: Path) -> None:
    make_authority(tmp_path / "other", "our run")
    (folder / "authority.key").write_bytes((tmp_path / "other" / "authority.key").read_bytes())
    with pytest.raises(KeyMismatchError, match=r"another key than authority\.key"):
        open_authority(folder)


def test_a_partys_folder_is_no_authority(folder: Path, csr: Path) -> None:
    with pytest.raises(KeysMissingError, match=r"authority\.key is not there"):
        open_authority(csr.parent)
    _, data = sign_request(folder, csr, Terms())
    (folder / "authority.crt").write_bytes(data)
    with pytest.raises(OwnCertificateError, match="no authority's certificate"):
        open_authority(folder)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff",
        b"3",
        b"[3]",
        b"[{}]",
        b'[{"name": 1, "tls": "", "serial": "", "expires": "", "hosts": []}]',
        b'[{"name": "a", "tls": "xx", "serial": "", "expires": "", "hosts": []}]',
        b'[{"name": "a", "tls": "", "serial": "", "expires": "", "hosts": [1]}]',
    ],
)
def test_nothing_is_signed_past_a_damaged_list(folder: Path, csr: Path, content: bytes) -> None:
    (folder / "signed.json").write_bytes(content)
    with pytest.raises(KeyFormatError, match=r"signed\.json is damaged; restore it"):
        sign_request(folder, csr, Terms())
    assert (folder / "signed.json").read_bytes() == content


def test_nothing_is_signed_past_a_missing_list(folder: Path, csr: Path) -> None:
    (folder / "signed.json").unlink()
    with pytest.raises(KeysMissingError, match=r"signed\.json"):
        sign_request(folder, csr, Terms())


def test_no_certificate_leaves_that_could_not_be_written_down(
    folder: Path, csr: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(KeysError, match="No space left"):
        sign_request(folder, csr, Terms())
    assert json.loads((folder / "signed.json").read_text()) == []


def test_a_request_that_is_none_is_refused(folder: Path, csr: Path) -> None:
    with pytest.raises(SigningRefusedError, match=r"card\.toml is no certificate request"):
        sign_request(folder, csr.parent / "card.toml", Terms())
    with pytest.raises(KeysMissingError):
        sign_request(folder, csr.parent / "other.csr", Terms())
