"""Errors of the lift statistics.

LiftError
├── UnpairedError         results that do not speak of the same users or metrics
└── UnknownSystemError    a comparison names a system or metric that was not measured
"""


class LiftError(Exception):
    """Base of every error the lift statistics raise on purpose."""


class UnpairedError(LiftError):
    """Results do not speak of the same users or metrics, so they cannot be paired."""


class UnknownSystemError(LiftError):
    """A comparison names a system or metric that was not measured."""
