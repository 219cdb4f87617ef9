"""Private set intersection of two parties by Diffie-Hellman on Curve25519.

Rules:
1. Each party holds one fresh secret scalar a run and never sends it. What crosses is
   a · H(x) for its own identifiers, then b · (a · H(x)) for those of its peer.
2. A party sends its own points in an order drawn from `secrets`, and answers the
   peer's points in the order received. So an answer's position means something to the
   set's owner alone: the other side sees which positions match, and their order says
   nothing of the identifiers behind them or of the ones that do not match.
3. Points to be multiplied are checked to be canonical, on the curve, distinct, and not
   of small order (`curve.check_set`, `curve.check_on_curve`). Points that come back
   doubled are only compared, never multiplied, so for them the curve equation adds
   nothing: a point off the curve equals none of ours. All else is checked for them too.
4. A point of ours that comes back as if it were the peer's is refused: mirrored to us,
   our own set would look wholly shared.
5. A refused answer changes nothing; the right one may still come.

Both sides learn the intersection and the size of the other set, nothing else, as long
as both follow the protocol. A peer that does not can claim to share what it does not:
it sees our doubled points and may send them back. It learns nothing more by that.

Source: Meadows (IEEE S&P 1986); Huberman, Franklin & Hogg (ACM EC 1999).
"""

import secrets
from collections.abc import Sequence
from enum import Enum, auto
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt

from federation.crypto.curve import POINT_BYTES, check_canonical, check_set
from federation.crypto.shards import IN_PROCESS_BELOW, Shards, Task, usable_cores
from federation.errors import (
    IdentifierError,
    InvalidPointError,
    MalformedError,
    OutOfTurnError,
)


class Phase(Enum):
    """How far one side of an intersection has come."""

    FRESH = auto()
    BLINDED = auto()
    DOUBLED = auto()
    MATCHED = auto()


class Blinder:
    """One side of one intersection: `blind`, then `reblind`, then `match`.

    It does no input or output besides the worker processes it may start, which end
    when the work is done, on `close`, or when the object is collected.
    """

    def __init__(
        self,
        identifiers: Sequence[bytes],
        *,
        workers: int | None = None,
        in_process_below: int = IN_PROCESS_BELOW,
    ) -> None:
        """Draw a fresh secret for a set of identifiers.

        Args:
            identifiers: this party's set, as `identifiers.prepare` returns it.
            workers: processes to share the work; every usable core if not given.
            in_process_below: sets of fewer items are worked on in this process.

        Raises:
            IdentifierError: there are no identifiers.
        """
        if not identifiers:
            raise IdentifierError("no identifiers given")
        self._identifiers = identifiers
        self._phase = Phase.FRESH
        self._order = _secret_order(len(identifiers))
        self._own: frozenset[bytes] = frozenset()
        self._theirs: frozenset[bytes] = frozenset()
        self._shards = Shards(
            secrets.token_bytes(POINT_BYTES),
            workers=usable_cores() if workers is None else workers,
            in_process_below=in_process_below,
        )
        self._shards.start(len(identifiers))

    def __repr__(self) -> str:
        return f"Blinder(count={len(self._identifiers)}, phase={self._phase.name})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the worker processes, if any were started."""
        self._shards.close()

    def blind(self) -> bytes:
        """Hash and blind this party's identifiers, for the peer to re-blind.

        Returns:
            (count * 32) bytes: the points joined, in secret random order.

        Raises:
            OutOfTurnError: this set was blinded before.
            IdentifierError: some identifiers are duplicates.
        """
        self._expect(Phase.FRESH)
        shuffled = [self._identifiers[i] for i in self._order]
        points = self._shards.map(Task.BLIND, shuffled)
        own = frozenset(points)
        if len(own) != len(points):
            raise IdentifierError(f"{len(points) - len(own)} identifiers are duplicates")
        self._own = own
        self._phase = Phase.BLINDED
        return b"".join(points)

    def reblind(self, points: bytes, *, max_count: int) -> bytes:
        """Check the peer's blinded points and multiply them by this side's secret.

        Args:
            points: what the peer's `blind` returned.
            max_count: the agreed cap on the peer's set, in identifiers.

        Returns:
            (count * 32) bytes: the doubled points, in the order received.

        Raises:
            OutOfTurnError: `blind` has not run, or this has run already.
            TooLargeError: more than `max_count` points.
            MalformedError: no points, or a length that is no multiple of 32.
            InvalidPointError: a point is not canonical, on the twist, of small order,
                a duplicate, equal to another once doubled, or one of this party's own.
        """
        self._expect(Phase.BLINDED)
        received = check_set(points, max_count=max_count)
        self._refuse_own(received)
        doubled = self._shards.map(Task.REBLIND, received)
        theirs = frozenset(doubled)
        # Two points that differ by one of small order give one product: one user
        # counted twice.
        if len(theirs) != len(doubled):
            raise InvalidPointError(f"{len(doubled) - len(theirs)} points are duplicates")
        self._theirs = theirs
        self._phase = Phase.DOUBLED
        self.close()
        return b"".join(doubled)

    def match(self, doubled: bytes) -> npt.NDArray[np.int64]:
        """Find the shared identifiers.

        Args:
            doubled: this party's own points as the peer's `reblind` returned them.

        Returns:
            (shared,) indices into this party's `identifiers`, by ascending doubled
            points: both sides hold those, so position i is the same user to both, and
            their order is as random as the two secrets.

        Raises:
            OutOfTurnError: `reblind` has not run, or this has run already.
            TooLargeError: more points than this party sent.
            MalformedError: fewer points than this party sent, or not whole points.
            InvalidPointError: a point is not canonical, of small order, a duplicate,
                or came back without the peer's secret on it.
        """
        self._expect(Phase.DOUBLED)
        count = len(self._order)
        returned = check_set(doubled, max_count=count)
        if len(returned) != count:
            raise MalformedError(f"{len(returned)} points came back of {count} sent")
        check_canonical(returned)
        self._refuse_own(returned)
        index = dict(zip(returned, self._order, strict=True))
        shared = sorted(self._theirs.intersection(returned))
        self._phase = Phase.MATCHED
        return np.array([index[point] for point in shared], dtype=np.int64)

    def _expect(self, phase: Phase) -> None:
        if self._phase is not phase:
            raise OutOfTurnError(f"expected in {phase.name}, but this is {self._phase.name}")

    def _refuse_own(self, points: Sequence[bytes]) -> None:
        if not self._own.isdisjoint(points):
            raise InvalidPointError("a point is one this party sent itself")


def _secret_order(count: int) -> list[int]:
    """Draw a uniformly random order of `range(count)` that nobody can predict."""
    # Two 64-bit keys are equal with probability below count² / 2^65, 3e-10 for 10^5, and
    # then only leave the order of those two to the sort.
    keys = np.frombuffer(secrets.token_bytes(8 * count), dtype=np.uint64)
    order: list[int] = np.argsort(keys).tolist()
    return order
