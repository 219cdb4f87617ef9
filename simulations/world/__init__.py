"""A seeded generator of a listening world: a platform, its partners and the truth behind them."""

from simulations.world.config import (
    DEMOGRAPHICS,
    PARTNERS,
    PRESETS,
    SOCIAL,
    TELECOM,
    VIDEO,
    PartnerKind,
    PartnerSpec,
    WorldConfig,
)
from simulations.world.folder import load_truth, write_world
from simulations.world.generate import World, generate
from simulations.world.truth import Goal, Truth

__all__ = [
    "DEMOGRAPHICS",
    "PARTNERS",
    "PRESETS",
    "SOCIAL",
    "TELECOM",
    "VIDEO",
    "Goal",
    "PartnerKind",
    "PartnerSpec",
    "Truth",
    "World",
    "WorldConfig",
    "generate",
    "load_truth",
    "write_world",
]
