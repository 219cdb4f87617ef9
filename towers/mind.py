"""Several interests a user, by routing a history's items to capsules.

Source: Li et al., Multi-interest network with dynamic routing for recommendation at Tmall (CIKM
2019): one bilinear map shared by all pairs, routing logits drawn anew at each forward pass, fewer
interests for short histories. Label-aware attention is its limit of a high power: each candidate,
target and negative alike, is scored by its nearest interest, which is how interests are served
too. There are no user features beside the history.

Two things differ, without which interests end up alike and serve nobody better than one does.
Items are routed by sharpened cosine, each round's logits in place of the last's, where the paper
adds inner products with squashed capsules to what was drawn: learnt item vectors are so short that
those hardly move a logit. And an interest lies between its own items and the whole history: a few
items alone say little, and the whole is what one interest would be.
"""

import torch
from torch import Tensor, nn

from towers.first_weights import draw_first_weights
from towers.seeded_dropout import SeededDropout
from towers.sequence_config import MINDConfig
from towers.sequence_encoder import TrainingBatch, padding

SERVING_SEED = 0  # of the logits that whole histories are routed from


def interest_count(lengths: Tensor, most: int) -> Tensor:
    """(B,) interests for histories of given lengths: max(1, min(most, log2(length)))."""
    by_length = torch.log2(lengths.double()).floor().long()
    return by_length.clamp(min=1, max=most)


class MIND(nn.Module):
    """The encoder."""

    _serving: Tensor

    def __init__(self, config: MINDConfig, generator: torch.Generator) -> None:
        super().__init__()
        self._config = config
        self._generator = generator
        dim = config.dim
        self.bilinear = nn.Linear(dim, dim, bias=False)
        self.norm = nn.LayerNorm(dim)
        self.widen, self.narrow = nn.Linear(dim, 2 * dim), nn.Linear(2 * dim, dim)
        self.out = nn.LayerNorm(dim)
        draw_first_weights(self, generator)
        with torch.no_grad():
            self.bilinear.weight += torch.eye(dim)
        shape = (config.max_length, config.interests)
        fixed = torch.Generator().manual_seed(SERVING_SEED)
        serving = torch.randn(shape, generator=fixed) * config.logit_std
        self.register_buffer("_serving", serving)

    def foresee(self, batch: TrainingBatch, embedded: Tensor, drop: SeededDropout) -> Tensor:
        """See `SequenceEncoder.foresee`: one routing a target, over the items before it."""
        behaviour = self.bilinear(drop(embedded))[batch.rows]
        lengths = batch.places + 1
        shape = (*behaviour.shape[:2], self._config.interests)
        logits = torch.randn(shape, generator=self._generator) * self._config.logit_std
        interests = self._layers(self._route(behaviour, lengths, logits), drop)
        absent = padding(self._count(lengths), self._config.interests)
        return torch.where(absent[:, :, None], interests[:, :1], interests)

    def interests(self, embedded: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """See `SequenceEncoder.interests`: routed from the same logits every time."""
        logits = self._serving[: embedded.shape[1]].expand(len(lengths), -1, -1)
        routed = self._route(self.bilinear(embedded), lengths, logits)
        none = SeededDropout(0.0, torch.Generator())
        return self._layers(routed, none), self._count(lengths)

    def _count(self, lengths: Tensor) -> Tensor:
        if not self._config.dynamic:
            return torch.full_like(lengths, self._config.interests)
        return interest_count(lengths, self._config.interests)

    def _route(self, behaviour: Tensor, lengths: Tensor, logits: Tensor) -> Tensor:
        """(B, K, dim) capsules of (B, L, dim) mapped items; the first rounds have no gradient."""
        config = self._config
        absent = padding(self._count(lengths), config.interests)[:, None, :]
        missing = padding(lengths, behaviour.shape[1])[:, :, None]
        directions = nn.functional.normalize(behaviour.detach(), dim=2)
        for _ in range(config.rounds - 1):
            capsules = nn.functional.normalize(_gather(directions, logits, absent, missing), dim=2)
            logits = config.sharpness * torch.einsum("bkd,bld->blk", capsules, directions)
        own = _gather(behaviour, logits, absent, missing)
        whole = behaviour.masked_fill(missing, 0.0).sum(dim=1) / lengths[:, None]
        return whole[:, None, :].lerp(own, config.own_share)

    def _layers(self, capsules: Tensor, drop: SeededDropout) -> Tensor:
        users = self.norm(capsules)
        users = users + drop(self.narrow(torch.relu(self.widen(users))))
        found: Tensor = self.out(users)
        return found


def _gather(behaviour: Tensor, logits: Tensor, absent: Tensor, missing: Tensor) -> Tensor:
    """(B, K, dim) weighted means of the items, by their share in each capsule."""
    shares = logits.masked_fill(absent, -torch.inf).softmax(dim=2).masked_fill(missing, 0.0)
    sums = torch.einsum("blk,bld->bkd", shares, behaviour)
    # A capsule that a history does not have holds nothing to divide by.
    return sums / shares.sum(dim=1)[:, :, None].clamp(min=1e-6)
