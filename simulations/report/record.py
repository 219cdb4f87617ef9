"""What a finished run hands to its report."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from federation.protocol.profile import Profile
from simulations.lift import SplitResult

Setting = str | int | float | bool | None | tuple[str | int | float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochRecord:
    """One pass over the training users.

    Args:
        epoch: counted from 1.
        loss: mean training loss.
        validation_recall: on warm users held out of training, in 0 … 1; None when not measured.
        seconds: since training began.
    """

    epoch: int
    loss: float
    validation_recall: float | None
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SplitRecord:
    """One split: its scores, and how each trained system learned.

    Args:
        result: the systems on the split's cold users.
        curves: trained system to its epochs.
    """

    result: SplitResult
    curves: Mapping[str, tuple[EpochRecord, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ChannelsRecord:
    """The platform's own channels beside the federated one.

    Args:
        groups: comparison (warm, cold, new songs) to one result a split; comparisons have users
            and systems of their own.
        weights: one a split: kind of user to channel to what the fusion thinks its signs worth.
        fitting_users: comparison to the users, over all splits, that the fusion was fitted on.
        new_songs: most songs, of any split, that were hidden from everybody; 0 without features.
    """

    groups: Mapping[str, tuple[SplitResult, ...]] = field(repr=False)
    weights: tuple[Mapping[str, Mapping[str, Mapping[str, float]]], ...] = field(repr=False)
    fitting_users: Mapping[str, int]
    new_songs: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CostRecord:
    """What the run cost, over all splits.

    Args:
        seconds: stage (data, alignment, training, evaluation …) to wall-clock seconds, added up
            over processes that run side by side.
        bytes_sent: party to phase (alignment, forward, backward, control) to bytes it sent.
        cpu_seconds: of all tasks of the run; None when not measured.
        peak_memory_bytes: highest resident memory of one process; None when not measured.
        bytes_per_value: bytes sent for one number of a partner's embedding, forward.
    """

    seconds: Mapping[str, float]
    bytes_sent: Mapping[str, Mapping[str, int]]
    cpu_seconds: float | None = None
    peak_memory_bytes: int | None = None
    bytes_per_value: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivacyRecord:
    """How the run was protected.

    Args:
        cipher: the cipher's name and what it does, in half a sentence.
        caveat: what the cipher does not protect; empty when there is nothing to say.
        accepted_single_partner: a person accepted that one partner has no sum to hide in.
    """

    cipher: str
    caveat: str = ""
    accepted_single_partner: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RunRecord:
    """Everything a report says about one run.

    Args:
        data: the data set's name.
        profile: the protection.
        runtime: memory or flower.
        model: dssm or mmoe.
        warm_users: users with a history, in one split.
        cold_users: users whose history is hidden, in one split.
        items: items in the catalogue.
        partners: the partners' names, in roster order.
        splits: one record a seed, at least one.
        cost: of the whole run.
        privacy: of the whole run.
        configuration: dotted setting to its value.
        command: what to type to get the same figures again.
        item_noun: what the items are called, plural.
        notes: sentences to print beside the figures.
        bootstrap_seed: what the intervals' draws come from.
        bootstrap_samples: number of draws.
        channels: the comparison of channels; None where none was asked for.
    """

    data: str
    profile: Profile
    runtime: str
    model: str
    warm_users: int
    cold_users: int
    items: int
    partners: tuple[str, ...]
    splits: tuple[SplitRecord, ...] = field(repr=False)
    cost: CostRecord
    privacy: PrivacyRecord
    configuration: Mapping[str, Setting] = field(default_factory=dict)
    command: str = ""
    item_noun: str = "songs"
    notes: tuple[str, ...] = ()
    bootstrap_seed: int = 0
    bootstrap_samples: int = 2000
    channels: ChannelsRecord | None = None
