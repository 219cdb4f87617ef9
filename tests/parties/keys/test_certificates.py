import datetime as dt
import ipaddress
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from federation.exchange.tls import spki_pin
from parties.errors import (
    CertificateExpiredError,
    CertificateNotYetValidError,
    KeyFormatError,
    OwnCertificateError,
    SigningRefusedError,
)
from parties.keys.certificates import (
    BACKDATED,
    MAX_HOSTS,
    Signer,
    Validity,
    certified_names,
    issue,
    key_pin,
    make_request,
    read_certificate,
    read_request,
    self_sign,
)
from parties.keys.trust import check_authority, check_issued, check_time, time_warning
from tests.parties.keys.pem import NOW, certificate, common_name, p256, pem, pkcs8, request

DAY = dt.timedelta(days=1)
HOSTS = ("fed.example.org", "10.0.0.1", "2001:db8::1")
SOCIAL = x509.DNSName("social")


@pytest.fixture(scope="module")
def signer() -> Signer:
    key = p256()
    return Signer(certificate=self_sign(key, "our run", Validity.from_now(NOW, 1000)), key=key)


def signed(signer: Signer, name: str = "social", hosts: tuple[str, ...] = ()) -> x509.Certificate:
    asked = read_request(make_request(p256(), name, hosts), place="tls.csr")
    return issue(signer, asked, Validity.from_now(NOW, 90))


def test_a_request_says_who_asks_for_which_key() -> None:
    key = p256()
    asked = read_request(make_request(key, "coordinator", HOSTS), place="tls.csr")
    assert (asked.name, asked.hosts) == ("coordinator", HOSTS)
    assert asked.pin == key_pin(key.public_key())
    assert read_request(make_request(key, "social", []), place="tls.csr").hosts == ()


def test_the_pin_of_a_key_is_that_of_its_certificates_on_the_wire(signer: Signer) -> None:
    made = signed(signer)
    assert key_pin(made.public_key()) == spki_pin(pem(made))


def test_only_elliptic_curve_keys_have_a_pin() -> None:
    with pytest.raises(KeyFormatError, match="only elliptic-curve keys"):
        key_pin(rsa.generate_private_key(65537, 2048).public_key())


@pytest.mark.parametrize(
    ("name", "hosts", "says"),
    [
        ("social", ["fed.example.org"], "'social' may not name hosts"),
        ("item", ["10.0.0.1"], "'item' may not name hosts"),
        ("coordinator", [], "must name a host"),
        ("coordinator", ["*.org"], "no host name"),
        ("coordinator", ["item"], "name of a party"),
        ("coordinator", [f"a{n}.org" for n in range(MAX_HOSTS + 1)], "33 hosts are too many"),
    ],
)
def test_hosts_that_nobody_may_be_certified_for_are_not_asked_for(
    name: str, hosts: list[str], says: str
) -> None:
    with pytest.raises(KeyFormatError, match=says):
        make_request(p256(), name, hosts)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "is no certificate request"),
        (b"-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----", "is no"),
        (request(p256(), []), "is no certificate request"),
        (request(p256(), [x509.IPAddress(ipaddress.ip_address("10.0.0.1"))]), "names must be DNS"),
        (request(p256(), [SOCIAL, x509.RFC822Name("a@example.org")]), "names must be DNS"),
        (request(p256(), [SOCIAL, x509.UniformResourceIdentifier("spiffe://a")]), "names must"),
        (request(p256(), [SOCIAL], subject="forum"), "its subject is not 'social'"),
        (request(p256(), [SOCIAL, x509.DNSName("forum")]), "may not name hosts"),
        (request(p256(), [x509.DNSName("hub")], subject="hub"), "reserved"),
        (request(p256(), [x509.DNSName("*.org")], subject="*.org"), "not a partner name"),
        (
            request(p256(), [x509.DNSName("coordinator")], subject="coordinator"),
            "must name a host",
        ),
        (
            request(
                p256(),
                [x509.DNSName("coordinator"), x509.DNSName("item")],
                subject="coordinator",
            ),
            "'item' is the name of a party",
        ),
        (request(ec.generate_private_key(ec.SECP384R1()), [SOCIAL]), "not P-256"),
        (request(rsa.generate_private_key(65537, 2048), [SOCIAL]), "not P-256"),
    ],
)
def test_a_request_that_no_party_makes_is_refused(data: bytes, says: str) -> None:
    with pytest.raises(SigningRefusedError, match=rf"from\.csr.*{says}"):
        read_request(data, place="from.csr")


def test_a_request_for_somebody_elses_key_is_refused() -> None:
    made = x509.load_pem_x509_csr(request(p256(), [SOCIAL]))
    other = x509.load_pem_x509_csr(request(p256(), [SOCIAL]))
    old, new = (
        each.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        for each in (made, other)
    )
    forged = made.public_bytes(Encoding.DER).replace(old, new)
    data = ssl.DER_cert_to_PEM_cert(forged).replace("CERTIFICATE", "CERTIFICATE REQUEST")
    with pytest.raises(SigningRefusedError, match="not signed with the key that it names"):
        read_request(data.encode(), place="tls.csr")


def test_a_certificate_serves_both_ends_of_a_link_and_nothing_else(signer: Signer) -> None:
    made = signed(signer, "coordinator", HOSTS)
    usage = made.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert set(usage) == {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH}
    assert made.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False
    assert not made.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    assert certified_names(made, place="tls.crt") == ("coordinator", HOSTS)


@pytest.mark.parametrize("name", ["coordinator", *HOSTS])
def test_a_strict_verifier_accepts_the_chain_for_every_name(signer: Signer, name: str) -> None:
    made = signed(signer, "coordinator", HOSTS)
    policy = PolicyBuilder().store(Store([signer.certificate])).time(NOW)
    try:
        subject: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        subject = x509.DNSName(name)
    assert isinstance(subject, x509.DNSName | x509.IPAddress)
    assert policy.build_server_verifier(subject).verify(made, []) == [made, signer.certificate]
    assert policy.build_client_verifier().verify(made, []).chain == [made, signer.certificate]


def test_a_party_cannot_act_as_an_authority(signer: Signer) -> None:
    key = p256()
    asked = read_request(make_request(key, "social", []), place="tls.csr")
    between = issue(signer, asked, Validity.from_now(NOW, 90))
    made = signed(Signer(certificate=between, key=key), "item")
    policy = PolicyBuilder().store(Store([signer.certificate])).time(NOW)
    with pytest.raises(VerificationError):
        policy.build_server_verifier(x509.DNSName("item")).verify(made, [between])
    with pytest.raises(OwnCertificateError, match="no authority's certificate"):
        check_authority(between, place="authority.crt")


def test_an_authority_may_not_make_others(signer: Signer) -> None:
    limits = signer.certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    assert (limits.value.ca, limits.value.path_length, limits.critical) == (True, 0, True)
    usage = signer.certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    assert usage.key_cert_sign
    assert not usage.digital_signature
    check_authority(signer.certificate, place="authority.crt")


def test_what_only_says_that_it_is_an_authority_is_none() -> None:
    key, other = p256(), p256()
    ca = x509.BasicConstraints(ca=True, path_length=None)
    for made in (
        certificate(key, key, subject="test"),
        certificate(key, other, subject="test", extensions=[ca]),
        certificate(key, key, subject="social", extensions=[ca]),
    ):
        with pytest.raises(OwnCertificateError, match="no authority's certificate"):
            check_authority(made, place="authority.crt")
    strong = rsa.generate_private_key(65537, 2048)
    with pytest.raises(OwnCertificateError, match="not P-256"):
        check_authority(
            certificate(strong, strong, subject="test", extensions=[ca]), place="authority.crt"
        )


def test_a_certificate_of_another_authority_or_name_is_refused(signer: Signer) -> None:
    made = signed(signer)
    check_issued(made, signer.certificate, "social", place="tls.crt")
    key = p256()
    twin = self_sign(key, "our run", Validity.from_now(NOW, 10))
    with pytest.raises(OwnCertificateError, match=r"tls\.crt was not signed by the authority"):
        check_issued(made, twin, "social", place="tls.crt")
    with pytest.raises(OwnCertificateError, match="is for 'social', and these keys are 'forum'"):
        check_issued(made, signer.certificate, "forum", place="tls.crt")


def test_a_certificate_without_names_is_nobodys() -> None:
    with pytest.raises(OwnCertificateError, match="names no party"):
        certified_names(certificate(p256(), p256()), place="tls.crt")


def test_a_file_holds_one_certificate(signer: Signer) -> None:
    data = pem(signer.certificate)
    assert read_certificate(data, place="a.crt") == signer.certificate
    with pytest.raises(KeyFormatError, match=r"a\.crt holds 2 certificates"):
        read_certificate(data + data, place="a.crt")
    for wrong in (b"", b"junk", data[:200], pkcs8(p256()), data.replace(b"M", b"N")):
        with pytest.raises(KeyFormatError, match=r"a\.crt is no certificate"):
            read_certificate(wrong, place="a.crt")


def test_time_before_during_and_after(signer: Signer) -> None:
    made = signed(signer)
    begins, ends = made.not_valid_before_utc, made.not_valid_after_utc
    second = dt.timedelta(seconds=1)
    for good in (begins, NOW, ends - second):
        check_time(made, good, place="tls.crt", remedy="renew it")
    with pytest.raises(CertificateExpiredError, match=r"tls\.crt expired on .* UTC; renew it"):
        check_time(made, ends, place="tls.crt", remedy="renew it")
    with pytest.raises(CertificateNotYetValidError, match=r"clock says .* UTC; set the clock"):
        check_time(made, begins - second, place="tls.crt", remedy="renew it")


def test_a_clock_that_is_an_hour_behind_is_told_so_and_one_by_a_minute_is_not(
    signer: Signer,
) -> None:
    made = signed(signer)
    check_time(made, NOW - dt.timedelta(minutes=1), place="tls.crt", remedy="")
    assert dt.timedelta(minutes=1) < BACKDATED < dt.timedelta(hours=1)
    with pytest.raises(CertificateNotYetValidError):
        check_time(made, NOW - dt.timedelta(hours=1), place="tls.crt", remedy="")


def test_the_last_thirty_days_bring_a_warning(signer: Signer) -> None:
    made = signed(signer)
    ends = made.not_valid_after_utc
    assert time_warning(made, ends - 30 * DAY, place="tls.crt") is None
    warning = time_warning(made, ends - 29.5 * DAY, place="tls.crt")
    assert warning is not None
    assert "expires on" in warning
    assert "in 29 days" in warning


def test_a_printed_signer_never_shows_its_key(signer: Signer) -> None:
    assert "key" not in repr(signer)


def test_openssl_takes_the_certificates_as_they_are(signer: Signer, tmp_path: Path) -> None:
    key = p256()
    asked = read_request(make_request(key, "social", []), place="tls.csr")
    (tmp_path / "tls.key").write_bytes(pkcs8(key))
    (tmp_path / "tls.crt").write_bytes(pem(issue(signer, asked, Validity.from_now(NOW, 9))))
    (tmp_path / "authority.crt").write_bytes(pem(signer.certificate))
    context = ssl.create_default_context(cafile=tmp_path / "authority.crt")
    context.load_cert_chain(tmp_path / "tls.crt", tmp_path / "tls.key")
    assert "our run" in str(context.get_ca_certs())
    assert common_name("our run") == signer.certificate.subject
