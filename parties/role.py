"""What a party is in a federation."""

from enum import Enum


class Role(Enum):
    """The three kinds of party; each node plays one."""

    COORDINATOR = "coordinator"
    ITEM = "item"
    PARTNER = "partner"
