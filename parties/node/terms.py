"""What a job began with, which no later order of the same job may change.

A job's sessions go on from its checkpoints, so they show the same users under the same weights
again. With the same partners and settings that says nothing new. With one partner less, the
difference of two sums would be what that partner said; with other batches, the difference of two
batch sums would be of fewer users than a batch has. So both are fixed at the first session.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from parties.checkpoints import write_whole
from parties.config import RunConfig
from parties.errors import PolicyError
from parties.node.jobs import read_mapping
from parties.node.policy import OWN_KEYS
from parties.node.run_settings import shown
from parties.settings import flatten, to_plain

TERMS: Final = "terms.json"


def keep_terms(folder: Path, config: RunConfig, partners: Sequence[str]) -> None:
    """Note a job's terms in its folder, or hold an order against those that are there.

    Args:
        folder: this party's, of the job.
        config: the run as it is ordered now; this party's own choices may change.
        partners: of the roster as it is now.

    Raises:
        PolicyError: the job began with other settings, or other partners.
        JobError: the folder's terms are damaged.
        CheckpointError: the disk refused.
    """
    path = folder / TERMS
    now = {**_settings(config), "partners": sorted(partners)}
    if not path.exists():
        write_whole(path, json.dumps(now, indent=2).encode())
        return
    # A newer release may know more settings.
    begun = {**_settings(RunConfig()), **read_mapping(path)}
    for key in sorted(now.keys() | begun.keys()):
        if now.get(key) != begun.get(key):
            raise PolicyError(
                f"job {folder.name} began with {key} = {shown(begun.get(key))} and is to go on "
                f"with {shown(now.get(key))}: what two such sessions show could be subtracted; "
                "begin a new job"
            )


def _settings(config: RunConfig) -> dict[str, object]:
    return {key: value for key, value in flatten(to_plain(config)) if key not in OWN_KEYS}
