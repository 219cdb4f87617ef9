"""The `party.toml` that a new node begins with: complete, commented, with safe defaults."""

import ipaddress
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from parties.checkpoints import write_whole
from parties.config import COORDINATOR, ITEM
from parties.errors import PartyFileError
from parties.node.party_file import (
    FILE_NAME,
    HEALTH_PORT,
    Endpoint,
    parse_party_file,
)
from parties.node.policy import Policy
from parties.role import Role

ANY_ADDRESS: Final = "0.0.0.0"  # noqa: S104 - parties of other hosts dial the coordinator


@dataclass(frozen=True, slots=True, kw_only=True)
class NewNode:
    """What a person says of a node to be.

    Args:
        role: what it is in the federation.
        name: a partner's name; the other two are called by their role.
        coordinator: where the coordinator is, or where it listens.
        data: the file with the partner's users or the item party's events.
    """

    role: Role
    name: str = ""
    coordinator: Endpoint = field(default_factory=lambda: Endpoint(host=ANY_ADDRESS))
    data: Path | None = None


def endpoint_of(text: str) -> Endpoint:
    """Read `HOST`, `HOST:FLOWER_PORT` or `HOST:FLOWER_PORT:HUB_PORT`; IPv6 in brackets.

    Raises:
        ValueError: a port is no number, or there are more than two; other mistakes show when the
            file is checked.
    """
    if _is_address(text):  # an IPv6 address has colons of its own
        return Endpoint(host=text)
    host, _, rest = text[1:].partition("]") if text.startswith("[") else text.partition(":")
    ports = [int(port) for port in rest.removeprefix(":").split(":")] if rest else []
    if len(ports) > 2:
        raise ValueError("there are two ports, Flower's and the hub's")
    return Endpoint(host=host, **dict(zip(("flower_port", "hub_port"), ports, strict=False)))


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def write_party_file(folder: Path, node: NewNode) -> Path:
    """Write a new party.toml, readable for everyone and writable for its owner alone.

    Args:
        folder: made if it is missing, for its owner alone.
        node: what it is to say.

    Returns:
        The file.

    Raises:
        PartyFileError: there is one already, or what it would say cannot be; nothing is written.
        CheckpointError: the disk refused.
    """
    file = folder.absolute() / FILE_NAME
    if file.exists() or file.is_symlink():
        raise PartyFileError("exists already; nothing was written", file=file)
    text = party_file_text(folder.absolute(), node)
    parse_party_file(file, text)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise PartyFileError(f"its folder cannot be made: {error.strerror}", file=file) from error
    write_whole(file, text.encode(), mode=0o644)
    return file


def party_file_text(folder: Path, node: NewNode) -> str:
    """The text of a party.toml in `folder`."""
    sections = [_head(node), *_parts(folder, node), _HEALTH]
    return "\n".join(section.rstrip("\n") + "\n" for section in sections)


def _parts(folder: Path, node: NewNode) -> Sequence[str]:
    if node.role is Role.COORDINATOR:
        return (_listen(node.coordinator), _RUN)
    data = _item_data if node.role is Role.ITEM else _partner_data
    shared = (_coordinator(node.coordinator), data(folder, node.data), _policy(), _OWN)
    return (*shared, _EXPERIMENT_ITEM if node.role is Role.ITEM else _EXPERIMENT)


def _name(node: NewNode) -> str:
    fixed = {Role.COORDINATOR: COORDINATOR, Role.ITEM: ITEM}
    return node.name or fixed.get(node.role, "")


def _head(node: NewNode) -> str:
    return f"""\
# What this node is told. docs/node.md explains every key; `fedrecall node check` reads it all.
# Paths are relative to this file's folder and stay inside it, or are absolute.
# Nothing in here is secret, but whoever can change it decides what this party agrees to.

name = {_quoted(_name(node))}
role = "{node.role.value}"
state = "state"          # checkpoints, ledgers, logs, status: made when needed
keys = "keys"            # this party's keys: `fedrecall keys new` makes them
roster = "roster.toml"   # everyone's public keys: the same file at every party
"""


def _coordinator(endpoint: Endpoint) -> str:
    return f"""\
[coordinator]            # where this node dials; it needs no open port itself
host = {_quoted(endpoint.host)}
flower_port = {endpoint.flower_port}       # Flower's fleet API, behind a gate
hub_port = {endpoint.hub_port}          # the exchange, open while a run is on
"""


def _listen(endpoint: Endpoint) -> str:
    return f"""\
[listen]                 # both ports must be open to the parties and to nobody else
host = {_quoted(endpoint.host)}
flower_port = {endpoint.flower_port}       # Flower's fleet API, behind a gate
hub_port = {endpoint.hub_port}          # the exchange, open while a run is on
"""


def _partner_data(folder: Path, data: Path | None) -> str:
    return f"""\
[data]                   # docs/data-format.md; CSV or Parquet
users = {_path(folder, data, "users.csv")}      # user_id and features, or user_id, feature, value
# sensitive = ["age"]    # columns that an audit treats as sensitive
# columns = {{ age = "numeric", city = "categorical", tags = "multi" }}   # else they are inferred
"""


def _item_data(folder: Path, data: Path | None) -> str:
    return f"""\
[data]                   # docs/data-format.md; CSV or Parquet
events = {_path(folder, data, "events.csv")}    # user_id, item_id and more, if it is known
# items = "items.csv"       # item_id and what is known of songs
# users = "users.csv"       # user_id and what is known of users
# triples = "triples.csv"   # head, relation, tail
# item_columns = {{ genre = "multi" }}      # kinds are inferred unless they are declared
# user_columns = {{ age = "numeric" }}
"""


def _policy() -> str:
    policy = Policy()
    profiles = json.dumps([profile.value for profile in policy.profiles])
    return f"""\
[policy]                 # what this party agrees to, whatever the coordinator asks for
profiles = {profiles}   # "plain" protects nothing: for tests with made data only
accept_single_partner = false      # true: a sum of one partner, which is its raw embedding
min_cohort = {policy.min_cohort}           # fewest partners in a sum
# apps = ["…"]           # SHA-256 of the bundles that may run here; without it, this version's own
# schemes = ["bfv"]      # "ckks" takes no masks between partners
# max_epochs = {policy.max_epochs}       # more caps: docs/node.md
"""


_OWN: Final = """\
[own]                    # this party's own choices; no other party sees them
# exchange.rounding = "nearest"    # or "stochastic"
# exchange.timeout_s = 600.0       # seconds a silent party is waited for
# exchange.cache_mib = 512         # memory for encoded features
# alignment.workers = 0            # processes that align users; 0 takes every core
"""
_EXPERIMENT: Final = """\
[experiment]             # only to repeat a simulation's figures; leave it out in production
repeatable = false       # true: weights start from the run's seed, which others know
"""
_EXPERIMENT_ITEM: Final = (
    _EXPERIMENT
    + """\
cold_share = 0.0         # share of listeners whose history is hidden, to measure cold-start lift
"""
)
_HEALTH: Final = f"""\
[health]                 # /healthz and /metrics, on loopback only
port = {HEALTH_PORT}              # one of its own for every node of a host
"""
_RUN: Final = """\
[run]                    # the run's settings, by the keys of docs/settings.md
profile = "strict"       # what each one promises is in THREATS.md
seed = 0
# training.epochs = 20
# encoder.width = 32
# exchange.accept_single_partner = false
"""


def _path(folder: Path, data: Path | None, default: str) -> str:
    if data is None:
        return _quoted(default)
    whole = data.absolute()
    inside = whole.is_relative_to(folder) and ".." not in whole.parts
    return _quoted(str(whole.relative_to(folder) if inside else whole))


def _quoted(text: str) -> str:
    """A TOML basic string; JSON's escapes are a part of TOML's."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007F")
