import base64
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from parties.errors import KeysMissingError, RosterError
from parties.keys import Roster, RosterEntry, make_roster, read_card, read_roster
from parties.role import Role

SMALL_ORDER = (  # RFC 7748, section 6.1, and the points of order 2, 4 and 8
    bytes(32),
    (1).to_bytes(32, "little"),
    bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
    bytes.fromhex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
    bytes.fromhex("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
)


def openssh(key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


def entry(name: str, role: Role = Role.PARTNER) -> RosterEntry:
    return RosterEntry(
        name=name,
        role=role,
        exchange=X25519PrivateKey.generate().public_key().public_bytes_raw(),
        tls_pin=bytes.fromhex(X25519PrivateKey.generate().public_key().public_bytes_raw().hex()),
        node="" if role is Role.COORDINATOR else openssh(ec.generate_private_key(ec.SECP384R1())),
    )


ENTRIES = (
    entry("coordinator", Role.COORDINATOR),
    entry("item", Role.ITEM),
    entry("social"),
    entry("forum"),
)
GOOD = ENTRIES[2]


def field(line: str) -> Callable[[str], str]:
    """A change of one line of a card."""
    key = line.split(" = ")[0]

    def change(card: str) -> str:
        lines = card.splitlines()
        return "\n".join(line if old.startswith(f"{key} = ") else old for old in lines)

    return change


def without(key: str) -> Callable[[str], str]:
    def change(card: str) -> str:
        return "\n".join(line for line in card.splitlines() if not line.startswith(f"{key} = "))

    return change


def with_exchange(data: bytes) -> Callable[[str], str]:
    return field(f'exchange = "{base64.b64encode(data).decode()}"')


def test_a_roster_gives_back_what_went_into_it(tmp_path: Path) -> None:
    path = tmp_path / "roster.toml"
    path.write_text(Roster(ENTRIES).text())
    roster = read_roster(path)
    assert roster.entries == ENTRIES
    assert roster.names == ("coordinator", "item", "social", "forum")
    assert roster.partners == ("social", "forum")
    assert roster.entry("item") == ENTRIES[1]
    assert roster.identities() == {each.name: each.exchange for each in ENTRIES}
    assert roster.pins() == {each.name: each.tls_pin for each in ENTRIES}
    assert list(roster.nodes()) == ["item", "social", "forum"]


def test_partners_stand_in_the_order_in_which_they_are_summed() -> None:
    coordinator, item, social, forum = ENTRIES
    assert make_roster([forum, item, social, coordinator]).partners == ("forum", "social")


def test_comments_and_blanks_do_not_change_the_fingerprint_and_all_else_does(
    tmp_path: Path,
) -> None:
    path = tmp_path / "roster.toml"
    path.write_text("# as agreed\n\n" + Roster(ENTRIES).text().replace(" = ", "   =  "))
    kept = read_roster(path).fingerprint()
    assert kept == Roster(ENTRIES).fingerprint()
    coordinator, item, social, forum = ENTRIES
    for changed in (
        (coordinator, item, forum, social),
        (coordinator, item, social),
        (coordinator, item, social, entry("forum")),
    ):
        assert make_roster(changed).fingerprint() != kept


def test_a_name_that_is_not_on_the_roster_is_refused() -> None:
    with pytest.raises(
        RosterError, match="'video' is not on the roster; it has coordinator, item"
    ):
        Roster(ENTRIES).entry("video")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"\xff", "is not UTF-8"),
        (b"[[party", "is not valid TOML"),
        (b"version = 1\n", "unknown key 'version'"),
        (b"party = 3\n", "must be written"),
        (b"party = [1]\n", "must be written"),
        (b"[party]\nname = 'a'\n", "must be written"),
        (b"", "the coordinator party is missing"),
    ],
)
def test_what_is_no_roster_is_refused_by_file(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "roster.toml"
    path.write_bytes(content)
    with pytest.raises(RosterError, match=f"{path}.*{says}"):
        read_roster(path)


def test_a_roster_that_is_not_there_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(KeysMissingError, match=r"roster\.toml is not there"):
        read_roster(tmp_path / "roster.toml")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (field("name = 3"), "'name' must be a string"),
        (field('name = "So cial"'), "not a partner name"),
        (field('name = "hub"'), "reserved"),
        (field('name = "item"'), "reserved"),
        (without("name"), "key 'name' is missing"),
        (field('role = "boss"'), "'role' must be one of coordinator, item, partner"),
        (without("role"), "'role' must be one of"),
        (field('role = "item"'), "called 'item'"),
        (field('role = "coordinator"'), "runs no SuperNode"),
        (lambda card: card + 'email = "a@example.org"\n', "unknown key 'email'; the keys are"),
        (without("exchange"), "key 'exchange' is missing"),
        (field('exchange = "###"'), "'exchange' is not base64"),
        (field('exchange = "é"'), "'exchange' is not base64"),
        (with_exchange(b"x" * 31), "must be 32 bytes"),
        (with_exchange(b"x" * 33), "must be 32 bytes"),
        (with_exchange(b""), "must be 32 bytes"),
        (with_exchange(b"\xff" * 32), "no X25519 key in its usual form"),
        (with_exchange(bytes(31) + b"\x80"), "no X25519 key in its usual form"),
        *((with_exchange(point), "small order") for point in SMALL_ORDER),
        (without("tls"), "key 'tls' is missing"),
        (field('tls = "abcd"'), "64 hexadecimal digits"),
        (field(f'tls = "{"G" * 64}"'), "64 hexadecimal digits"),
        (field(f'tls = "{"AB" * 32}"'), "64 hexadecimal digits in lower case"),
        (without("node"), "key 'node' is missing"),
        (field('node = ""'), "no OpenSSH public key"),
        (field('node = "ecdsa-sha2-nistp384 AAAA"'), "no OpenSSH public key"),
        (field(f'node = "{GOOD.node} me@host"'), "without a comment"),
        (
            field(f'node = "{openssh(ec.generate_private_key(ec.SECP256R1()))}"'),
            "must be a P-384 key",
        ),
        (field(f'node = "{openssh(ed25519.Ed25519PrivateKey.generate())}"'), "must be a P-384"),
    ],
)
def test_an_entry_that_is_wrong_is_refused_by_file_and_party(
    tmp_path: Path, change: Callable[[str], str], says: str
) -> None:
    path = tmp_path / "roster.toml"
    changed = change(GOOD.card())
    assert changed != GOOD.card()
    path.write_text("\n".join([ENTRIES[0].card(), ENTRIES[1].card(), changed]))
    with pytest.raises(RosterError, match=f"{path}, party 3.*{says}"):
        read_roster(path)


def test_base64_has_one_spelling(tmp_path: Path) -> None:
    good = base64.b64encode(GOOD.exchange).decode()
    last = "AEIMQUYcgkosw048"  # 43rd digits whose two spare bits are zero
    other = good[:42] + chr(ord(good[42]) + 1) + "="
    assert good[42] in last
    path = tmp_path / "card.toml"
    path.write_text(GOOD.card().replace(good, other))
    with pytest.raises(RosterError, match="32 bytes in base64"):
        read_card(path)


@pytest.mark.parametrize("key", ["name", "exchange", "tls", "node"])
def test_two_parties_with_one_key_or_name_are_refused(key: str) -> None:
    coordinator, item, social, _ = ENTRIES
    other = entry("forum")
    values = {
        "name": other.name,
        "role": other.role,
        "exchange": other.exchange,
        "tls_pin": other.tls_pin,
        "node": other.node,
    }
    field_name = {"tls": "tls_pin"}.get(key, key)
    values[field_name] = getattr(social, field_name)
    double = RosterEntry(**values)  # type: ignore[arg-type]
    with pytest.raises(
        RosterError, match=rf"party 4 \({double.name}\) has the same {key} as party 3 \(social\)"
    ):
        make_roster([coordinator, item, social, double])


@pytest.mark.parametrize(
    ("kept", "says"),
    [
        ((1, 2, 3), "the coordinator party is missing"),
        ((0, 2, 3), "the item party is missing"),
        ((0, 1), "at least one partner is needed"),
        ((0, 0, 1, 2), "the same name"),
        ((0, 1, 1, 2), "the same name"),
    ],
)
def test_a_roster_has_one_of_each_and_some_partners(kept: tuple[int, ...], says: str) -> None:
    with pytest.raises(RosterError, match=says):
        make_roster([ENTRIES[number] for number in kept])


def test_one_partner_may_stand_on_a_roster_since_runs_decide_about_that() -> None:
    assert make_roster(ENTRIES[:3]).partners == ("social",)


def test_a_card_is_one_party(tmp_path: Path) -> None:
    path = tmp_path / "card.toml"
    path.write_text(GOOD.card())
    assert read_card(path) == GOOD
    path.write_text(Roster(ENTRIES).text())
    with pytest.raises(RosterError, match="holds 4 parties; a card is one"):
        read_card(path)
    path.write_text("")
    with pytest.raises(RosterError, match="holds 0 parties"):
        read_card(path)


def test_brackets_without_end_are_no_roster(tmp_path: Path) -> None:
    (tmp_path / "roster.toml").write_text("party = " + "[" * 100_000)
    with pytest.raises(RosterError, match="is not valid TOML"):
        read_roster(tmp_path / "roster.toml")
