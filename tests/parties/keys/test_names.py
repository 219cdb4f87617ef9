import pytest

from parties.config import COORDINATOR, ITEM
from parties.keys.names import RESERVED, host_problem, is_address, name_problem, role_of
from parties.role import Role
from parties.tables.description import RESERVED_NAMES, check_partner_name


@pytest.mark.parametrize("name", ["social", "a", "9", "a-b-c", "x" * 32])
def test_a_partner_may_be_called_what_tables_call_it(name: str) -> None:
    assert name_problem(name, Role.PARTNER) is None
    assert check_partner_name(name) is None
    assert role_of(name) is Role.PARTNER


@pytest.mark.parametrize(
    "name", ["", "-a", "Social", "so cial", "x" * 33, "ü", "a.b", "a\n", "../a", "*", "a_b"]
)
def test_a_name_that_tables_refuse_is_no_partner(name: str) -> None:
    assert check_partner_name(name) is not None
    assert "not a partner name" in str(name_problem(name, Role.PARTNER))


@pytest.mark.parametrize("name", sorted(RESERVED | RESERVED_NAMES))
def test_a_partner_may_not_pose_as_somebody_else(name: str) -> None:
    assert "reserved" in str(name_problem(name, Role.PARTNER))


def test_the_roles_that_exist_once_have_the_names_that_sessions_use() -> None:
    assert (Role.COORDINATOR.value, Role.ITEM.value) == (COORDINATOR, ITEM)
    for role in (Role.COORDINATOR, Role.ITEM):
        assert name_problem(role.value, role) is None
        assert role_of(role.value) is role
        assert f"called '{role.value}'" in str(name_problem("social", role))


@pytest.mark.parametrize(
    "host",
    ["localhost", "fed.example.org", "a-b.c", "10.0.0.1", "::1", "2001:db8::1", "x" * 63 + ".org"],
)
def test_a_host_is_a_name_or_an_address(host: str) -> None:
    assert host_problem(host) is None


@pytest.mark.parametrize(
    "host",
    [
        "",
        "*.example.org",
        "FED.example.org",
        "fed_example",
        "-a.org",
        "a-.org",
        ".org",
        "a..b",
        "fed.example.org.",
        "10.0.0.1:9093",
        "https://fed.example.org",
        "x" * 64,
        "a." * 126 + "ab",
        "ü.org",
        "a\n",
        "::0001",
    ],
)
def test_what_is_no_host_gets_into_no_certificate(host: str) -> None:
    assert "no IP address and no host name" in str(host_problem(host))


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_a_coordinator_may_not_be_certified_under_the_name_of_another_role(name: str) -> None:
    assert "name of a party" in str(host_problem(name))


def test_only_usual_spellings_are_addresses() -> None:
    assert is_address("127.0.0.1")
    assert is_address("::1")
    assert not is_address("127.1")
    assert not is_address("0:0:0:0:0:0:0:1")
