"""Every error of the towers package.

TowersError
├── FeatureError    features or labels that cannot be learned from
├── ConfigError     hyper-parameters that cannot be run
└── StateError      a saved state that does not fit the model it is loaded into
"""


class TowersError(Exception):
    """Base of every error the towers package raises on purpose."""


class FeatureError(TowersError, ValueError):
    """Features or labels have the wrong shape or hold values no model can use."""


class ConfigError(TowersError, ValueError):
    """A hyper-parameter is out of range; the message names it."""


class StateError(TowersError, ValueError):
    """A saved state has other names or shapes than the model it is loaded into."""
