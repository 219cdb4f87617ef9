"""Everything a run can be told, in one frozen tree that is passed whole."""

import hashlib
import json
from dataclasses import dataclass, field
from typing import Final

from federation.crypto.cipher import Scheme
from federation.crypto.fixed_point import CLIP_RANGE, Rounding
from federation.errors import SettingError
from federation.protocol.profile import Profile
from parties.settings import to_plain
from towers.config import EncoderConfig, TrainerConfig
from towers.projection import ProjectionConfig
from towers.stopping import StoppingConfig

ITEM: Final = "item"
COORDINATOR: Final = "coordinator"
# Settings of the exchange that a party may choose for itself.
OWN_CHOICES: Final = frozenset({"rounding", "timeout_s", "cache_mib"})


@dataclass(frozen=True, slots=True, kw_only=True)
class AlignmentConfig:
    """How users are aligned.

    Args:
        max_users: identifiers a party may bring; more are refused before any work.
        workers: processes that share the curve arithmetic; 0 takes every usable core.
    """

    max_users: int = 4_000_000
    workers: int = 0

    def __post_init__(self) -> None:
        if self.max_users < 1 or self.workers < 0:
            raise SettingError("alignment.max_users must be above 0, alignment.workers at least 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeConfig:
    """How embeddings and gradients cross.

    Args:
        scheme: what protects the forward sums under `strict` and `frozen`.
        clip: largest absolute value of an embedding's number; beyond it is cut.
        bits: fixed-point bits a number: 8, 12 or 16.
        rounding: nearest, or stochastic with a mean of zero error.
        gradient_clip: largest L2 norm of one user's gradient row; longer rows are shortened.
        batch_groups: groups of slots in a batch.
        partner_dropout: chance that a partner leaves a group of users out of a training step,
            so that the model learns to do without it; in [0, 1).
        min_cohort: fewest partners a sum is made of.
        accept_single_partner: run with one partner although its embedding is then no sum.
        timeout_s: seconds a silent party is waited for.
        max_frame_mib: largest frame, in MiB.
        cache_mib: memory a partner may keep encoded features in, in MiB (`strict`).
    """

    scheme: Scheme = Scheme.BFV
    clip: float = 4.0
    bits: int = 16
    rounding: Rounding = Rounding.NEAREST
    gradient_clip: float = 1.0
    batch_groups: int = 8
    partner_dropout: float = 0.0
    min_cohort: int = 2
    accept_single_partner: bool = False
    timeout_s: float = 600.0
    max_frame_mib: int = 256
    cache_mib: int = 512

    def __post_init__(self) -> None:
        if self.bits not in (8, 12, 16):
            raise SettingError(f"exchange.bits must be 8, 12 or 16, not {self.bits}")
        low, high = CLIP_RANGE
        for name in ("clip", "gradient_clip"):
            if not low <= getattr(self, name) <= high:
                raise SettingError(f"exchange.{name} must be from {low:g} to {high:g}")
        for name in ("timeout_s", "batch_groups", "min_cohort"):
            if not getattr(self, name) > 0:
                raise SettingError(f"exchange.{name} must be above 0")
        if not 0 <= self.partner_dropout < 1:
            raise SettingError("exchange.partner_dropout must be in [0, 1)")
        if self.max_frame_mib < 1 or self.cache_mib < 1:
            raise SettingError("exchange.max_frame_mib and exchange.cache_mib must be above 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingConfig:
    """How long training goes on.

    Args:
        epochs: most epochs; in each, every aligned user is in one batch.
        validation_share: share of warm users whose listening only decides when to stop.
        stopping: patience and the list that recall is measured on.
    """

    epochs: int = 20
    validation_share: float = 0.1
    stopping: StoppingConfig = field(default_factory=StoppingConfig)

    def __post_init__(self) -> None:
        if self.epochs < 1:
            raise SettingError("training.epochs must be at least 1")
        if not 0 < self.validation_share < 1:
            raise SettingError("training.validation_share must be between 0 and 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunConfig:
    """A whole run.

    Args:
        profile: the protection.
        seed: decides weights, batches and splits; never a key, a mask or noise.
        alignment: how users are aligned.
        exchange: how embeddings cross.
        encoder: each party's static encoder of its own features.
        projection: a partner's trainable half.
        trainer: the item party's towers and their training.
        training: epochs and early stopping.
    """

    profile: Profile = Profile.STRICT
    seed: int = 0
    alignment: AlignmentConfig = field(default_factory=AlignmentConfig)
    exchange: ExchangeConfig = field(default_factory=ExchangeConfig)
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    projection: ProjectionConfig = field(default_factory=ProjectionConfig)
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise SettingError("seed must be at least 0")

    @property
    def dim(self) -> int:
        """Width d of every partner's embedding and of their sum."""
        return self.trainer.model.embedding_dim

    def agreement(self) -> bytes:
        """SHA-256 of the settings that all parties must share; they compare it in greeting."""
        exchange = to_plain(self.exchange)
        shared = {
            "profile": self.profile.value,
            "seed": self.seed,
            "exchange": {key: exchange[key] for key in exchange if key not in OWN_CHOICES},
            "columns": self.encoder.width,
            "dim": self.dim,
            "epochs": self.training.epochs,
        }
        return hashlib.sha256(json.dumps(shared, sort_keys=True).encode()).digest()
