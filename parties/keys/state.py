"""What a key folder is good for at present, for people: nothing secret, and no reason to fail."""

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

from parties.errors import KeysError
from parties.keys.folder import AUTHORITY_CERTIFICATE, TLS_CERTIFICATE, own_card
from parties.keys.loading import check_secrets, load_keys
from parties.keys.roster import RosterEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyState:
    """A party's card, and whether its keys could be used now.

    Args:
        card: its entry for the roster.
        expires: when its certificate ends, UTC; None without a usable one.
        warnings: what must be seen to soon.
        signed: whether both certificates are there, usable or not.
        problem: why the keys could not be used; None if they can.
    """

    card: RosterEntry
    expires: dt.datetime | None = None
    warnings: tuple[str, ...] = ()
    signed: bool = True
    problem: KeysError | None = None


def key_state(folder: Path, *, now: dt.datetime | None = None) -> KeyState:
    """Look at a party's key folder.

    Raises:
        KeysError: it has no card that could be shown.
    """
    card = own_card(folder)
    certificates = (folder / TLS_CERTIFICATE, folder / AUTHORITY_CERTIFICATE)
    signed = all(path.exists() for path in certificates)
    try:
        if not signed:
            check_secrets(folder, card)
            return KeyState(card=card, signed=False)
        keys = load_keys(folder, now=now)
    except KeysError as error:
        return KeyState(card=card, signed=signed, problem=error)
    return KeyState(card=card, expires=keys.expires, warnings=keys.warnings)
