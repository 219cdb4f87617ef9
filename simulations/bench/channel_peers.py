"""Trains one peer's recommender; run in an interpreter that has it, and imports it only there.

`python channel_peers.py PEER SETTINGS PLAYS LISTS` reads (users, items) plays from a file of
scipy's, trains on one thread, and writes (users, k) item numbers, best first, without what a
user played already.
"""

import json
import sys
from collections.abc import Callable, Mapping
from importlib import import_module

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

Scores = npt.NDArray[np.float32]
Train = Callable[[sp.csr_matrix, Mapping[str, float]], Scores]

K = 50


def implicit_als(plays: sp.csr_matrix, settings: Mapping[str, float]) -> Scores:
    """`implicit`: alternating least squares (Hu et al., ICDM 2008)."""
    model = import_module("implicit.als").AlternatingLeastSquares(
        factors=int(settings["factors"]),
        regularization=settings["regularization"],
        alpha=settings["alpha"],
        iterations=int(settings["iterations"]),
        num_threads=1,
        random_state=0,
    )
    model.fit(plays, show_progress=False)
    return np.asarray(model.user_factors @ model.item_factors.T)


def lightfm_warp(plays: sp.csr_matrix, settings: Mapping[str, float]) -> Scores:
    """`lightfm-next`: factors by the WARP loss (Kula 2015; Weston et al., IJCAI 2011)."""
    model = import_module("lightfm").LightFM(
        no_components=int(settings["factors"]),
        loss="warp",
        learning_rate=settings["learning_rate"],
        item_alpha=settings["penalty"],
        user_alpha=settings["penalty"],
        random_state=0,
    )
    model.fit(sp.coo_matrix(plays), epochs=int(settings["epochs"]), num_threads=1)
    return np.asarray(model.user_embeddings @ model.item_embeddings.T + model.item_biases)


PEERS: Mapping[str, Train] = {"implicit": implicit_als, "lightfm-next": lightfm_warp}


def main(peer: str, settings: str, source: str, target: str) -> None:
    """Train, rank and write."""
    plays = sp.csr_matrix(sp.load_npz(source) > 0).astype(np.float32)
    scores = PEERS[peer](plays, json.loads(settings))
    scores[plays.nonzero()] = -np.inf
    best = np.argpartition(-scores, K, axis=1)[:, :K]
    order = np.argsort(-np.take_along_axis(scores, best, axis=1), axis=1, kind="stable")
    np.save(target, np.take_along_axis(best, order, axis=1).astype(np.int64))


if __name__ == "__main__":
    main(*sys.argv[1:])
