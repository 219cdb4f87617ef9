"""The bundle that Flower carries to the nodes: a name and two references, no code.

Flower unpacks a bundle beside the installed packages and lets it shadow them. This one has nothing
that could: whoever runs it runs what is installed. Its bytes depend on its `pyproject.toml` alone,
so nodes may refuse every other hash.
"""

import hashlib
import os
from pathlib import Path
from typing import Final

# A privacy product phones nobody; Flower reads these once, when it is imported.
os.environ.setdefault("FLWR_TELEMETRY_ENABLED", "0")
os.environ.setdefault("FLWR_DISABLE_UPDATE_CHECK", "1")

from flwr.cli.build import build_fab_from_files

BUNDLE_FOLDER: Final = Path(__file__).parent / "app"  # what `flwr run` is pointed at
CONFIG: Final = "pyproject.toml"


def build_bundle() -> bytes:
    """The bytes of the bundle this version ships, as `flwr build` and `flwr run` make them."""
    # Only the file that counts: whatever else lies in the folder must not change the hash.
    bundle, _ = build_fab_from_files({CONFIG: (BUNDLE_FOLDER / CONFIG).read_bytes()})
    return bundle


def bundle_hash() -> str:
    """SHA-256 of the bundle, in hexadecimal."""
    return hashlib.sha256(build_bundle()).hexdigest()
