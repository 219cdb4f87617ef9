"""Sampled softmax of foreseen items against negatives that a whole batch shares."""

import torch
from torch import Tensor

from towers.loss import Negatives


def next_item_loss(
    queries: Tensor, vectors: Tensor, targets: Tensor, negatives: Negatives, pool: Tensor
) -> Tensor:
    """Mean cross-entropy of each target against itself and the negatives.

    An item's score is its best inner product with any of the user's vectors. Negatives that are
    the target count nothing, and all others by the inverse of their chance of being drawn, so
    the sum over them stands for the sum over the catalogue.

    Args:
        queries: (T, K, dim).
        vectors: (T, dim) of the targets.
        targets: (T,) item numbers.
        negatives: the (s,) items drawn for the batch, at least one.
        pool: (s, dim) their vectors.

    Returns:
        A number.

    Source: Jean et al., On using very large target vocabulary (ACL 2015).
    """
    own = torch.einsum("tkd,td->tk", queries, vectors).amax(dim=1)
    correction = torch.from_numpy(-negatives.log_inclusion)
    asked, interests, dim = queries.shape
    others = torch.addmm(correction, queries.reshape(-1, dim), pool.T)
    if interests > 1:
        others = others.view(asked, interests, -1).amax(dim=1)
    drawn = torch.from_numpy(negatives.songs)
    place = torch.searchsorted(drawn, targets).clamp(max=len(drawn) - 1)
    hit = torch.nonzero(drawn[place] == targets).squeeze(1)
    others = others.index_put((hit, place[hit]), torch.tensor(-torch.inf))
    return torch.nn.functional.softplus(torch.logsumexp(others, dim=1) - own).mean()
