"""The protection a run uses, and what each profile promises."""

from enum import Enum


class Profile(Enum):
    """Which protection every message of a run has (see THREATS.md)."""

    STRICT = "strict"
    FROZEN = "frozen"
    PLAIN = "plain"

    @property
    def protected(self) -> bool:
        """Whether partners' embeddings are summed under encryption."""
        return self is not Profile.PLAIN

    @property
    def trains_partners(self) -> bool:
        """Whether anything flows back to the partners during training."""
        return self is not Profile.FROZEN
