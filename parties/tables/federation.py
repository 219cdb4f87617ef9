"""A whole federation's tables in one place, as simulations have them."""

from dataclasses import dataclass
from pathlib import Path

from parties.errors import DescriptionError
from parties.tables.description import read_description
from parties.tables.item_party import ItemTables, read_item_party
from parties.tables.partner import PartnerTable, read_partner


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FederationTables:
    """The item party's and every partner's tables.

    Raises:
        DescriptionError: no partner, two of one name, or a partner column that the item party's
            own user table also has.
    """

    name: str
    item: ItemTables
    partners: tuple[PartnerTable, ...]

    def __post_init__(self) -> None:
        names = [partner.name for partner in self.partners]
        if not names:
            raise DescriptionError("a federation needs at least one partner")
        if len(set(names)) < len(names):
            raise DescriptionError(f"two partners share a name; rename one of {sorted(names)}")
        own = set(self.item.users.columns) if self.item.users else set()
        for partner in self.partners:
            if shared := sorted(own.intersection(partner.features.columns)):
                raise DescriptionError(
                    f"column {shared[0]!r} is both partner {partner.name}'s and the item party's; "
                    "rename one, so that a report can tell them apart"
                )


def read_federation(folder: Path) -> FederationTables:
    """Read every table that `federation.toml` in `folder` names.

    Raises:
        DataError: the description or a table cannot be used; the message names file, column and
            line.
    """
    description = read_description(folder)
    item = read_item_party(description.item_party)
    partners = tuple(read_partner(partner) for partner in description.partners)
    try:
        return FederationTables(name=description.name, item=item, partners=partners)
    except DescriptionError as error:
        raise DescriptionError(error.problem, file=description.file) from error
