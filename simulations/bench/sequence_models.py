"""The sequence models that are measured, each as its defaults make it."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from towers.sequence_config import EncoderShape, MeanPoolingConfig, MINDConfig, SASRecConfig


class Model(StrEnum):
    """What may be trained."""

    SASREC = "sasrec"
    MIND = "mind"
    MEAN_POOLING = "mean-pooling"
    ALL = "all"


ONE_INTEREST: Final = "mind-one-interest"
SHAPES: Final[Mapping[str, EncoderShape]] = {
    Model.SASREC: SASRecConfig(),
    Model.MEAN_POOLING: MeanPoolingConfig(),
    Model.MIND: MINDConfig(),
    ONE_INTEREST: MINDConfig(interests=1),
}
