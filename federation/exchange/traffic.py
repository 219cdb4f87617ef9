"""What left a party, counted by phase: the bytes of a run's cost and of an auditor's question."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Final, TypeAlias

from federation.protocol.messages import (
    Activations,
    ClearGradients,
    Collected,
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
STEPPED: Final = (
    Activations,
    SummedActivations,
    Collected,
    ClearGradients,
    SealedGradients,
    MaskedProducts,
    ProductSums,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """One frame that is about to leave a party.

    Args:
        recipient: the party it is for; `*` for everyone.
        kind: the type of its message, such as `Activations`.
        stage: what it is for.
        step: the step it belongs to; None for messages without one.
        bytes: of the whole frame, header and tag included.
    """

    recipient: str
    kind: str
    stage: Stage
    step: int | None
    bytes: int

    @classmethod
    def of(cls, message: Message, recipient: str, size: int) -> "Release":
        """What there is to say of a message in a frame of `size` bytes."""
        return cls(
            recipient=recipient,
            kind=type(message).__name__,
            stage=STAGES.get(type(message), Stage.CONTROL),
            step=message.step if isinstance(message, STEPPED) else None,
            bytes=size,
        )


Released: TypeAlias = Callable[[Release], None]


def nothing(_: Release) -> None:
    """Take no note of what leaves."""


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
