"""Where sequence encoders begin: the same weights for the same generator."""

from typing import Final

import torch
from torch import nn

INIT_STD: Final = 0.02  # as in the published SASRec code and in most transformers since


def draw_first_weights(module: nn.Module, generator: torch.Generator) -> None:
    """Draw every linear layer's weights anew, and set its bias to 0.

    What torch draws when a layer is made comes from the process's generator, which others use.
    """
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, std=INIT_STD, generator=generator)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
