"""Telling a person what a bench does next."""

from collections.abc import Callable

Progress = Callable[[str], None]
"""Told in a few words what runs next."""


def silent(_: str) -> None:
    """Tell nobody."""
