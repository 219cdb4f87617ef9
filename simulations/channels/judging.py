"""Fusing the channels of a split, and judging them on warm users, cold users and new songs.

Weights are fitted on people who judge no comparison of their own kind: for users with a history on
the fitting users of the holdout, for users without on those whom the federated run held out to
decide when to stop. The latter are asked as if they had no history; they decided how long the
towers trained, and their plays are among those that make a song popular, so both weights may be a
little high.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from parties.seeds import derive_seed
from recall import Candidates, Popularity, ranked_rows
from recall.catalogue import Catalogue
from recall.fitting import Example, fit_weights
from recall.fusion import Fuser
from recall.fusion_config import FusionConfig, Method
from recall.learned import FusionWeights, UserKind
from simulations.baselines import slots_of_users
from simulations.channels.federated import FederatedChannel
from simulations.channels.lists import ChannelLists
from simulations.channels.names import (
    COLD,
    FEDERATED,
    FUSION,
    FUSION_WITHOUT,
    NEW_SONGS,
    WARM,
    ChannelName,
)
from simulations.evaluation import Judge
from simulations.histories import histories, played
from simulations.lift import SystemResult
from simulations.split import Split
from simulations.tasks import TaskResult
from towers.stopping import hold_out as hold_out_users

Ids = npt.NDArray[np.int64]
Lists = Mapping[str, Candidates]
DEPTH: Final = FusionConfig().depth


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Asked:
    """Users of one kind of comparison, and what every channel recalled for each.

    Args:
        users: (users,) their numbers.
        kinds: what is known of each.
        lists: each one's lists by channel.
    """

    users: Ids
    kinds: Sequence[UserKind] = field(repr=False)
    lists: Sequence[Lists] = field(repr=False)

    def examples(self, truth: sp.csr_array) -> list[Example]:
        """The users with what each went on to play, a row of (n, m) `truth` each."""
        return [
            Example(lists=lists, played=played(truth, int(user)), kind=kind)
            for user, kind, lists in zip(self.users, self.kinds, self.lists, strict=True)
        ]

    def names(self) -> list[str]:
        """The channels that recalled anything for anybody."""
        names = dict.fromkeys(name for lists in self.lists for name in lists)
        return [name for name in names if any(len(lists[name]) for lists in self.lists)]

    def ranked(self, name: str, k: int) -> Ids:
        """(users, k) one channel's lists, filled up with -1."""
        return ranked_rows([lists[name].items for lists in self.lists], k)

    def without(self, name: str) -> "Asked":
        """The same users, of the same kinds, as if a channel did not exist.

        Kinds stay, so that what is fitted without the channel differs in nothing else.
        """
        lists = [{n: each for n, each in row.items() if n != name} for row in self.lists]
        return Asked(users=self.users, kinds=self.kinds, lists=lists)

    def fused(self, fuser: Fuser, k: int) -> Ids:
        """(users, k) fused lists."""
        fused = [
            fuser.fuse(lists, k, kind=kind).items
            for kind, lists in zip(self.kinds, self.lists, strict=True)
        ]
        return ranked_rows(fused, k)


def judge_fusion(split: Split) -> TaskResult:
    """Compare every channel and their fusion on a split whose other tasks are done.

    Raises:
        RunFolderError, IndexFileError: what the other tasks left is missing or damaged.
        NoTruthError: too few users to fit the fusion on.
    """
    bench = _Bench(split)
    warm, cold = bench.warm(split.holdout.judged), bench.cold(split.cold)
    fitting = bench.warm(split.holdout.fitting), bench.cold(bench.validation_users())
    truths = split.holdout.hidden, split.holdout.shown
    whole = bench.fitted(fitting, truths)
    bare = bench.fitted(tuple(each.without(FEDERATED) for each in fitting), truths)
    groups = {
        WARM: bench.judged(warm, split.holdout.hidden, (whole, bare)),
        COLD: bench.judged(cold, split.listening.weights, (whole, bare)),
    }
    facts: dict[str, Any] = {
        "fitting_users": {WARM: len(fitting[0].users), COLD: len(fitting[1].users)},
        "weights": {kind.value: each.worth() for kind, each in whole.learned.items()},
        "users": {WARM: warm.users.tolist(), COLD: cold.users.tolist()},
    }
    if len(split.holdout.fresh):
        found, users = bench.new_songs()
        groups[NEW_SONGS] = found
        facts["users"][NEW_SONGS] = users.tolist()
        facts["new_songs"] = len(split.holdout.fresh)
    return TaskResult(groups=groups, facts=facts)


class _Bench:
    """One split's channels, to be asked for some users."""

    def __init__(self, split: Split) -> None:
        self._split = split
        self._lists = ChannelLists.load(split.task.folder)
        known = np.asarray(split.listening.known().any(axis=1))
        self._federated = FederatedChannel.load(split.task.folder, known)
        self._histories = histories(split.holdout.shown, split.listening.heard_at)
        self._popularity = split.judge.popularity
        self._popular = Popularity.from_counts(self._popularity).ranking.best(DEPTH)

    def warm(self, users: Ids) -> Asked:
        """Users with a history: every channel."""
        queries = [
            self._federated.query(int(user), history=self._histories[int(user)]) for user in users
        ]
        recalled = self._federated.recalled(queries, DEPTH)
        lists = [
            self._lists.of(int(user)) | {FEDERATED: recalled.candidates(row)}
            for row, user in enumerate(users)
        ]
        return Asked(users=users, kinds=[*map(UserKind.of, queries)], lists=lists)

    def cold(self, users: Ids) -> Asked:
        """Users as if they had no history: the federated channel, and what is popular."""
        queries = [self._federated.query(int(user)) for user in users]
        recalled = self._federated.recalled(queries, DEPTH)
        popular = ChannelName.POPULARITY.value
        lists = [
            {popular: self._popular, FEDERATED: recalled.candidates(row)}
            for row in range(len(users))
        ]
        return Asked(users=users, kinds=[*map(UserKind.of, queries)], lists=lists)

    def validation_users(self) -> Ids:
        """Warm users whom training left out, to decide when to stop."""
        config, shown = self._split.config, self._split.holdout.shown
        slots = slots_of_users(config, shown.shape[0])
        user_of_slot = np.argsort(slots)
        _, held = hold_out_users(
            sp.csr_array(shown[user_of_slot]),
            config.training.validation_share,
            seed=derive_seed(config.seed, "validation"),
        )
        return np.sort(user_of_slot[np.diff(held.indptr) > 0]).astype(np.int64)

    def fitted(self, asked: Sequence[Asked], truths: Sequence[sp.csr_array]) -> Fuser:
        """A fuser whose weights were fitted on some users."""
        catalogue = Catalogue(popularity=self._popularity)
        examples = [
            example
            for each, truth in zip(asked, truths, strict=True)
            for example in each.examples(truth)
        ]
        learned: Mapping[UserKind, FusionWeights] = fit_weights(examples, catalogue=catalogue)
        config = FusionConfig(method=Method.LEARNED)
        return Fuser(config=config, catalogue=catalogue, learned=learned)

    def judged(
        self, asked: Asked, truth: sp.csr_array, fusers: tuple[Fuser, Fuser]
    ) -> tuple[SystemResult, ...]:
        """Every channel and both fusions on users whose further songs are known."""
        judge = self._judge(asked.users, truth)
        top = self._split.task.evaluation.top_k
        whole, bare = fusers
        rankings: Iterator[tuple[str, Ids]] = iter(
            [
                *((name, asked.ranked(name, top)) for name in asked.names()),
                (FUSION_WITHOUT, asked.without(FEDERATED).fused(bare, top)),
                (FUSION, asked.fused(whole, top)),
            ]
        )
        return tuple(judge.lists(name, ranked) for name, ranked in rankings)

    def new_songs(self) -> tuple[tuple[SystemResult, ...], Ids]:
        """How many of the new songs that cold users played are in their lists, and whose."""
        split = self._split
        fresh = np.zeros(len(split.listening.items))
        fresh[split.holdout.fresh] = 1
        truth = sp.csr_array(split.listening.weights @ sp.diags_array(fresh))
        truth.eliminate_zeros()
        users = split.cold[np.diff(truth.indptr)[split.cold] > 0]
        if not len(users):
            return (), users
        ranked = self.cold(users).ranked(FEDERATED, split.task.evaluation.top_k)
        return (self._judge(users, truth).lists(FEDERATED, ranked),), users

    def _judge(self, users: Ids, truth: sp.csr_array) -> Judge:
        return Judge(
            users=users,
            truth=sp.csr_array(truth[users]),
            popularity=self._popularity,
            top_k=self._split.task.evaluation.top_k,
        )
