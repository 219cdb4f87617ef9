"""What protects each message that leaves a party, in words that an auditor can read.

A message that a profile has no use for has no words under it, and then may not leave at all.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from federation.crypto.cipher import Scheme
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
from federation.protocol.profile import Profile
from parties.ciphers import forward_cipher, takes_masks
from parties.config import RunConfig
from parties.errors import UnlistedReleaseError

Phrases = Mapping[type[Message], str]

EMPTY: Final = "sealed for its recipient; no content"
BLINDED: Final = "blinded curve points in secret random order"
DOUBLED: Final = "curve points blinded by both"
# Under every profile. What is "sealed" is read by its recipient and by nobody on the way.
ALWAYS: Final[Phrases] = MappingProxyType(
    {
        Greeting: "clear; public values and digests only",
        KeyConfirmation: EMPTY,
        Holdings: "sealed for its recipient; epoch numbers only",
        StartAfresh: EMPTY,
        ResumeFrom: "sealed for its recipient; an epoch number only",
        ItemPoints: BLINDED,
        PartnerPoints: BLINDED,
        ItemDoubled: DOUBLED,
        PartnerDoubled: DOUBLED,
        Slots: "sealed for its recipient; slot numbers of shared users",
        SummingKey: "public key",
        Collected: "sealed for its recipient; a step number only",
        Goodbye: EMPTY,
        Stopped: "sealed for its recipient; the kind of an error only",
        ProgressReport: "sealed for the coordinator; progress and validation recall",
    }
)
EPOCHS: Final[Phrases] = MappingProxyType(
    dict.fromkeys(
        (EpochEnd, TrainingEnd), "sealed for its recipient; whether validation recall rose"
    )
)
BY_PROFILE: Final[Mapping[Profile, Phrases]] = MappingProxyType(
    {
        Profile.STRICT: MappingProxyType(
            {
                **EPOCHS,
                GradientKey: "public key",
                SealedGradients: "BFV ciphertext under the item party's own key",
                MaskedProducts: "BFV ciphertext under the item party's key, one-time padded",
                ProductSums: "one-time padded batch sum",
            }
        ),
        Profile.FROZEN: MappingProxyType({}),
        Profile.PLAIN: MappingProxyType(
            {**EPOCHS, ClearGradients: "CLEAR to its recipient: gradients, row by row"}
        ),
    }
)
SCHEMES: Final[Mapping[Scheme, str]] = MappingProxyType(
    {Scheme.BFV: "BFV ciphertext", Scheme.CKKS: "CKKS ciphertext"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Protection:
    """How the releases of one run are protected.

    Args:
        profile: the run's.
        scheme: what encrypts the forward sums; `clear` under `plain`.
        masked: whether partners' pairwise masks lie over it.
    """

    profile: Profile
    scheme: Scheme
    masked: bool

    @classmethod
    def of(cls, config: RunConfig, *, partners: int) -> "Protection":
        """What a run's settings give with this many partners."""
        cipher = forward_cipher(config, partners)
        return cls(
            profile=config.profile,
            scheme=cipher.scheme,
            masked=takes_masks(cipher) and partners > 1,  # masks are shared by pairs of partners
        )

    def phrase(self, kind: str) -> str:
        """What protects a message.

        Args:
            kind: the name of its type.

        Raises:
            UnlistedReleaseError: the profile has no use for such a message.
        """
        try:
            return self._by_name()[kind]
        except KeyError:
            raise UnlistedReleaseError(
                f"{kind} may not leave under profile {self.profile.value}: nothing says how it is "
                "protected; this is a defect, please report it"
            ) from None

    def _by_name(self) -> Mapping[str, str]:
        phrases = {**ALWAYS, **BY_PROFILE[self.profile], **self._forward()}
        return {kind.__name__: words for kind, words in phrases.items()}

    def _forward(self) -> Phrases:
        if self.scheme is Scheme.CLEAR:
            return {
                Activations: "CLEAR to its recipient: embeddings",
                SummedActivations: "CLEAR to its recipient: the sum of embeddings",
            }
        ciphertext = f"{SCHEMES[self.scheme]} under the item party's key"
        return {
            Activations: f"{ciphertext}, {'masked' if self.masked else 'NOT masked'}",
            SummedActivations: f"{ciphertext}: the sum over the cohort",
        }
