"""`fedrecall keys …`: make, show, sign and check the keys of a party; never prints a secret."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from shlex import quote
from typing import Annotated

import typer

from federation.errors import SettingError
from parties.keys import (
    CERTIFICATE_DAYS,
    Authority,
    KeyState,
    NewParty,
    Terms,
    fingerprint,
    grouped,
    key_state,
    make_authority,
    make_keys,
    make_roster,
    open_authority,
    read_card,
    renew_request,
    request_of,
    rotate_keys,
    sign_request,
    write_public,
)
from parties.keys.authority import AUTHORITY_DAYS, AUTHORITY_KEY
from parties.keys.files import refuse_existing
from parties.keys.folder import TLS_REQUEST
from parties.role import Role
from simulations.cli.complaints import say

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Hosts = Annotated[
    list[str] | None,
    typer.Option("--host", help="A name or address the coordinator is reached at; repeatable."),
]


@app.callback()
def group() -> None:
    """Make, show, sign and check the keys of a party.

    docs/keys.md walks through the key ceremony of a federation, step by step.
    """


@app.command()
def new(  # noqa: PLR0913, PLR0917 - one parameter an option
    folder: Annotated[Path, typer.Argument(help="The key folder.")],
    name: Annotated[str | None, typer.Option(help="The party's name, or the authority's.")] = None,
    role: Annotated[Role | None, typer.Option(help="What the party is in the run.")] = None,
    hosts: Hosts = None,
    authority: Annotated[
        bool, typer.Option("--authority", help="Make a run's authority instead of a party.")
    ] = False,
    days: Annotated[
        int | None, typer.Option(help=f"How long an authority holds; {AUTHORITY_DAYS}.")
    ] = None,
    rotate: Annotated[
        bool, typer.Option("--rotate", help="Make new keys and put the old ones aside.")
    ] = False,
) -> None:
    """Make all keys of a party, or those of a run's authority; overwrites nothing."""
    if days is not None and not authority:
        raise SettingError("--days goes with --authority; a party's days are given by keys sign")
    if authority:
        _refuse_with("--authority", {"--role": role, "--host": hosts, "--rotate": rotate})
        _new_authority(folder, name, AUTHORITY_DAYS if days is None else days)
    elif rotate:
        _refuse_with("--rotate", {"--name": name, "--role": role})
        card, old = rotate_keys(folder, hosts=hosts)
        say(f"the old keys are in {old}; destroy them once no run needs them")
        _say_new(folder, card.tls_pin)
    else:
        card = make_keys(folder, _new_party(name, role, hosts or []))
        _say_new(folder, card.tls_pin)


@app.command()
def show(
    folder: Annotated[Path, typer.Argument(help="A party's key folder, or an authority's.")],
    as_json: AsJson = False,
) -> None:
    """Show a party's card for the roster, its fingerprint and when its certificate expires."""
    if (folder / AUTHORITY_KEY).exists():
        _show_authority(open_authority(folder), as_json=as_json)
        return
    state = key_state(folder)
    sys.stdout.write(_state_json(state) if as_json else _state_text(folder, state))
    if state.problem is not None:
        raise state.problem


@app.command()
def csr(
    folder: Annotated[Path, typer.Argument(help="A party's key folder.")],
    hosts: Hosts = None,
) -> None:
    """Print the certificate request of a party; make it anew if it is missing or for new hosts."""
    path = folder / TLS_REQUEST
    if hosts or not path.exists():
        renew_request(folder, hosts=hosts or [])
    request_of(folder)  # nothing damaged is ever sent
    sys.stdout.write(path.read_text(encoding="ascii"))


@app.command()
def sign(
    authority: Annotated[Path, typer.Argument(help="The authority's folder.")],
    request: Annotated[Path, typer.Argument(help="The certificate request to sign.")],
    out: Annotated[
        Path | None, typer.Option(help="Where the certificate goes; else beside the request.")
    ] = None,
    days: Annotated[int, typer.Option(help="How long it holds.")] = CERTIFICATE_DAYS,
    expected: Annotated[
        str | None,
        typer.Option("--fingerprint", help="What the party read out; refused if it differs."),
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="The party rotated its key: certify the new one.")
    ] = False,
) -> None:
    """Sign a party's certificate request with the run's authority."""
    target = request.with_suffix(".crt") if out is None else out
    refuse_existing([target])
    terms = Terms(days=days, fingerprint=expected, replace=replace)
    asked, certificate = sign_request(authority, request, terms)
    write_public(target, certificate)
    say(f"signed {asked.name}{' at ' + ', '.join(asked.hosts) if asked.hosts else ''}")
    say(f"fingerprint  {grouped(asked.pin)}")
    if expected is None:
        say("call the party and compare before you hand the certificate out")
    say(f"certificate  {target}, {days} days")


@app.command("fingerprint")
def show_fingerprint(
    path: Annotated[
        Path,
        typer.Argument(help="A certificate, request, public key, card, roster or key folder."),
    ],
    as_json: AsJson = False,
) -> None:
    """Show the fingerprint that people compare on the phone."""
    found = fingerprint(path)
    if as_json:
        _print_json({"kind": found.kind, "fingerprint": found.value.hex()})
    else:
        say(f"{grouped(found.value)}  {found.kind}")


@app.command()
def roster(
    cards: Annotated[list[Path], typer.Argument(help="Everyone's card, partners in order.")],
    out: Annotated[
        Path | None, typer.Option(help="Where the roster goes; it must not exist.")
    ] = None,
) -> None:
    """Check everyone's cards and join them into a roster."""
    made = make_roster([read_card(card) for card in cards])
    value = grouped(made.fingerprint())
    if out is None:
        sys.stdout.write(f"{made.text()}\n# fingerprint  {value}\n")
        return
    refuse_existing([out])
    write_public(out, made.text().encode())
    say(f"roster       {out}, {len(made.entries)} parties")
    say(f"fingerprint  {value}")


def _refuse_with(chosen: str, others: Mapping[str, object]) -> None:
    for option, value in others.items():
        if value:
            raise SettingError(f"{option} does not go with {chosen}")


def _new_authority(folder: Path, name: str | None, days: int) -> None:
    if name is None:
        raise SettingError('--authority needs a name: --name "our run"')
    made = make_authority(folder, name, days=days)
    say(f"made the authority in {folder}; {AUTHORITY_KEY} never leaves it")
    say(f"fingerprint  {grouped(made.pin)}")


def _new_party(name: str | None, role: Role | None, hosts: list[str]) -> NewParty:
    if role is None:
        raise SettingError("--role is needed: coordinator, item or partner")
    if name is None and role is Role.PARTNER:
        raise SettingError("a partner needs a name: --name NAME")
    return NewParty(name=name or role.value, role=role, hosts=hosts)


def _say_new(folder: Path, pin: bytes) -> None:
    path = quote(str(folder))
    say(f"made keys in {folder}; files that end in .key never leave it")
    say(f"fingerprint  {grouped(pin)}")
    say(f"next: send {folder / TLS_REQUEST} to whoever keeps the run's authority,")
    say(f"      and what this prints to everyone: fedrecall keys show {path}")


def _state_text(folder: Path, state: KeyState) -> str:
    """The card, and as comments what people want to know, so that all of it may be pasted."""
    lines = [f"# fingerprint  {grouped(state.card.tls_pin)}"]
    if state.expires is not None:
        lines.append(f"# certificate  valid until {state.expires:%Y-%m-%d %H:%M} UTC")
    elif state.signed:
        lines.append("# certificate  cannot be used now")
    else:
        lines.append(f"# certificate  none yet: let {folder / TLS_REQUEST} be signed")
    lines += [f"# warning      {warning}" for warning in state.warnings]
    return state.card.card() + "\n".join(lines) + "\n"


def _state_json(state: KeyState) -> str:
    entry = state.card
    values = {
        "name": entry.name,
        "role": entry.role.value,
        "card": entry.card(),
        "fingerprint": entry.tls_pin.hex(),
        "signed": state.signed,
        "expires": state.expires.isoformat() if state.expires else None,
        "warnings": state.warnings,
        "problem": str(state.problem) if state.problem else None,
    }
    return json.dumps(values, indent=2) + "\n"


def _show_authority(authority: Authority, *, as_json: bool) -> None:
    signed = authority.signed()
    if as_json:
        rows = [{"name": one.name, "tls": one.tls, "expires": one.expires} for one in signed]
        _print_json(
            {
                "authority": authority.name,
                "fingerprint": authority.pin.hex(),
                "expires": authority.expires.isoformat(),
                "signed": rows,
            }
        )
        return
    say(f"authority    {authority.name}")
    say(f"fingerprint  {grouped(authority.pin)}")
    say(f"valid until  {authority.expires:%Y-%m-%d %H:%M} UTC")
    for one in signed:
        say(f"signed       {one.name}  {grouped(bytes.fromhex(one.tls))}  until {one.expires}")


def _print_json(value: object) -> None:
    sys.stdout.write(json.dumps(value, indent=2) + "\n")
