"""The hub's end of every encrypted scheme: check ciphertexts, let native code add them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from federation.crypto import he
from federation.crypto.cipher import (
    Checked,
    CipherConfig,
    Payloads,
    Shape,
    checked_number,
    checked_shape,
    common_shape,
)


class AddedUnder(Protocol):
    """What an adder must know of a scheme's setting."""

    @property
    def config(self) -> CipherConfig:
        """What the parties agreed on."""
        ...

    @property
    def fingerprint(self) -> bytes:
        """Names the key and the settings."""
        ...

    def bodies(self, payloads: Payloads, *, count: int) -> list[bytes]:
        """The checked ciphertexts of one contribution of `count` values."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CiphertextAdder:
    """Adds one contribution of every partner under their common key."""

    setting: AddedUnder
    context: he.PublicContext = field(repr=False)

    def add(self, contributions: Sequence[Payloads], *, shape: Shape) -> Payloads:
        """Add one contribution of every partner; see `Adder.add`."""
        checked_number(contributions, parties=self.setting.config.parties)
        return self.add_checked([self.check(each, shape=shape) for each in contributions])

    def check(self, contribution: Payloads, *, shape: Shape) -> Checked:
        """Take one partner's contribution; see `Adder.check`."""
        count = checked_shape(shape)
        return Checked(tuple(self.setting.bodies(contribution, count=count)), shape)

    def add_checked(self, contributions: Sequence[Checked]) -> Payloads:
        """Add what `check` gave for every partner; see `Adder.add_checked`."""
        checked_number(contributions, parties=self.setting.config.parties)
        common_shape(contributions)
        bodies = [each.bodies for each in contributions]
        own = self.setting.fingerprint
        return tuple(own + self.context.add(parts) for parts in zip(*bodies, strict=True))
