"""What a federation is measured against, trained in one process with nothing hidden.

They use the run's own mathematics, schedule and splits, so a difference to the federated system
is a difference in what a system knows, not in how it was trained. Only the ceiling is trained in
another way, whatever the profile: end to end, on raw features too, and for longer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from parties.batches import BatchPlan
from parties.config import ITEM, RunConfig
from parties.data import ItemData, PartnerData
from parties.labels import side_codes, slot_labels
from parties.seeds import derive_seed, party_seed
from towers.central import CentralConfig, central_sides
from towers.encoders import fit_encoder
from towers.features import Features, Floats
from towers.pooled import (
    EpochReport,
    FixedPartner,
    LocalPartner,
    UserSide,
    pooled_queries,
    train_pooled,
)
from towers.training import ItemTrainer

Ids = npt.NDArray[np.int64]
# The ceiling may take its time: its steps cost no exchange.
CENTRAL_LENGTH: Final = 1.5
CENTRAL_PATIENCE: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """A trained system.

    Args:
        queries: (n, d + 1) query vectors, one a user.
        items: (m, d + 1) index vectors.
        history: one entry an epoch.
    """

    queries: Floats = field(repr=False)
    items: Floats = field(repr=False)
    history: tuple[EpochReport, ...]


def slots_of_users(config: RunConfig, users: int) -> Ids:
    """(n,) the slot the item party's alignment will give each of its users in a simulation."""
    rng = np.random.default_rng(party_seed(config.seed, ITEM))
    return rng.permutation(users).astype(np.int64)


class Nobody:
    """A user side that knows nothing: what the item party is without partners."""

    def __init__(self, dim: int) -> None:
        self._dim = dim

    def forward(self, slots: Ids) -> Floats:
        """Zeros."""
        return np.zeros((len(slots), self._dim), np.float32)

    def backward(self, slots: Ids, gradient: Floats) -> None:
        """Learn nothing."""

    def embed(self, slots: Ids) -> Floats:
        """Zeros."""
        return self.forward(slots)

    def keep(self) -> None:
        """There is nothing to remember."""

    def restore(self) -> None:
        """There is nothing to go back to."""


class Pool:
    """All parties' data in one place, for one split."""

    def __init__(
        self, config: RunConfig, item: ItemData, partners: Mapping[str, PartnerData]
    ) -> None:
        self._asked = config
        self._plan = BatchPlan(config, len(item.users))
        self._config, self._item, self._partners = self._plan.paced, item, partners
        self._slot_of_user = slots_of_users(config, len(item.users))
        self._number = {user: number for number, user in enumerate(item.users)}

    @property
    def slots(self) -> Ids:
        """(n,) the slot of each user, the same as in the federated run."""
        return self._slot_of_user

    def own(self) -> Trained:
        """The item party alone, with its own user features."""
        return self.train([Nobody(self._config.dim)])

    def partner(self, name: str) -> Trained:
        """The item party with one partner."""
        return self.train([self.side(name)])

    def shuffled(self) -> Trained:
        """All partners, each with its users' features dealt out anew: no lift may be left."""
        return self.train([self.side(name, shuffle=True) for name in self._partners])

    def central(self) -> Trained:
        """Everybody's raw features and codes, learnt end to end and for longer: the ceiling."""
        longer = Pool(_lengthened(self._asked), self._item, self._partners)
        return longer.train(longer.raw_sides())

    def raw_sides(self) -> list[UserSide]:
        """Every partner's raw features and codes, learning without anything in between."""
        config = self._config
        return central_sides(
            [self.features(name) for name in self._partners],
            config.dim,
            CentralConfig(
                encoder=config.encoder,
                projection=config.projection,
                decay_steps=config.projection.decay_steps,
            ),
            seed=derive_seed(config.seed, "central"),
        )

    def side(self, name: str, *, shuffle: bool = False) -> UserSide:
        """A partner's encoder output and projection, as in the federated run."""
        seed = party_seed(self._config.seed, name)
        phi = fit_encoder(self._partners[name].features, self._config.encoder, seed=seed)
        if shuffle:
            phi = np.random.default_rng(derive_seed(seed, "shuffled")).permutation(phi)
        by_slot = np.zeros((len(self._item.users), phi.shape[1]), np.float32)
        rows, slots = self.shared(name)
        by_slot[slots] = phi[rows]
        if not self._config.profile.trains_partners:
            return FixedPartner(by_slot, self._config.dim, seed=seed)
        return LocalPartner(by_slot, self._config.dim, self._config.projection, seed=seed)

    def shared(self, name: str) -> tuple[Ids, Ids]:
        """Rows of a partner's users whom the item party knows too, and their slots."""
        numbers = [self._number.get(user, -1) for user in self._partners[name].identifiers]
        numbered = np.array(numbers, dtype=np.int64)
        rows = np.flatnonzero(numbered >= 0)
        return rows, self._slot_of_user[numbered[rows]]

    def features(self, name: str) -> Features:
        """A partner's raw features in slot order; users it does not know are empty."""
        rows, slots = self.shared(name)
        raw = self._partners[name].features
        users = len(self._item.users)
        places = (np.ones(len(rows), np.float32), (slots, rows))
        selection = sp.csr_array(places, shape=(users, raw.rows))
        dense = np.full((users, raw.dense.shape[1]), np.nan, np.float32)
        dense[slots] = raw.dense[rows]
        return Features(multi_hot=sp.csr_array(selection @ raw.multi_hot), dense=dense)

    def trainer(self) -> ItemTrainer:
        """The item party's model, started as in the federated run."""
        config = self._config
        side = side_codes(self._item.own, self._item.songs, config)
        labels = slot_labels(self._item.listening, self._slot_of_user, side, config)
        return ItemTrainer(config.trainer, labels, seed=derive_seed(config.seed, "trainer"))

    def train(self, sides: Sequence[UserSide]) -> Trained:
        """Train a system on some user sides."""
        trainer = self.trainer()
        history = train_pooled(
            trainer,
            sides,
            self._plan.schedule,
            epochs=self._config.training.epochs,
            stopping=self._config.training.stopping,
        )
        slots = np.arange(len(self._item.users), dtype=np.int64)
        queries = pooled_queries(trainer, sides, slots)
        return Trained(
            queries=queries[self._slot_of_user],
            items=trainer.item_matrix(),
            history=tuple(history),
        )


def _lengthened(config: RunConfig) -> RunConfig:
    training = config.training
    patience = max(training.stopping.patience, CENTRAL_PATIENCE)
    return replace(
        config,
        training=replace(
            training,
            epochs=round(training.epochs * CENTRAL_LENGTH),
            stopping=replace(training.stopping, patience=patience),
        ),
    )
