"""Item vectors that histories and targets share."""

import numpy as np
import torch
from torch import Tensor, nn

from towers.errors import FeatureError
from towers.features import Floats
from towers.first_weights import INIT_STD, draw_first_weights


class ItemTable(nn.Module):
    """One vector an item, from its number and, if there are any, its side features.

    Args:
        items: how many there are.
        dim: width of a vector.
        side: (items, f) features, finite; they are concatenated to the number's vector and
            mapped back to `dim`, so an item never seen in training still has some.
        generator: where first weights come from.

    Raises:
        FeatureError: `side` has other rows, or holds NaN or infinity.
    """

    side: Tensor | None

    def __init__(
        self, items: int, dim: int, *, side: Floats | None, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.ids = nn.Parameter(torch.empty(items, dim))
        nn.init.normal_(self.ids, std=INIT_STD, generator=generator)
        self.mix: nn.Linear | None = None
        self.register_buffer("side", None)
        if side is not None:
            if len(side) != items or not np.isfinite(side).all():
                raise FeatureError(f"side features need {items} rows of finite numbers")
            self.side = torch.from_numpy(side.astype(np.float32))
            self.mix = nn.Linear(dim + side.shape[1], dim, bias=False)
            draw_first_weights(self.mix, generator)
            with torch.no_grad():
                self.mix.weight[:, :dim] += torch.eye(dim)

    def forward(self, items: Tensor) -> Tensor:
        """Vectors of item numbers of any shape: (…, dim)."""
        vectors = nn.functional.embedding(items, self.ids)
        if self.mix is None or self.side is None:
            return vectors
        mixed: Tensor = self.mix(torch.cat([vectors, self.side[items]], dim=-1))
        return mixed
