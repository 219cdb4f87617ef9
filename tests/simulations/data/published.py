"""Where the tests look for published data sets, and why they skip without them."""

import os
from pathlib import Path

import pytest


def published(name: str) -> Path:
    """The data root that holds `name`; skips the test if there is none."""
    root = os.environ.get("FEDRECALL_DATA")
    if not root:
        pytest.skip("FEDRECALL_DATA is not set")
    if not (Path(root) / name).is_dir():
        pytest.skip(f"FEDRECALL_DATA has no {name}")
    return Path(root)
