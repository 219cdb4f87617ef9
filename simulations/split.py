"""The data of one split: who is cold, what models may see, and who judges them."""

from dataclasses import replace

from parties.data import ItemData
from recall.plays import listener_counts
from simulations.baselines import Trained
from simulations.evaluation import Judge
from simulations.holdout import hold_out
from simulations.lift import SystemResult
from simulations.listening import Listening
from simulations.tasks import Task


class Split:
    """What a task works on: the data of one split, its cold users and their judge."""

    def __init__(self, task: Task, listening: Listening) -> None:
        self.task = task
        self.config = replace(task.config, seed=task.seed)
        self.listening = listening
        self.holdout = hold_out(
            listening, task.evaluation, seed=task.seed, channels=bool(task.channels)
        )
        self.cold = self.holdout.cold
        self.item: ItemData = listening.showing(self.holdout.shown)
        self.judge = Judge(
            users=self.cold,
            truth=listening.weights[self.cold],
            popularity=listener_counts(self.item.listening),
            top_k=task.evaluation.top_k,
        )

    def judged(self, name: str, trained: Trained) -> SystemResult:
        """Score a trained system on the cold users."""
        return self.judge.vectors(name, trained.queries[self.cold], trained.items)
