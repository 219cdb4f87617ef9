"""Checks of what a node trusts and lets run: keys, roster, applications, the run itself."""

from federation.errors import SettingError
from federation.exchange.flower_bundle import bundle_hash
from parties.ciphers import check_ciphers
from parties.cohort import check_cohort
from parties.errors import PartiesError
from parties.keys.fingerprint import grouped
from parties.keys.loading import PartyKeys, check_on_roster
from parties.keys.roster import Roster
from parties.node.examined import Examined, parted
from parties.node.findings import Finding, failed, passed, skipped, warned


def check_keys(examined: Examined) -> Finding:
    """Keys and certificates load, fit each other and the clock, and are this party's."""
    keys, party = examined.keys, examined.party
    if isinstance(keys, PartiesError):
        return failed("keys", *parted(keys, "docs/keys.md tells how keys are made"))
    if (keys.name, keys.role) != (party.name, party.role):
        return failed(
            "keys",
            f"{party.keys} holds the keys of {keys.role.value} {keys.name!r}",
            "correct name and role, or keys, in party.toml",
        )
    detail = f"certificate until {keys.expires:%Y-%m-%d}"
    if keys.warnings:
        return warned("keys", detail, "; ".join(keys.warnings))
    return passed("keys", detail)


def check_roster(examined: Examined) -> Finding:
    """The roster has this party under the public keys that it holds."""
    roster, keys, party = examined.roster, examined.keys, examined.party
    if isinstance(roster, PartiesError):
        return failed("roster", *parted(roster, "get the roster that the other parties have"))
    try:
        roster.entry(party.name)
        if isinstance(keys, PartyKeys):
            check_on_roster(keys, roster)
    except PartiesError as error:
        return failed("roster", *parted(error, "let this party's card be put on the roster"))
    everyone = ", ".join(roster.names)
    if not isinstance(keys, PartyKeys):
        return warned("roster", everyone, "load this party's keys, to compare them with it")
    return passed("roster", f"{everyone}; fingerprint {_short(roster)} at every party")


def check_apps(examined: Examined) -> Finding:
    """The bundle that this version ships is one that this node runs."""
    apps, shipped = examined.party.policy.apps, bundle_hash()
    if apps is None:
        return passed("apps", f"only this version's own, {shipped}")
    if shipped not in apps:
        return warned(
            "apps",
            f"{len(apps)} allowed, and not the one that this version ships",
            f'add "{shipped}" to policy.apps, or remove the key',
        )
    return passed("apps", f"{len(apps)} allowed, this version's own among them")


def check_run(examined: Examined) -> Finding:
    """The coordinator's [run] can be run with the partners on the roster."""
    roster, run = examined.roster, examined.party.run_config()
    if isinstance(roster, PartiesError):
        return skipped("run", "needs a roster")
    try:
        check_cohort(run, roster.partners)
        check_ciphers(run, len(roster.partners))
    except SettingError as error:
        return failed("run", str(error), "change [run] in party.toml")
    partners = f"{len(roster.partners)} partner{'s' * (len(roster.partners) != 1)}"
    return passed("run", f"profile {run.profile.value}, {partners}")


def _short(roster: Roster) -> str:
    return " ".join(grouped(roster.fingerprint()).split()[:4]) + " …"
