"""From a party.toml to what can take orders or host jobs."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from parties.config import ITEM, RunConfig
from parties.data import ItemData, PartnerData
from parties.errors import PartyFileError
from parties.events import Watcher, ignore_progress
from parties.keys.loading import PartyKeys, check_on_roster, load_keys
from parties.keys.roster import Roster, read_roster
from parties.listening import Ids, ItemListening, cold_users, item_listening, partner_data
from parties.node.hosting import Host
from parties.node.party_file import Endpoint, PartyFile
from parties.node.serving import Member
from parties.seeds import party_seed
from parties.tables.description import ItemPartyDescription, PartnerDescription
from parties.tables.item_party import read_item_party
from parties.tables.partner import read_partner


def member_of(party: PartyFile, watch: Watcher = ignore_progress) -> Member:
    """The node of an item party or partner.

    Raises:
        PartyFileError: this is the coordinator's file.
        KeysError: keys or roster cannot be used.
    """
    if party.coordinator is None or party.data is None:
        raise PartyFileError("is a coordinator's, which takes no orders", file=party.file)
    keys, roster = _trust(party)
    description = party.data

    def data(config: RunConfig) -> ItemData | PartnerData:
        if isinstance(description, PartnerDescription):
            return partner_data(read_partner(description))
        listening = own_listening(description)
        return listening.item_data(hidden_users(party, listening, config))

    def private_seed(config: RunConfig) -> int | None:
        # A seed that others know hides no weights; it only makes a run repeat a simulation.
        return party_seed(config.seed, party.name) if party.experiment.repeatable else None

    def adopt(settings: Mapping[str, Any]) -> RunConfig:
        return party.adopt(settings)

    return Member(
        keys=keys,
        roster=roster,
        hub=_address(party.coordinator),
        state=party.state,
        adopt=adopt,
        data=data,
        private_seed=private_seed,
        watch=watch,
    )


def host_of(party: PartyFile) -> Host:
    """The node of a coordinator.

    Raises:
        PartyFileError: this is another party's file.
        KeysError: keys or roster cannot be used.
    """
    if party.listen is None:
        raise PartyFileError("is no coordinator's, and hosts nothing", file=party.file)
    keys, roster = _trust(party)
    return Host(keys=keys, roster=roster, address=_address(party.listen))


def own_listening(description: ItemPartyDescription) -> ItemListening:
    """The item party's tables, by number."""
    return item_listening(read_item_party(description))


def hidden_users(party: PartyFile, listening: ItemListening, config: RunConfig) -> Ids:
    """(cold,) users whose listening an experiment hides from a run; none in production."""
    share = party.experiment.cold_share
    if party.name != ITEM or not share:
        return np.empty(0, np.int64)
    return cold_users(listening.weights, share, seed=config.seed)


def _trust(party: PartyFile) -> tuple[PartyKeys, Roster]:
    keys, roster = load_keys(party.keys), read_roster(party.roster)
    if keys.name != party.name:
        raise PartyFileError(
            f"is {keys.name!r} in {party.keys}, not {party.name!r}", file=party.file, key="name"
        )
    check_on_roster(keys, roster)
    return keys, roster


def _address(endpoint: Endpoint) -> str:
    host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
    return f"{host}:{endpoint.hub_port}"
