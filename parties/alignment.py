"""Alignment as the two owners of identifiers live through it: who is shared, and in which slot.

The item party gives every one of its users a random slot. A partner learns the slots of shared
users only: both ends know the same doubled points, so a list of slots in ascending order of the
shared doubled points tells the partner which of its users sits where, and nobody else anything.
"""

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from federation.crypto.identifiers import prepare
from federation.crypto.psi import Blinder
from federation.errors import MalformedError, NoSharedUserError
from federation.protocol.messages import (
    ItemDoubled,
    ItemPoints,
    PartnerDoubled,
    PartnerPoints,
    Slots,
)
from parties.archive import pack_arrays, unpack_arrays
from parties.config import ITEM, AlignmentConfig
from parties.errors import CheckpointError
from parties.talk import Talk

Indices = npt.NDArray[np.int64]
IDENTIFIER_BYTES = 16
# Each intersection has a process a core and keeps the points of both sets: a limit for any number
# of partners. With two, this party never waits idly for the one while the other works.
AT_ONCE = 2


@dataclass(frozen=True, slots=True)
class ItemAlignment:
    """What the item party knows after alignment.

    Args:
        identifier: 16 random bytes that name this alignment.
        slot_of_user: (n,) the slot of each of its users, a permutation of 0 … n-1.
        shared: partner → (shared,) numbers of the users that partner knows too.
        list_digest: of its identifiers (`digest_of`), without which numbers mean nothing.
    """

    identifier: bytes
    slot_of_user: Indices = field(repr=False)
    shared: Mapping[str, Indices] = field(repr=False)
    list_digest: bytes

    def pack(self) -> bytes:
        """As bytes for a checkpoint."""
        shared = {f"shared:{name}": users for name, users in self.shared.items()}
        return pack_arrays(
            {
                "identifier": np.frombuffer(self.identifier, np.uint8),
                "list_digest": np.frombuffer(self.list_digest, np.uint8),
                "slots": self.slot_of_user,
                **shared,
            }
        )

    @classmethod
    def unpack(cls, data: bytes) -> "ItemAlignment":
        """Read `pack`'s bytes; raises CheckpointError when they are something else."""
        arrays = unpack_arrays(data)
        try:
            return cls(
                arrays["identifier"].tobytes(),
                arrays["slots"],
                {
                    key.removeprefix("shared:"): users
                    for key, users in arrays.items()
                    if key.startswith("shared:")
                },
                arrays["list_digest"].tobytes(),
            )
        except KeyError as error:
            raise CheckpointError(f"the saved alignment lacks {error}") from None


@dataclass(frozen=True, slots=True)
class PartnerAlignment:
    """What a partner knows after alignment.

    Args:
        identifier: 16 random bytes that name this alignment.
        total: slots there are, of shared users and others.
        users: (shared,) numbers of its own users that are shared.
        slots: (shared,) their slots.
        list_digest: of its identifiers (`digest_of`), without which numbers mean nothing.
    """

    identifier: bytes
    total: int
    users: Indices = field(repr=False)
    slots: Indices = field(repr=False)
    list_digest: bytes

    def pack(self) -> bytes:
        """As bytes for a checkpoint."""
        return pack_arrays(
            {
                "identifier": np.frombuffer(self.identifier, np.uint8),
                "list_digest": np.frombuffer(self.list_digest, np.uint8),
                "total": np.array([self.total]),
                "users": self.users,
                "slots": self.slots,
            }
        )

    @classmethod
    def unpack(cls, data: bytes) -> "PartnerAlignment":
        """Read `pack`'s bytes; raises CheckpointError when they are something else."""
        arrays = unpack_arrays(data)
        try:
            total = int(arrays["total"][0])
            name, digest = arrays["identifier"].tobytes(), arrays["list_digest"].tobytes()
            return cls(name, total, arrays["users"], arrays["slots"], digest)
        except KeyError as error:
            raise CheckpointError(f"the saved alignment lacks {error}") from None


def digest_of(identifiers: Sequence[str]) -> bytes:
    """SHA-256 of a list of identifiers, its order included; it never leaves its party."""
    digest = hashlib.sha256()
    for text in identifiers:
        encoded = text.encode("utf-8", "surrogatepass")
        digest.update(len(encoded).to_bytes(4, "big") + encoded)
    return digest.digest()


def align_item(
    talks: Mapping[str, Talk],
    identifiers: Sequence[str],
    config: AlignmentConfig,
    *,
    job: bytes,
    rng: np.random.Generator,
) -> ItemAlignment:
    """Run the item party's side with every partner, `AT_ONCE` of them at a time.

    Args:
        talks: partner → conversation, in ALIGNING.
        identifiers: (n,) the item party's users.
        config: caps and workers.
        job: names the run; identifiers of two runs cannot be linked.
        rng: draws the slots.

    Raises:
        IdentifierError: the identifiers are unusable.
        NoSharedUserError: a partner shares no user.
        PeerError: a partner sent something unacceptable.
    """
    prepared = prepare(identifiers, job_id=job, max_count=config.max_users)
    slot_of_user = rng.permutation(len(identifiers)).astype(np.int64)
    name = secrets.token_bytes(IDENTIFIER_BYTES)
    shared = {}
    partners = list(talks)
    for first in range(0, len(partners), AT_ONCE):
        some = {partner: talks[partner] for partner in partners[first : first + AT_ONCE]}
        for partner, users in _intersect(some, prepared, config).items():
            slots = slot_of_user[users].astype("<i4")
            talks[partner].say(Slots(name, len(identifiers), slots.tobytes()))
            shared[partner] = np.sort(users)
    return ItemAlignment(name, slot_of_user, shared, digest_of(identifiers))


def _intersect(
    talks: Mapping[str, Talk], prepared: Sequence[bytes], config: AlignmentConfig
) -> dict[str, Indices]:
    """Find the shared users of a few partners, who work while this party does.

    Returns:
        Partner → (shared,) numbers of users, by their doubled points ascending.
    """
    found = {}
    with ExitStack() as stack:
        blinders = {
            partner: stack.enter_context(Blinder(prepared, workers=config.workers or None))
            for partner in talks
        }
        for partner, talk in talks.items():
            talk.say(ItemPoints(blinders[partner].blind()))
        for partner, talk in talks.items():
            points = talk.hear(PartnerPoints).points
            doubled = blinders[partner].reblind(points, max_count=config.max_users)
            talk.say(ItemDoubled(doubled))
        for partner, talk in talks.items():
            found[partner] = blinders[partner].match(talk.hear(PartnerDoubled).points)
            if not len(found[partner]):
                raise NoSharedUserError(f"{partner} knows none of this party's users")
    return found


def align_partner(
    talk: Talk, identifiers: Sequence[str], config: AlignmentConfig, *, job: bytes
) -> PartnerAlignment:
    """Run a partner's side.

    Raises:
        IdentifierError: the identifiers are unusable.
        NoSharedUserError: the item party shares no user.
        PeerError: the item party sent something unacceptable.
    """
    prepared = prepare(identifiers, job_id=job, max_count=config.max_users)
    with Blinder(prepared, workers=config.workers or None) as blinder:
        theirs = talk.hear(ItemPoints).points
        talk.say(PartnerPoints(blinder.blind()))
        answer = blinder.reblind(theirs, max_count=config.max_users)
        own = talk.hear(ItemDoubled).points
        users = blinder.match(own)
        talk.say(PartnerDoubled(answer))
    if not len(users):
        raise NoSharedUserError(f"{ITEM} knows none of this party's users")
    message = talk.hear(Slots)
    slots = _read_slots(message, expected=len(users), cap=config.max_users)
    digest = digest_of(identifiers)
    return PartnerAlignment(message.alignment, message.total, users, slots, digest)


def _read_slots(message: Slots, *, expected: int, cap: int) -> Indices:
    if len(message.alignment) != IDENTIFIER_BYTES or len(message.slots) != 4 * expected:
        raise MalformedError(f"{len(message.slots)} bytes of slots for {expected} shared users")
    if not expected <= message.total <= cap:
        raise MalformedError(f"{message.total} slots in all cannot hold {expected} shared users")
    slots = np.frombuffer(message.slots, "<i4").astype(np.int64)
    if slots.min() < 0 or slots.max() >= message.total or len(np.unique(slots)) != expected:
        raise MalformedError("slots are out of range or given twice")
    return slots
