"""Lift with paired bootstrap intervals, over splits and cohorts."""

from simulations.lift.bootstrap import Interval, Resampling, Undefined, resampled_means
from simulations.lift.cohorts import (
    MIN_USERS,
    activity_cohorts,
    label_cohorts,
    partner_cohorts,
    shown,
)
from simulations.lift.effects import PairedLift, Study, paired_bootstrap
from simulations.lift.errors import LiftError, UnknownSystemError, UnpairedError
from simulations.lift.results import Pooled, SplitResult, SystemResult

__all__ = [
    "MIN_USERS",
    "Interval",
    "LiftError",
    "PairedLift",
    "Pooled",
    "Resampling",
    "SplitResult",
    "Study",
    "SystemResult",
    "Undefined",
    "UnknownSystemError",
    "UnpairedError",
    "activity_cohorts",
    "label_cohorts",
    "paired_bootstrap",
    "partner_cohorts",
    "resampled_means",
    "shown",
]
