import datetime as dt
import shutil
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from federation.errors import UnknownPeerError
from federation.exchange.link import Link, LinkConfig
from federation.exchange.memory import MemoryHub
from federation.exchange.tls import spki_pin
from federation.protocol.limits import Limits
from parties.errors import (
    CertificateExpiredError,
    CertificateNotYetValidError,
    ExposedKeyError,
    KeyFormatError,
    KeyMismatchError,
    KeysError,
    KeysMissingError,
    OwnCertificateError,
    RosterError,
)
from parties.keys import (
    Terms,
    check_on_roster,
    key_state,
    load_keys,
    make_authority,
    make_federation_keys,
    make_roster,
    open_authority,
    read_card,
    read_roster,
    request_of,
    rotate_keys,
    sign_request,
)
from parties.keys.certificates import Validity, issue
from parties.keys.folder import read_tls_key
from tests.parties.keys.pem import certificate, p256, pem, pkcs8

NOW = dt.datetime.now(dt.UTC)
DAY = dt.timedelta(days=1)
Change = Callable[[Path], None]


def write(name: str, data: bytes) -> Change:
    def change(folder: Path) -> None:
        (folder / name).write_bytes(data)

    return change


def take(name: str, source: str, other: str | None = None) -> Change:
    """Put another party's file in the place of the own one."""

    def change(folder: Path) -> None:
        shutil.copyfile(folder.parent / source / (other or name), folder / name)

    return change


def test_what_was_made_can_be_used(keys: Path) -> None:
    roster = read_roster(keys / "roster.toml")
    for name in roster.names:
        loaded = load_keys(keys / name)
        check_on_roster(loaded, roster)
        assert (loaded.name, loaded.role) == (name, roster.entry(name).role)
        assert loaded.identity.public == roster.identities()[name]
        assert spki_pin(loaded.tls.certificate) == roster.pins()[name]
        assert (loaded.node_key is None) == (name == "coordinator")
        assert loaded.warnings == ()
        assert 364 * DAY < loaded.expires - NOW < 366 * DAY


def test_a_relative_folder_gives_an_absolute_path_for_flower(
    keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(keys)
    assert load_keys(Path("social")).node_key == (keys / "social" / "node.key").resolve()


def test_printed_keys_never_show_a_secret(keys: Path) -> None:
    loaded = load_keys(keys / "social")
    assert "PRIVATE" not in repr(loaded)
    assert "BEGIN" not in repr(loaded)
    assert "BEGIN" not in repr(key_state(keys / "social"))


@pytest.mark.parametrize("name", ["exchange.key", "tls.key", "node.key"])
@pytest.mark.parametrize("shared", [0o640, 0o604, 0o644])
def test_a_secret_that_others_may_read_is_refused(keys: Path, name: str, shared: int) -> None:
    (keys / "social" / name).chmod(shared)
    with pytest.raises(ExposedKeyError, match=rf"{name} has mode {shared:o}; run: chmod 600 "):
        load_keys(keys / "social")


@pytest.mark.parametrize("name", ["card.toml", "tls.crt", "authority.crt"])
def test_what_others_may_change_is_not_trusted(keys: Path, name: str) -> None:
    (keys / "social" / name).chmod(0o666)
    with pytest.raises(ExposedKeyError, match=rf"{name} has mode 666; run: chmod 644 "):
        load_keys(keys / "social")


def test_a_folder_others_may_write_into_is_not_trusted(keys: Path) -> None:
    (keys / "social").chmod(0o777)
    with pytest.raises(ExposedKeyError, match="run: chmod 700"):
        load_keys(keys / "social")


@pytest.mark.parametrize(
    "name", ["exchange.key", "tls.key", "node.key", "card.toml", "tls.crt", "authority.crt"]
)
def test_a_file_that_is_missing_is_named(keys: Path, name: str) -> None:
    (keys / "social" / name).unlink()
    with pytest.raises(KeysMissingError, match=f"social/{name} is not there"):
        load_keys(keys / "social")


def test_a_certificate_that_never_came_is_asked_for(keys: Path) -> None:
    (keys / "social" / "tls.crt").unlink()
    with pytest.raises(KeysMissingError, match=r"send .*/social/tls\.csr to the run's authority"):
        load_keys(keys / "social")


@pytest.mark.parametrize("name", ["exchange.key", "tls.key", "node.key"])
def test_a_key_that_is_not_on_the_card_is_refused(keys: Path, name: str) -> None:
    take(name, "forum")(keys / "social")
    with pytest.raises(KeyMismatchError, match=rf"{name} is not the key that card\.toml"):
        load_keys(keys / "social")


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        (take("tls.crt", "forum"), KeyMismatchError, r"tls\.crt is for another key than tls\.key"),
        (take("tls.crt", "social", "tls.csr"), KeyFormatError, "is no certificate"),
        (take("authority.crt", "social", "tls.crt"), OwnCertificateError, "no authority's"),
        (take("exchange.key", "social", "tls.key"), KeyFormatError, "must be an X25519 key"),
        (take("tls.key", "social", "exchange.key"), KeyFormatError, "must be a P-256 key"),
        (take("node.key", "social", "tls.key"), KeyFormatError, "OpenSSH's form"),
        (
            write("tls.key", pkcs8(ec.generate_private_key(ec.SECP384R1()))),
            KeyFormatError,
            "P-256",
        ),
        (write("tls.key", pkcs8(rsa.generate_private_key(65537, 2048))), KeyFormatError, "P-256"),
        (
            write(
                "node.key",
                p256().private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()),
            ),
            KeyFormatError,
            "must be a P-384 key",
        ),
    ],
)
def test_files_of_another_kind_or_party_are_refused(
    keys: Path, change: Change, error: type[KeysError], says: str
) -> None:
    change(keys / "social")
    with pytest.raises(error, match=says):
        load_keys(keys / "social")


def test_two_certificates_in_the_authoritys_file_are_not_both_trusted(keys: Path) -> None:
    path = keys / "social" / "authority.crt"
    foreign = make_authority(keys / "foreign", "foreign")
    path.write_bytes(path.read_bytes() + pem(foreign.signer.certificate))
    with pytest.raises(KeyFormatError, match="holds 2 certificates"):
        load_keys(keys / "social")


def test_a_certificate_of_another_authority_is_refused(keys: Path) -> None:
    make_authority(keys / "foreign", "fedrecall rehearsal")  # of the same name, too
    _, signed = sign_request(keys / "foreign", keys / "social" / "tls.csr", Terms())
    (keys / "social" / "tls.crt").write_bytes(signed)
    with pytest.raises(OwnCertificateError, match=r"authority of authority\.crt"):
        load_keys(keys / "social")


def test_a_certificate_under_another_name_is_refused(keys: Path) -> None:
    signer = open_authority(keys / "authority").signer
    made = certificate(
        read_tls_key(keys / "social" / "tls.key"),
        signer.key,
        subject="forum",
        issuer="fedrecall rehearsal",
        extensions=[x509.SubjectAlternativeName([x509.DNSName("forum")])],
    )
    (keys / "social" / "tls.crt").write_bytes(pem(made))
    with pytest.raises(OwnCertificateError, match="is for 'forum', and these keys are 'social'"):
        load_keys(keys / "social")


def test_an_expired_certificate_is_refused_and_says_how_to_renew_it(keys: Path) -> None:
    with pytest.raises(
        CertificateExpiredError, match=r"tls\.crt expired on .*; let .*tls\.csr be signed again"
    ):
        load_keys(keys / "social", now=NOW + 366 * DAY)


def test_an_expired_authority_is_refused(keys: Path) -> None:
    folder = keys / "social"
    signer = make_authority(keys / "brief", "brief", days=10).signer
    made = issue(signer, request_of(folder), Validity.from_now(NOW, 90))
    (folder / "tls.crt").write_bytes(pem(made))
    (folder / "authority.crt").write_bytes(pem(signer.certificate))
    assert load_keys(folder).expires < NOW + 11 * DAY
    with pytest.raises(CertificateExpiredError, match=r"authority\.crt expired.*new authority"):
        load_keys(folder, now=NOW + 20 * DAY)


def test_a_clock_an_hour_behind_is_named_as_the_cause(keys: Path) -> None:
    with pytest.raises(CertificateNotYetValidError, match=r"this machine's clock says .*set the"):
        load_keys(keys / "social", now=NOW - dt.timedelta(hours=1))


def test_the_last_thirty_days_bring_warnings_and_still_work(keys: Path) -> None:
    loaded = load_keys(keys / "social", now=NOW + 340 * DAY)
    (warning,) = loaded.warnings
    assert "tls.crt expires on" in warning
    assert "be signed again" in warning


def test_an_authority_that_ends_soon_brings_a_warning_too(keys: Path) -> None:
    late = NOW + 1810 * DAY
    _, signed = sign_request(
        keys / "authority", keys / "social" / "tls.csr", Terms(days=10, now=late)
    )
    (keys / "social" / "tls.crt").write_bytes(signed)
    warnings = load_keys(keys / "social", now=late).warnings
    assert [("tls.crt" in one, "authority.crt" in one) for one in warnings] == [
        (True, False),
        (False, True),
    ]
    assert "new authority" in warnings[1]


def test_a_renewed_certificate_under_the_same_key_keeps_the_pin_and_the_roster(
    keys: Path,
) -> None:
    roster = read_roster(keys / "roster.toml")
    later = NOW + 300 * DAY
    _, signed = sign_request(
        keys / "authority", keys / "social" / "tls.csr", Terms(days=500, now=later)
    )
    (keys / "social" / "tls.crt").write_bytes(signed)
    renewed = load_keys(keys / "social", now=later)
    assert renewed.expires > NOW + 700 * DAY
    assert spki_pin(renewed.tls.certificate) == roster.pins()["social"]
    check_on_roster(renewed, roster)


def test_a_rotated_party_is_refused_by_the_old_roster_and_taken_by_the_new(keys: Path) -> None:
    old = read_roster(keys / "roster.toml")
    folder = keys / "social"
    rotate_keys(folder)
    with pytest.raises(KeysMissingError, match=r"tls\.crt"):
        load_keys(folder)
    _, signed = sign_request(keys / "authority", folder / "tls.csr", Terms(replace=True))
    (folder / "tls.crt").write_bytes(signed)
    loaded = load_keys(folder)
    with pytest.raises(KeyMismatchError, match="another exchange for 'social' than its card"):
        check_on_roster(loaded, old)
    cards = [read_card(keys / name / "card.toml") for name in old.names]
    check_on_roster(loaded, make_roster(cards))


@pytest.mark.parametrize(
    ("key", "attribute"), [("exchange", "exchange"), ("tls", "tls_pin"), ("node", "node")]
)
def test_a_card_that_was_changed_on_its_way_to_the_roster_is_noticed_by_its_party(
    keys: Path, key: str, attribute: str
) -> None:
    *others, own = sorted(
        read_roster(keys / "roster.toml").entries, key=lambda one: one.name == "social"
    )
    attacker = read_roster(make_federation_keys(keys / "attacker", ["evil"])).entry("evil")
    false = replace(own, **{attribute: getattr(attacker, attribute)})
    with pytest.raises(KeyMismatchError, match=f"another {key} for 'social' than its card"):
        check_on_roster(load_keys(keys / "social"), make_roster([*others, false]))


def test_a_party_that_is_not_on_the_roster_is_told_so(keys: Path) -> None:
    entries = read_roster(keys / "roster.toml").entries
    roster = make_roster([one for one in entries if one.name != "social"])
    with pytest.raises(RosterError, match="'social' is not on the roster"):
        check_on_roster(load_keys(keys / "social"), roster)


def test_the_state_of_a_folder_is_said_whatever_it_is(keys: Path) -> None:
    folder = keys / "social"
    good = key_state(folder)
    assert good.signed
    assert good.problem is None
    assert good.expires is not None
    assert key_state(folder, now=NOW + 340 * DAY).warnings
    expired = key_state(folder, now=NOW + 366 * DAY)
    assert isinstance(expired.problem, CertificateExpiredError)
    assert expired.expires is None
    (folder / "tls.crt").unlink()
    unsigned = key_state(folder)
    assert not unsigned.signed
    assert unsigned.problem is None
    assert unsigned.expires is None
    (folder / "node.key").chmod(0o644)
    assert isinstance(key_state(folder).problem, ExposedKeyError)


def test_the_identity_on_the_roster_is_the_one_a_link_takes(keys: Path) -> None:
    roster = read_roster(keys / "roster.toml")
    config = LinkConfig(
        name="social", roster=roster.identities(), job=bytes(16), agreement=bytes(32)
    )
    transport = MemoryHub(roster.names, Limits()).attach("social")
    Link(transport, load_keys(keys / "social").identity, config)
    with pytest.raises(UnknownPeerError, match="another key for social"):
        Link(transport, load_keys(keys / "forum").identity, config)


def context_of(keys: Path, name: str, *, server: bool) -> ssl.SSLContext:
    loaded = load_keys(keys / name)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    context.load_verify_locations(cadata=loaded.tls.authority.decode())
    context.load_cert_chain(keys / name / "tls.crt", keys / name / "tls.key")
    return context


def shake_hands(server: ssl.SSLContext, client: ssl.SSLContext, host: str) -> tuple[bytes, bytes]:
    """A handshake in memory; what each end saw of the other, DER."""
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = (
        server.wrap_bio(up, down, server_side=True),
        client.wrap_bio(down, up, server_hostname=host),
    )
    for _ in range(4):
        for end in reversed(ends):
            with suppress(ssl.SSLWantReadError):
                end.do_handshake()
    seen = [end.getpeercert(binary_form=True) for end in ends]
    assert seen[0] is not None
    assert seen[1] is not None
    return seen[0], seen[1]


@pytest.mark.parametrize("host", ["coordinator", "fed.example.org", "10.0.0.1"])
def test_both_ends_of_a_link_prove_their_names(keys: Path, host: str) -> None:
    seen = shake_hands(
        context_of(keys, "coordinator", server=True),
        context_of(keys, "social", server=False),
        host,
    )
    pins = [spki_pin(ssl.DER_cert_to_PEM_cert(one).encode()) for one in seen]
    roster = read_roster(keys / "roster.toml").pins()
    assert pins == [roster["social"], roster["coordinator"]]


def test_a_partner_cannot_pose_as_the_coordinator(keys: Path) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        shake_hands(
            context_of(keys, "forum", server=True),
            context_of(keys, "social", server=False),
            "coordinator",
        )


def test_a_whole_federation_is_made_well_under_a_second_a_party(tmp_path: Path) -> None:
    began = time.process_time()
    path = make_federation_keys(tmp_path / "federation", [f"p{n}" for n in range(8)])
    assert time.process_time() - began < 10 * 0.2
    assert len(read_roster(path).partners) == 8
