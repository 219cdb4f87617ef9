"""The batches and step numbers of a run, the same for all parties.

Steps are numbered through the whole run: first the training steps of every epoch there could be,
then those of serving. A number therefore never stands for two batches.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from federation.crypto.gradient_config import USERS_PER_COLUMN
from federation.errors import SmallBatchError
from parties.ciphers import GROUP_ROWS
from parties.config import RunConfig
from parties.seeds import derive_seed
from towers.schedule import BatchSchedule

Groups = npt.NDArray[np.int64]


class BatchPlan:
    """Which groups of slots are in which step, and how fast the run learns in them.

    Args:
        config: the run.
        slots: of the item party.

    Attributes:
        schedule: the groups of each epoch's batches.
        paced: `config`, where learning rates that were left at 0 `decay_steps` fall over the
            whole training.
    """

    def __init__(self, config: RunConfig, slots: int) -> None:
        self._epochs = config.training.epochs
        self.schedule = BatchSchedule(
            slots=slots,
            group_rows=GROUP_ROWS,
            batch_groups=config.exchange.batch_groups,
            seed=derive_seed(config.seed, "schedule"),
        )

        self.paced = _pace(config, self._epochs * self.schedule.steps)

    @property
    def padded_slots(self) -> int:
        """Slots, with the last group filled up."""
        return self.schedule.groups * self.schedule.group_rows

    @property
    def steps(self) -> int:
        """Training steps an epoch."""
        return self.schedule.steps

    def fewest(self, slots: Groups) -> int:
        """How many of these slots are in the training batch that holds fewest of them."""
        by_group = np.bincount(slots // self.schedule.group_rows, minlength=self.schedule.groups)
        return min(
            int(by_group[groups].sum())
            for number in range(self._epochs)
            for groups in self.epoch(number)
        )

    def refuse_few(self, partner: str, shared: Groups, *, width: int) -> None:
        """Check that every batch holds enough of a partner's users for a sum without noise.

        Args:
            partner: its name.
            shared: slots of users it shares; the others' rows are zero and hide nobody.
            width: columns of the sum it gets back.

        Raises:
            SmallBatchError: a batch of the run holds fewer than 8 users a column.
        """
        fewest, needed = self.fewest(shared), USERS_PER_COLUMN * width
        if fewest < needed:
            raise SmallBatchError(
                f"{partner} has only {fewest} users in a batch; {width} columns without noise "
                f"need {needed}, or single gradients could be recovered from the sum. Take more "
                "exchange.batch_groups, a lower encoder.width, or profile frozen"
            )

    def epoch(self, number: int) -> list[Groups]:
        """The groups of each training step of an epoch, ascending within a step."""
        return self.schedule.epoch(number)

    def step(self, epoch: int, number: int) -> int:
        """The number of a training step in the run."""
        return epoch * self.schedule.steps + number

    def serving(self) -> Iterator[tuple[int, Groups]]:
        """Step number and groups of each batch that together hold every slot once."""
        first = self._epochs * self.schedule.steps
        groups = np.arange(self.schedule.groups, dtype=np.int64)
        for number, batch in enumerate(np.array_split(groups, self.schedule.steps)):
            yield first + number, batch

    def rows(self, groups: Groups) -> Groups:
        """The slots of some groups that a user sits in."""
        return self.schedule.rows(groups)

    def padded_rows(self, groups: Groups) -> Groups:
        """The slots of some groups, the empty ones behind the last user too."""
        size = self.schedule.group_rows
        return np.asarray((groups[:, None] * size + np.arange(size)).ravel(), np.int64)


def _pace(config: RunConfig, steps: int) -> RunConfig:
    trainer, projection = config.trainer, config.projection
    return replace(
        config,
        trainer=replace(trainer, decay_steps=trainer.decay_steps or steps),
        projection=replace(projection, decay_steps=projection.decay_steps or steps),
    )
