"""One message of every kind, with contents that would stand out if they were printed."""

from collections.abc import Mapping
from typing import Final

from federation.protocol.frames import EVERYONE, Frame, FrameKind
from federation.protocol.messages import (
    Activations,
    ClearGradients,
    Collected,
    EpochEnd,
    Goodbye,
    GradientKey,
    Greeting,
    Holdings,
    ItemDoubled,
    ItemPoints,
    KeyConfirmation,
    MaskedProducts,
    Message,
    PartnerDoubled,
    PartnerPoints,
    ProductSums,
    ProgressReport,
    ResumeFrom,
    SealedGradients,
    Slots,
    StartAfresh,
    Stopped,
    SummedActivations,
    SummingKey,
    TrainingEnd,
)

PAYLOAD: Final = b"PAYLOAD-PAYLOAD-"
NAME: Final = bytes(range(16))

# By the number that stands for the kind on the wire: a list that may only grow.
MESSAGES: Final[Mapping[int, Message]] = {
    0: Greeting(NAME, bytes(range(32)), PAYLOAD * 2),
    1: Holdings(NAME, (3, 4)),
    2: StartAfresh(),
    3: ResumeFrom(-1, finished=False),
    4: ItemPoints(PAYLOAD),
    5: PartnerPoints(PAYLOAD),
    6: ItemDoubled(PAYLOAD),
    7: PartnerDoubled(PAYLOAD),
    8: Slots(NAME, 1000, PAYLOAD),
    9: SummingKey(PAYLOAD),
    10: GradientKey(PAYLOAD),
    11: Activations(70_000, 1024, (PAYLOAD, PAYLOAD)),
    12: SummedActivations(1, 128, ("social", "video"), (PAYLOAD,)),
    13: Collected(5),
    14: ClearGradients(6, PAYLOAD),
    15: SealedGradients(7, (PAYLOAD,)),
    16: MaskedProducts(8, (PAYLOAD, b"")),
    17: ProductSums(9, PAYLOAD),
    18: EpochEnd(0, best=True),
    19: TrainingEnd(11, best=False),
    20: Goodbye(),
    21: Stopped("the disk is full"),
    22: KeyConfirmation(),
    23: ProgressReport("training", 3, 40, 123_456),
}

FRAMES: Final[Mapping[str, Frame]] = {
    "greeting frame": Frame(FrameKind.GREETING, "social", EVERYONE, 0, PAYLOAD),
    "sealed frame": Frame(FrameKind.SEALED, "item", "social", 0x0102030405060708, PAYLOAD),
}
