"""Seeds derived from a run's one seed, apart for every purpose and party."""

import hashlib


def derive_seed(seed: int, *purpose: str | int) -> int:
    """A seed of 63 bits for one purpose; the same arguments always give the same seed.

    These seeds decide weights, batches and dropout. Keys, masks and noise never come from them.
    """
    text = "/".join(["fedrecall", str(seed), *map(str, purpose)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def party_seed(seed: int, name: str) -> int:
    """A party's own seed made of the run's, so that a simulation can be repeated."""
    return derive_seed(seed, "party", name)
