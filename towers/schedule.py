"""Which users train together: whole groups of consecutive slots, each once an epoch."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from towers.errors import ConfigError

Slots = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchSchedule:
    """Every group once an epoch, in batches drawn from a seed that all parties share.

    Nothing but the seed, the epoch and the number of slots decides a batch, so what a party
    is asked for says nothing of who listens how much.

    Args:
        slots: users in the alignment, at least 1.
        group_rows: slots a group; the last group may be shorter.
        batch_groups: groups a batch at most; batches of an epoch differ by one group at most.
        seed: the shared seed, at least 0.

    Raises:
        ConfigError: a number is out of range.
    """

    slots: int
    group_rows: int = 128
    batch_groups: int = 8
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("slots", "group_rows", "batch_groups"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1")
        if self.seed < 0:
            raise ConfigError("seed must be at least 0")

    @property
    def groups(self) -> int:
        """How many groups cover all slots."""
        return -(-self.slots // self.group_rows)

    @property
    def steps(self) -> int:
        """Batches an epoch."""
        return -(-self.groups // self.batch_groups)

    def epoch(self, number: int) -> list[Slots]:
        """The group numbers of each batch of one epoch, ascending within a batch."""
        rng = np.random.default_rng([self.seed, number])
        order = rng.permutation(self.groups).astype(np.int64)
        return [np.sort(batch) for batch in np.array_split(order, self.steps)]

    def rows(self, groups: Slots) -> Slots:
        """The slots of some groups, group after group."""
        firsts = groups[:, None] * self.group_rows + np.arange(self.group_rows)
        flat = firsts.ravel()
        return np.asarray(flat[flat < self.slots], dtype=np.int64)
