"""Every message of a federation, frozen; the type says who sends it to whom.

Payloads are opaque here: `federation.crypto` makes and reads them. A payload or key is never part
of a printed message.
"""

from dataclasses import dataclass, field
from typing import Annotated, TypeAlias


@dataclass(frozen=True, slots=True)
class AtLeast:
    """Annotates an integer field with its smallest value; without it that is 0."""

    least: int


Rows: TypeAlias = Annotated[int, AtLeast(1)]
LastEpoch: TypeAlias = Annotated[int, AtLeast(-1)]  # -1: none yet
Millionths: TypeAlias = Annotated[
    int, AtLeast(-1)
]  # -1: not known; there are no floats on the wire


@dataclass(frozen=True, slots=True)
class Message:
    """What all messages have in common: nothing but being one."""


@dataclass(frozen=True, slots=True)
class Greeting(Message):
    """Anyone → everyone, in the clear: the values from which pair keys are derived."""

    job: bytes  # 16 bytes, the same for all parties of a run
    agreement: bytes  # SHA-256 of the settings and the roster, which all parties must share
    ephemeral: bytes = field(repr=False)  # X25519 public key of this session


@dataclass(frozen=True, slots=True)
class Holdings(Message):
    """Partner → item party: what an earlier session of the same run left on its disk."""

    alignment: bytes  # identifier of the alignment it holds, or empty
    epochs: tuple[int, ...]  # epochs it can continue from


@dataclass(frozen=True, slots=True)
class StartAfresh(Message):
    """Item party → partner: align and train from the beginning."""


@dataclass(frozen=True, slots=True)
class ResumeFrom(Message):
    """Item party → partner: keep the alignment and continue after this epoch."""

    epoch: LastEpoch  # -1: only the alignment is held by all
    finished: bool  # whether training was over by then


@dataclass(frozen=True, slots=True)
class ItemPoints(Message):
    """Item party → partner: its blinded identifiers, shuffled."""

    points: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class PartnerPoints(Message):
    """Partner → item party: its blinded identifiers, shuffled."""

    points: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ItemDoubled(Message):
    """Item party → partner: the partner's points, blinded again, in the order received."""

    points: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class PartnerDoubled(Message):
    """Partner → item party: the item party's points, blinded again, in the order received."""

    points: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Slots(Message):
    """Item party → partner: slots of the shared users, by their doubled points ascending."""

    alignment: bytes  # identifier of this alignment
    total: int  # slots of the item party, shared or not
    slots: bytes = field(repr=False)  # int32, little endian


@dataclass(frozen=True, slots=True)
class SummingKey(Message):
    """Item party → coordinator and partners: the public key of the forward sums."""

    public: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class GradientKey(Message):
    """Item party → partner: the public key of the backward products (`strict`)."""

    public: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Activations(Message):
    """Partner → coordinator: its protected projections of one batch."""

    step: int
    rows: Rows
    parts: tuple[bytes, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class SummedActivations(Message):
    """Coordinator → item party: the sum over the cohort, still protected."""

    step: int
    rows: Rows
    cohort: tuple[str, ...]
    parts: tuple[bytes, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Collected(Message):
    """Coordinator → partner: the sum of this step went on; `collecting.WINDOW` limits the lead."""

    step: int


@dataclass(frozen=True, slots=True)
class ClearGradients(Message):
    """Item party → partner (`plain` only): the gradient of the sum, row by row."""

    step: int
    values: bytes = field(repr=False)  # float32, little endian, (rows, dim)


@dataclass(frozen=True, slots=True)
class SealedGradients(Message):
    """Item party → partner (`strict`): the gradient under the item party's own key."""

    step: int
    parts: tuple[bytes, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class MaskedProducts(Message):
    """Partner → item party (`strict`): products under encryption, flooded and masked."""

    step: int
    parts: tuple[bytes, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class ProductSums(Message):
    """Item party → partner (`strict`): the batch sum, which only the partner can unmask."""

    step: int
    sums: bytes = field(repr=False)  # int64, little endian, (columns, dim)


@dataclass(frozen=True, slots=True)
class EpochEnd(Message):
    """Item party → partner: an epoch is over; keep this state if it is the best so far."""

    epoch: int
    best: bool


@dataclass(frozen=True, slots=True)
class TrainingEnd(Message):
    """Item party → partner: as `EpochEnd`; then go back to the best state and send all slots."""

    epoch: int
    best: bool


@dataclass(frozen=True, slots=True)
class Goodbye(Message):
    """Item party → everyone: it has all it needs of the others, whose run is complete."""


@dataclass(frozen=True, slots=True)
class Stopped(Message):
    """Anyone → everyone: this party cannot go on; `reason` holds no data of any user."""

    reason: str


@dataclass(frozen=True, slots=True)
class KeyConfirmation(Message):
    """Anyone → anyone, the first sealed message: this end derived the keys that opened it."""


@dataclass(frozen=True, slots=True)
class ProgressReport(Message):
    """Item party → coordinator: how far the run has come, for whoever follows it there."""

    stage: str  # what the run is busy with
    done: int  # steps of the stage
    total: int  # steps it has at most
    recall: Millionths  # best validation recall so far
