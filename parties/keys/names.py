"""What a party may be called, and which hosts a certificate may name."""

import ipaddress
import re
from typing import Final

from federation.protocol.frames import NAME
from parties.role import Role

# The roles that exist once are called by their role; the others would be taken for other things.
RESERVED: Final = frozenset({Role.COORDINATOR.value, Role.ITEM.value, "hub", "authority"})
HOST: Final = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)(\.(?!-)[a-z0-9-]{1,63}(?<!-))*")
MAX_HOST_CHARACTERS: Final = 253  # RFC 1035, section 2.3.4


def name_problem(name: str, role: Role) -> str | None:
    """What is wrong with the name of a party in this role; None if nothing is."""
    if role is not Role.PARTNER:
        fits = name == role.value
        return None if fits else f"the {role.value} party is called {role.value!r}, not {name!r}"
    if not NAME.fullmatch(name):
        return f"{name!r} is not a partner name; use 1 to 32 of a-z, 0-9 and -, the first no -"
    if name in RESERVED:
        return f"{name!r} is reserved; choose another partner name"
    return None


def role_of(name: str) -> Role:
    """The role of a party with this name."""
    return next((role for role in Role if role.value == name), Role.PARTNER)


def host_problem(host: str) -> str | None:
    """What is wrong with a host name or address for a certificate; None if nothing is."""
    if is_address(host):
        return None
    if len(host) > MAX_HOST_CHARACTERS or not HOST.fullmatch(host):
        return f"{host!r} is no IP address and no host name in lower-case ASCII"
    if host in RESERVED:
        return f"{host!r} is the name of a party; give the machine's own name or address"
    return None


def is_address(host: str) -> bool:
    """Whether this is an IPv4 or IPv6 address in its usual spelling."""
    try:
        return str(ipaddress.ip_address(host)) == host
    except ValueError:
        return False
