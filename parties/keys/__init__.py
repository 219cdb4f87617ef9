"""Keys, certificates and the roster of a federation's parties."""

from parties.keys.authority import (
    CERTIFICATE_DAYS,
    Authority,
    Signed,
    Terms,
    make_authority,
    open_authority,
    sign_request,
)
from parties.keys.ceremony import make_federation_keys
from parties.keys.files import write_public
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
from parties.keys.state import KeyState, key_state

__all__ = [
    "CERTIFICATE_DAYS",
    "Authority",
    "Fingerprint",
    "KeyState",
    "NewParty",
    "PartyKeys",
    "Roster",
    "RosterEntry",
    "Signed",
    "Terms",
    "check_on_roster",
    "fingerprint",
    "grouped",
    "key_state",
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
    "write_public",
]
