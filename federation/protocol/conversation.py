"""What the item party and one partner may say to each other, and in which order.

Rules:
1. Both ends keep one `Conversation` and advance it with every message, sent or received.
2. A message the table does not allow raises `OutOfTurnError` and changes nothing.
3. Each profile has its own table: under `strict` no `ClearGradients` can be said at all.
4. A training step is opened by a gradient with a number above every earlier one and closed by
   messages with the same number, so no step is ever answered twice.
5. `Stopped` may be said at any time and closes the conversation.
"""

from collections.abc import Mapping
from enum import Enum, auto
from types import MappingProxyType
from typing import Final

from federation.errors import OutOfTurnError
from federation.protocol.messages import (
    ClearGradients,
    EpochEnd,
    Goodbye,
    GradientKey,
    Holdings,
    ItemDoubled,
    ItemPoints,
    MaskedProducts,
    Message,
    PartnerDoubled,
    PartnerPoints,
    ProductSums,
    ResumeFrom,
    SealedGradients,
    Slots,
    StartAfresh,
    Stopped,
    SummingKey,
    TrainingEnd,
)
from federation.protocol.profile import Profile


class Phase(Enum):
    """Where a conversation stands."""

    GREETED = auto()
    OFFERED = auto()  # the partner said what it holds
    ALIGNING = auto()
    ITEM_BLINDED = auto()
    BOTH_BLINDED = auto()
    ITEM_DOUBLED = auto()
    BOTH_DOUBLED = auto()
    ALIGNED = auto()
    KEYED = auto()  # strict: the summing key is known, the gradient key is not
    TRAINING = auto()
    MULTIPLYING = auto()  # strict: the partner owes masked products
    SUMMING = auto()  # strict: the item party owes their sums
    SERVING = auto()
    CLOSED = auto()


Table = Mapping[tuple[Phase, type[Message]], Phase]

ALIGNMENT: Final[Table] = MappingProxyType(
    {
        (Phase.GREETED, Holdings): Phase.OFFERED,
        (Phase.OFFERED, StartAfresh): Phase.ALIGNING,
        (Phase.OFFERED, ResumeFrom): Phase.ALIGNED,
        (Phase.ALIGNING, ItemPoints): Phase.ITEM_BLINDED,
        (Phase.ITEM_BLINDED, PartnerPoints): Phase.BOTH_BLINDED,
        (Phase.BOTH_BLINDED, ItemDoubled): Phase.ITEM_DOUBLED,
        (Phase.ITEM_DOUBLED, PartnerDoubled): Phase.BOTH_DOUBLED,
        (Phase.BOTH_DOUBLED, Slots): Phase.ALIGNED,
    }
)
CLOSING: Final[Table] = MappingProxyType({(Phase.SERVING, Goodbye): Phase.CLOSED})

TRAINING_END: Final[Table] = MappingProxyType(
    {
        (Phase.TRAINING, EpochEnd): Phase.TRAINING,
        (Phase.TRAINING, TrainingEnd): Phase.SERVING,
    }
)
STRICT: Final[Table] = MappingProxyType(
    {
        (Phase.ALIGNED, SummingKey): Phase.KEYED,
        (Phase.KEYED, GradientKey): Phase.TRAINING,
        (Phase.TRAINING, SealedGradients): Phase.MULTIPLYING,
        (Phase.MULTIPLYING, MaskedProducts): Phase.SUMMING,
        (Phase.SUMMING, ProductSums): Phase.TRAINING,
    }
)
FROZEN: Final[Table] = MappingProxyType({(Phase.ALIGNED, SummingKey): Phase.SERVING})
PLAIN: Final[Table] = MappingProxyType(
    {
        (Phase.ALIGNED, SummingKey): Phase.TRAINING,
        (Phase.TRAINING, ClearGradients): Phase.TRAINING,
    }
)
TRANSITIONS: Final[Mapping[Profile, Table]] = MappingProxyType(
    {
        Profile.STRICT: MappingProxyType({**ALIGNMENT, **STRICT, **TRAINING_END, **CLOSING}),
        Profile.FROZEN: MappingProxyType({**ALIGNMENT, **FROZEN, **CLOSING}),
        Profile.PLAIN: MappingProxyType({**ALIGNMENT, **PLAIN, **TRAINING_END, **CLOSING}),
    }
)


def advance(profile: Profile, phase: Phase, message: Message) -> Phase:
    """The phase after `message`; raises OutOfTurnError if the profile's table has no such row."""
    if isinstance(message, Stopped) and phase is not Phase.CLOSED:
        return Phase.CLOSED
    try:
        return TRANSITIONS[profile][phase, type(message)]
    except KeyError:
        kind = type(message).__name__
        raise OutOfTurnError(
            f"{kind} is not allowed in {phase.name} under {profile.value}"
        ) from None


class Conversation:
    """One end's view of what was said between the item party and one partner."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._phase = Phase.GREETED
        self._step = -1

    @property
    def phase(self) -> Phase:
        """Where the conversation stands."""
        return self._phase

    def advance(self, message: Message) -> None:
        """Take note of a message sent or received.

        Raises:
            OutOfTurnError: the phase or the step does not allow it; nothing has changed.
        """
        self._phase, self._step = self._after(message)

    def check(self, message: Message) -> None:
        """Raise what `advance` would, and change nothing: for a message not sent yet."""
        self._after(message)

    def _after(self, message: Message) -> tuple[Phase, int]:
        phase = advance(self._profile, self._phase, message)
        match message:
            case SealedGradients(step=step) | ClearGradients(step=step):
                if step <= self._step:
                    raise OutOfTurnError(f"step {step} was answered before; now {self._step}")
                return phase, step
            case MaskedProducts(step=step) | ProductSums(step=step):
                if step != self._step:
                    raise OutOfTurnError(f"step {step} is not the open one, {self._step}")
        return phase, self._step
