"""The hub's end of every encrypted scheme: check ciphertexts, let native code add them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from federation.crypto import he
from federation.crypto.cipher import (
    CipherConfig,
    Payloads,
    Shape,
    checked_contributions,
    checked_shape,
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
        setting = self.setting
        checked_contributions(contributions, parties=setting.config.parties)
        count = checked_shape(shape)
        bodies = [setting.bodies(payloads, count=count) for payloads in contributions]
        return tuple(
            setting.fingerprint + self.context.add(parts) for parts in zip(*bodies, strict=True)
        )
