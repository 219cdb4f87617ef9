"""`party.toml`: all that one party's node is told, read strictly.

Every key is known and of its type, in a section that the party's role has, or the file is refused
with the key and what to write instead. Every path is relative to the folder of the file and stays
inside it, or is absolute. The file holds no secret. docs/node.md explains every key.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, Final, TypeVar

from federation.errors import SettingError
from parties.config import COORDINATOR, ITEM, RunConfig
from parties.errors import PartyFileError
from parties.node.paths import StatePaths
from parties.node.policy import CAPS, OWN_KEYS, Policy, adopt
from parties.node.run_settings import leaves, put_settings
from parties.node.section import Section, close_to, parse, read_text
from parties.role import Role
from parties.tables.description import (
    ItemPartyDescription,
    Kinds,
    PartnerDescription,
    check_partner_name,
)
from parties.tables.features import ColumnKind

PARTY_VARIABLE: Final = "FEDRECALL_PARTY"  # absolute path of the party.toml a process runs under
FILE_NAME: Final = "party.toml"
FLOWER_PORT: Final = 9092
HUB_PORT: Final = 9093
HEALTH_PORT: Final = 9100
APP_HASH: Final = re.compile(r"[0-9a-f]{64}")
SECTIONS: Final[Mapping[Role, tuple[str, ...]]] = {
    Role.COORDINATOR: ("listen", "health", "run"),
    Role.ITEM: ("coordinator", "data", "policy", "own", "experiment", "health"),
    Role.PARTNER: ("coordinator", "data", "policy", "own", "experiment", "health"),
}
ALL_SECTIONS: Final = tuple(dict.fromkeys(name for names in SECTIONS.values() for name in names))
TOP: Final = ("name", "role", "state", "keys", "roster")

Choice = TypeVar("Choice", bound=Enum)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where the coordinator is, or where it listens.

    Args:
        host: a name or an address; `0.0.0.0` listens on every interface.
        flower_port: the gate's, in front of Flower's fleet API.
        hub_port: the exchange hub's, which is open while a run is on.
    """

    host: str
    flower_port: int = FLOWER_PORT
    hub_port: int = HUB_PORT


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """What only repeats a simulation's figures and has no place in production.

    Args:
        repeatable: derive this party's private seed from the run's seed, which others know,
            instead of drawing it from `secrets`, and calculate on one thread.
        cold_share: the item party hides this share of its listeners' history from the run, to
            measure the cold-start lift; from 0 to below 1.
    """

    repeatable: bool = False
    cold_share: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PartyFile:
    """All that a `party.toml` says; paths are complete.

    Args:
        file: the file itself.
        name: `coordinator`, `item`, or the partner's name on the roster.
        role: `coordinator`, `item` or `partner`.
        state: folder of checkpoints, ledgers, logs and status; made if missing.
        keys: folder of this party's keys.
        roster: who takes part, with their public keys; the same file at every party.
        coordinator: where the coordinator is; None at the coordinator.
        listen: where it listens; None at the others.
        data: this party's tables; None at the coordinator.
        policy: what it agrees to.
        own: its own choices, by the dotted keys of `OWN_KEYS`.
        experiment: what repeats a simulation.
        health_port: where `/healthz` and `/metrics` are, on loopback only; each node of a host
            needs its own.
        run: the run's settings as the file nests them; empty but at the coordinator.
    """

    file: Path
    name: str
    role: Role
    state: Path
    keys: Path
    roster: Path
    coordinator: Endpoint | None
    listen: Endpoint | None
    data: ItemPartyDescription | PartnerDescription | None
    policy: Policy = field(default_factory=Policy)
    own: Mapping[str, object] = field(default_factory=dict)
    experiment: Experiment = field(default_factory=Experiment)
    health_port: int = HEALTH_PORT
    run: Mapping[str, Any] = field(default_factory=dict)

    @property
    def paths(self) -> StatePaths:
        """Where the node keeps what."""
        return StatePaths(self.state)

    def run_config(self) -> RunConfig:
        """The run that [run] describes; at the coordinator."""
        return put_settings(RunConfig(), self.run)

    def adopt(self, shared: Mapping[str, Any]) -> RunConfig:
        """The run as this party takes part in it, at the item party and partners.

        Args:
            shared: the run's settings as the coordinator gave them, nested as `to_plain` does it
                or by dotted keys; nothing about them is trusted.

        Raises:
            PolicyError: a setting is unknown, of the wrong type, out of range or not agreed to.
        """
        return adopt(self.policy, shared, self.own)


def read_party_file(path: Path) -> PartyFile:
    """Read and check a `party.toml`; nothing it names is opened.

    Raises:
        PartyFileError: the file is missing or not TOML, a key is unknown, missing, of the wrong
            type or out of range, or a section has no place at a party of its role.
    """
    file = path.absolute()
    return parse_party_file(file, read_text(file))


def parse_party_file(file: Path, text: str) -> PartyFile:
    """What `text` would say if it stood in `file`, an absolute path.

    Raises:
        PartyFileError: as `read_party_file`.
    """
    top = Section(file, "", parse(file, text))
    role = _role(top)
    top.only(*TOP, *ALL_SECTIONS)
    _refuse_sections(top, role)
    name = _name(top, role)
    leads = role is Role.COORDINATOR
    return PartyFile(
        file=file,
        name=name,
        role=role,
        state=top.path("state", "state"),
        keys=top.path("keys", "keys"),
        roster=top.path("roster", "roster.toml"),
        coordinator=None if leads else _endpoint(top.table("coordinator"), None),
        listen=_endpoint(top.table("listen"), "0.0.0.0") if leads else None,  # noqa: S104 - the gate and the hub are what parties of other hosts dial
        data=_data(top.table("data"), role, name),
        policy=_policy(top.table("policy")),
        own=_own(top.table("own")),
        experiment=_experiment(top.table("experiment"), role),
        health_port=_health(top.table("health")),
        run=_run(top.table("run")),
    )


def party_file_at(path: Path) -> Path:
    """The party file that a person means: the file itself, or the one in a folder."""
    return path / FILE_NAME if path.is_dir() else path


def own_party_file() -> PartyFile:
    """The file of the node that this process runs under, named by `FEDRECALL_PARTY`.

    Raises:
        PartyFileError: the variable is not set, or the file cannot be used.
    """
    named = os.environ.get(PARTY_VARIABLE)
    if not named:
        raise PartyFileError(
            f"the environment variable {PARTY_VARIABLE} names no party.toml; start this process "
            "with `fedrecall node up`",
            file=Path(FILE_NAME),
        )
    return read_party_file(Path(named))


def _role(top: Section) -> Role:
    roles = [role.value for role in Role]
    value = top.text("role")
    if value not in roles:
        raise top.error(f"{value!r} is no role; write one of {', '.join(roles)}", "role")
    return Role(value)


def _name(top: Section, role: Role) -> str:
    if role is Role.PARTNER:
        name = top.text("name")
        if problem := check_partner_name(name):
            raise top.error(problem, "name")
        return name
    due = ITEM if role is Role.ITEM else COORDINATOR
    if top.text("name", due) != due:
        raise top.error(
            f'the party of this role is always called so: write name = "{due}"', "name"
        )
    return due


def _refuse_sections(top: Section, role: Role) -> None:
    for key in ALL_SECTIONS:
        if key in top.values and key not in SECTIONS[role]:
            homes = [each.value for each in Role if key in SECTIONS[each]]
            raise top.error(
                f"has no place at the role {role.value}, only at {' and '.join(homes)}; remove it",
                key,
            )
    for key in ("coordinator", "data"):
        if key in SECTIONS[role] and key not in top.values:
            raise top.error(f"is missing; write the section [{key}]", key)


def _endpoint(section: Section, default_host: str | None) -> Endpoint:
    section.only("host", "flower_port", "hub_port")
    endpoint = Endpoint(
        host=section.host("host", default_host),
        flower_port=section.port("flower_port", FLOWER_PORT),
        hub_port=section.port("hub_port", HUB_PORT),
    )
    if endpoint.flower_port == endpoint.hub_port:
        raise section.error("is flower_port too; give each a port of its own", "hub_port")
    return endpoint


def _data(
    section: Section, role: Role, name: str
) -> ItemPartyDescription | PartnerDescription | None:
    if role is Role.COORDINATOR:
        return None
    if role is Role.PARTNER:
        section.only("users", "sensitive", "columns")
        return PartnerDescription(
            name=name,
            users=section.path("users"),
            sensitive=section.texts("sensitive"),
            columns=_kinds(section, "columns"),
        )
    section.only("events", "items", "users", "triples", "item_columns", "user_columns")
    return ItemPartyDescription(
        events=section.path("events"),
        items=section.optional_path("items"),
        users=section.optional_path("users"),
        triples=section.optional_path("triples"),
        item_columns=_kinds(section, "item_columns"),
        user_columns=_kinds(section, "user_columns"),
    )


def _kinds(section: Section, key: str) -> Kinds:
    declared = section.table(key)
    names = [kind.value for kind in ColumnKind]
    for column, kind in declared.values.items():
        if kind not in names:
            raise declared.error(f"{kind!r} is no kind; write one of {', '.join(names)}", column)
    return {column: ColumnKind(kind) for column, kind in declared.values.items()}


def _policy(section: Section) -> Policy:
    caps = tuple(CAPS.values())
    agreed = ("profiles", "schemes", "accept_single_partner", "min_cohort", "apps")
    section.only(*agreed, *caps)
    default = Policy()
    return Policy(
        profiles=_choices(section, "profiles", default.profiles),
        schemes=_choices(section, "schemes", default.schemes),
        accept_single_partner=section.flag(
            "accept_single_partner", default=default.accept_single_partner
        ),
        min_cohort=section.integer("min_cohort", default.min_cohort, range(1, 65)),
        apps=_apps(section),
        **{key: section.integer(key, getattr(default, key), range(1, 10**9 + 1)) for key in caps},
    )


def _choices(section: Section, key: str, default: tuple[Choice, ...]) -> tuple[Choice, ...]:
    kind = type(default[0])
    known = {member.value: member for member in kind}
    values = section.texts(key, tuple(member.value for member in default))
    for value in values:
        if value not in known:
            raise section.error(f"{value!r} is not one of {', '.join(known)}", key)
    if not values:
        raise section.error(f"is empty: no run could start; name some of {', '.join(known)}", key)
    return tuple(known[value] for value in values)


def _apps(section: Section) -> tuple[str, ...] | None:
    if "apps" not in section.values:
        return None
    hashes = section.texts("apps")
    for each in hashes:
        if not APP_HASH.fullmatch(each):
            raise section.error(f"{each!r} is no SHA-256: write 64 digits of 0-9 and a-f", "apps")
    return hashes


def _own(section: Section) -> Mapping[str, object]:
    values = _settings(section)
    for key in values:
        if key not in OWN_KEYS:
            raise section.error(f"is no choice of one party; {close_to(key, OWN_KEYS)}", key)
    return values


def _run(section: Section) -> Mapping[str, Any]:
    _settings(section)
    return section.values


def _settings(section: Section) -> dict[str, object]:
    """Run settings by dotted keys, each of which a run can have."""
    values: dict[str, object] = {}
    try:
        for key, value in leaves(section.values):
            values[key] = value
            put_settings(RunConfig(), {key: value})
    except SettingError as error:
        raise section.error(f"{error} (docs/settings.md lists every key)") from error
    return values


def _experiment(section: Section, role: Role) -> Experiment:
    section.only("repeatable", "cold_share")
    if role is Role.PARTNER and "cold_share" in section.values:
        raise section.error("is the item party's to choose; remove it", "cold_share")
    return Experiment(
        repeatable=section.flag("repeatable", default=False),
        cold_share=section.share("cold_share"),
    )


def _health(section: Section) -> int:
    section.only("port")
    return section.port("port", HEALTH_PORT)
