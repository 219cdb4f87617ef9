"""`fedrecall node init` and `fedrecall node check`: a node's file, and whether it can run."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from shlex import quote
from typing import Annotated

import typer
from rich.console import Console

from federation.errors import SettingError
from parties.errors import KeysError
from parties.keys.folder import AUTHORITY_CERTIFICATE, TLS_CERTIFICATE, TLS_REQUEST, NewParty
from parties.keys.folder import make_keys as make_key_folder
from parties.node.checks import all_well, as_json, check_node
from parties.node.examined import CheckLimits
from parties.node.findings import Finding, Outcome
from parties.node.party_file import Endpoint, PartyFile, party_file_at, read_party_file
from parties.node.template import ANY_ADDRESS, NewNode, endpoint_of, write_party_file
from parties.role import Role
from simulations.cli.complaints import FAILURE, say

TITLE_WIDTH = 13


def init(
    folder: Annotated[Path, typer.Argument(help="The node's folder.")],
    role: Annotated[Role, typer.Option(help="What this party is in the federation.")],
    name: Annotated[str | None, typer.Option(help="A partner's name on the roster.")] = None,
    coordinator: Annotated[
        str | None,
        typer.Option(
            metavar="HOST[:FLOWER_PORT[:HUB_PORT]]",
            help="Where the coordinator is reached; an IPv6 address in brackets.",
        ),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="The partner's users, or the item party's events.")
    ] = None,
    keys: Annotated[bool, typer.Option("--keys", help="Make this party's keys too.")] = False,
) -> None:
    """Write a commented party.toml and say what comes next; overwrites nothing."""
    endpoint = _endpoint(role, coordinator)
    node = NewNode(
        role=role,
        name=_name(role, name),
        coordinator=_listening(endpoint) if role is Role.COORDINATOR else endpoint,
        data=_data(role, data),
    )
    hosts = (endpoint.host,) if role is Role.COORDINATOR and coordinator else ()
    file = write_party_file(folder, node)
    say(f"wrote {file}")
    party = read_party_file(file)
    if keys:
        _make_keys(party, hosts)
    for number, step in enumerate(_next_steps(folder, party, hosts, keys=keys), start=1):
        say(f"{number}. {step}")


def check(
    folder: Annotated[Path, typer.Argument(help="The node's folder, or its party.toml.")] = Path(),
    timeout: Annotated[
        float, typer.Option(min=0.1, help="Seconds each step of reaching a port may take.")
    ] = CheckLimits().timeout_s,
    machine: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Verify a node's configuration, data, keys, clock, lines and versions; say what to mend."""
    findings = []
    with Console(stderr=True).status("checking …"):
        for finding in check_node(party_file_at(folder), CheckLimits(timeout_s=timeout)):
            findings.append(finding)
            if not machine:
                _show(finding)
    if machine:
        sys.stdout.write(json.dumps(as_json(findings), indent=2, ensure_ascii=False) + "\n")
    if not all_well(findings):
        raise typer.Exit(FAILURE)


def _show(finding: Finding) -> None:
    say(f"{finding.outcome.value} {finding.check:{TITLE_WIDTH}} {finding.detail}")
    if finding.outcome in (Outcome.FAILED, Outcome.WARNED):
        say(f"{'':{TITLE_WIDTH + 2}} → {finding.remedy}")


def _name(role: Role, name: str | None) -> str:
    if role is Role.PARTNER and not name:
        raise SettingError("a partner needs a name: --name NAME")
    return name or ""


def _endpoint(role: Role, text: str | None) -> Endpoint:
    if text is None:
        if role is not Role.COORDINATOR:
            raise SettingError("--coordinator HOST says where this node dials; it is needed")
        return Endpoint(host=ANY_ADDRESS)
    try:
        return endpoint_of(text)
    except ValueError as error:
        raise SettingError(
            f"--coordinator {text}: write HOST, HOST:PORT or HOST:PORT:PORT ({error})"
        ) from error


def _listening(endpoint: Endpoint) -> Endpoint:
    # The host is how others reach it, which often is no address of its own.
    return Endpoint(host=ANY_ADDRESS, flower_port=endpoint.flower_port, hub_port=endpoint.hub_port)


def _data(role: Role, data: Path | None) -> Path | None:
    if role is Role.COORDINATOR and data is not None:
        raise SettingError("the coordinator holds no data; leave out --data")
    return data


def _make_keys(party: PartyFile, hosts: tuple[str, ...]) -> None:
    try:
        make_key_folder(party.keys, NewParty(name=party.name, role=party.role, hosts=hosts))
    except KeysError:
        party.file.unlink()  # nothing stays half-done
        raise
    say(f"made keys in {party.keys}; files that end in .key never leave it")


def _next_steps(
    folder: Path, party: PartyFile, hosts: tuple[str, ...], *, keys: bool
) -> Iterator[str]:
    here, own = quote(str(folder)), quote(str(party.keys))
    if not keys:
        named = f" --name {party.name}" if party.role is Role.PARTNER else ""
        at = "".join(f" --host {host}" for host in hosts) or " --host HOST"
        reached = at if party.role is Role.COORDINATOR else ""
        yield f"make keys:  fedrecall keys new {own} --role {party.role.value}{named}{reached}"
    yield (
        f"send {party.keys / TLS_REQUEST} to whoever keeps the run's authority (fedrecall keys "
        f"sign), and put what comes back beside it as {TLS_CERTIFICATE} and "
        f"{AUTHORITY_CERTIFICATE}"
    )
    yield (
        f"send what this prints to everyone:  fedrecall keys show {own}  and put the roster made "
        f"of all cards (fedrecall keys roster) at {party.roster}"
    )
    yield f"go through {party.file}, then:  fedrecall node check {here}"
    yield f"start it:  fedrecall node up {here}"
    if party.role is Role.COORDINATOR:
        yield f"when all nodes are up:  fedrecall node run {here}"
