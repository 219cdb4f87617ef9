"""What left a party, counted by phase: the bytes of a run's cost and of an auditor's question."""

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Final

from federation.protocol.messages import (
    Activations,
    ClearGradients,
    ItemDoubled,
    ItemPoints,
    MaskedProducts,
    Message,
    PartnerDoubled,
    PartnerPoints,
    ProductSums,
    SealedGradients,
    Slots,
    SummedActivations,
)


class Stage(Enum):
    """What a message is for."""

    ALIGNMENT = "alignment"
    FORWARD = "forward"
    BACKWARD = "backward"
    CONTROL = "control"


STAGES: Final[Mapping[type[Message], Stage]] = MappingProxyType(
    {
        **dict.fromkeys(
            (ItemPoints, PartnerPoints, ItemDoubled, PartnerDoubled, Slots), Stage.ALIGNMENT
        ),
        **dict.fromkeys((Activations, SummedActivations), Stage.FORWARD),
        **dict.fromkeys(
            (ClearGradients, SealedGradients, MaskedProducts, ProductSums), Stage.BACKWARD
        ),
    }
)


class Traffic:
    """Frames and bytes one party has sent, by stage."""

    def __init__(self) -> None:
        self._bytes = dict.fromkeys(Stage, 0)
        self._frames = dict.fromkeys(Stage, 0)

    def count(self, message: Message, size: int) -> None:
        """Add one sent frame of `size` bytes."""
        stage = STAGES.get(type(message), Stage.CONTROL)
        self._bytes[stage] += size
        self._frames[stage] += 1

    def bytes_by_stage(self) -> dict[str, int]:
        """Bytes sent, frame headers and tags included."""
        return {stage.value: count for stage, count in self._bytes.items()}

    def frames_by_stage(self) -> dict[str, int]:
        """Frames sent."""
        return {stage.value: count for stage, count in self._frames.items()}
