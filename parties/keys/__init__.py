"""Keys, certificates and the roster of a federation's parties."""

from parties.keys.authority import (
    Authority,
    Signed,
    Terms,
    make_authority,
    open_authority,
    sign_request,
)
from parties.keys.ceremony import make_federation_keys
from parties.keys.fingerprint import Fingerprint, fingerprint, grouped
from parties.keys.folder import NewParty, make_keys, renew_request, request_of, rotate_keys
from parties.keys.loading import PartyKeys, check_on_roster, load_keys
from parties.keys.roster import (
    Roster,
    RosterEntry,
    make_roster,
    read_card,
    read_roster,
)

__all__ = [
    "Authority",
    "Fingerprint",
    "NewParty",
    "PartyKeys",
    "Roster",
    "RosterEntry",
    "Signed",
    "Terms",
    "check_on_roster",
    "fingerprint",
    "grouped",
    "load_keys",
    "make_authority",
    "make_federation_keys",
    "make_keys",
    "make_roster",
    "open_authority",
    "read_card",
    "read_roster",
    "renew_request",
    "request_of",
    "rotate_keys",
    "sign_request",
]
