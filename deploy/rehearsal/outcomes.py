"""What a run left at the parties, and whether two runs left the same."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from deploy.rehearsal.rehearsal import Rehearsal
from parties.archive import unpack_arrays
from parties.batches import BatchPlan
from parties.checkpoints import FolderCheckpoints
from parties.config import ITEM
from parties.role import Role

HEADLINE: Final = "recall@50"
MODEL: Final = ("queries", "items", "history")  # of the item party's result


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one run ended with.

    Args:
        recall: of the federated system on the cold users.
        digests: party → SHA-256 of the model it holds.
        epochs: that the item party's history lists, in its order.
        repeated: party → releases of one step that its ledger lists twice in one session.
        sessions: it took.
        steps: training steps that count.
    """

    recall: float
    digests: Mapping[str, str] = field(repr=False)
    epochs: tuple[int, ...]
    repeated: Mapping[str, int]
    sessions: int
    steps: int

    @property
    def counted_once(self) -> bool:
        """Whether no epoch and no release was counted twice."""
        return not any(self.repeated.values()) and self.epochs == tuple(range(len(self.epochs)))

    def equals(self, other: "Outcome") -> bool:
        """Whether another run ended with the same model at every party, and the same recall."""
        return (self.recall, self.digests, self.epochs) == (
            other.recall,
            other.digests,
            other.epochs,
        )


def outcome_of(federation: Rehearsal) -> Outcome:
    """What the newest run left at the parties."""
    arrays = unpack_arrays(federation.result().read_bytes())
    digests = {ITEM: _digest({key: arrays[key] for key in MODEL})}
    config = federation.jobs()[-1].config
    ledgers = {}
    for name, party in federation.parties.items():
        if party.role is Role.COORDINATOR:
            continue
        folder = federation.job_folder(name)
        ledgers[name] = repeated_releases(folder / "ledger.jsonl")
        if party.role is Role.PARTNER:
            store = FolderCheckpoints(folder / "checkpoints")
            digests[name] = _digest(unpack_arrays(store.load_epoch(store.epochs()[-1])))
    report = federation.report()
    return Outcome(
        recall=report["systems"]["federated"][HEADLINE]["mean"],
        digests=digests,
        epochs=tuple(int(epoch) for epoch, _, _ in arrays["history"]),
        repeated=ledgers,
        sessions=federation.progress().session,
        steps=len(arrays["history"]) * BatchPlan(config, len(arrays["queries"])).steps,
    )


def repeated_releases(ledger: Path) -> int:
    """How many releases of one kind and step went to one party twice in one session."""
    seen: Counter[tuple[Any, ...]] = Counter()
    for line in ledger.read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        if entry.get("event") == "release" and entry["step"] is not None:
            seen[entry["session"], entry["kind"], entry["step"], entry["to"]] += 1
    return sum(count - 1 for count in seen.values())


def _digest(arrays: Mapping[str, Any]) -> str:
    digest = hashlib.sha256()
    for name in sorted(arrays):
        digest.update(f"{name} {arrays[name].dtype} {arrays[name].shape}".encode())
        digest.update(arrays[name].tobytes())
    return digest.hexdigest()
