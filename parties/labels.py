"""What the item party trains on without the others: codes of its own, and labels by slot."""

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from parties.config import RunConfig
from parties.seeds import derive_seed
from towers.dssm import SideCodes
from towers.encoders import fit_encoder
from towers.features import Features, Floats
from towers.stopping import hold_out
from towers.training import Labels


def side_codes(own: Features | None, songs: Features | None, config: RunConfig) -> SideCodes:
    """Encode what the item party knows itself; nothing becomes a width of 0."""

    def encode(features: Features | None, purpose: str) -> Floats | None:
        if features is None:
            return None
        return fit_encoder(features, config.encoder, seed=derive_seed(config.seed, purpose))

    users, items = encode(own, "own"), encode(songs, "songs")
    empty = np.empty((0, 0), np.float32)
    return SideCodes(
        users=users if users is not None else empty, songs=items if items is not None else empty
    )


def slot_labels(
    listening: sp.csr_array,
    slot_of_user: npt.NDArray[np.int64],
    side: SideCodes,
    config: RunConfig,
) -> Labels:
    """Labels in slot order, split into what trains and what decides when to stop.

    Args:
        listening: (n, m) in user order.
        slot_of_user: (n,) permutation.
        side: the item party's codes, users in user order, or of width 0.
        config: validation share and seed.
    """
    user_of_slot = np.argsort(slot_of_user)
    by_slot = sp.csr_array(listening[user_of_slot], dtype=np.float32)
    train, validation = hold_out(
        by_slot,
        config.training.validation_share,
        seed=derive_seed(config.seed, "validation"),
    )
    users, songs = listening.shape
    own = side.users[user_of_slot] if side.users.size else np.empty((users, 0), np.float32)
    codes = side.songs if side.songs.size else np.empty((songs, 0), np.float32)
    return Labels(train=train, validation=validation, side=SideCodes(users=own, songs=codes))
