"""All that the parties of a rehearsal would not want to be seen, gathered from their own disks."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from deploy.rehearsal.finder import Kind
from deploy.rehearsal.needles import (
    Gathered,
    item_texts,
    joined,
    number_needles,
    partner_embeddings,
    partner_texts,
)
from deploy.rehearsal.parties import Party
from parties.config import RunConfig
from parties.data import PartnerData
from parties.node.members import member_of
from parties.tables.description import ItemPartyDescription, PartnerDescription
from parties.tables.item_party import read_item_party
from parties.tables.partner import read_partner
from towers.features import Floats


def secrets_of(
    parties: Mapping[str, Party],
    config: RunConfig,
    stores: Mapping[str, Path],
    vectors: Sequence[Floats],
) -> Gathered:
    """Everything that the item party and the partners would not want to be seen.

    Args:
        parties: by name.
        config: of the run.
        stores: where each of them keeps its checkpoints of that run.
        vectors: (rows, d) matrices that the item party ended with.
    """
    parts = [number_needles(Kind.MODEL, vectors, config)]
    for name, party in parties.items():
        description = party.read().data
        if isinstance(description, ItemPartyDescription):
            parts.append(item_texts(read_item_party(description)))
        elif isinstance(description, PartnerDescription):
            parts.append(partner_texts(read_partner(description)))
            data = member_of(party.read()).data(config)
            if isinstance(data, PartnerData):
                blocks = partner_embeddings(name, data, config, stores[name])
                parts.append(number_needles(Kind.EMBEDDING, blocks, config))
    return joined(parts)
