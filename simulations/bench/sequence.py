"""How well sequence models foresee the next item, what they cost, and how they compare.

Each model is trained afresh; the last item of every history is tested by its rank among all items
that the user has not had before, and the one before tells when to stop. In a made world the truth
is asked as well how likely the next item is to be listed.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Final

import numpy as np
import numpy.typing as npt
import torch

from simulations.bench.sequence_cost import CostLoad, measure_cost, require_peer
from simulations.bench.sequence_models import ONE_INTEREST, SHAPES, Model
from simulations.bench.sequence_truth import expected_hits
from simulations.data.sequences import Sequences, read_sequences
from simulations.data.world_sequences import world_sequences
from simulations.lift.bootstrap import Interval, Resampling, percentile_interval, resampled_means
from simulations.world import WorldConfig
from towers.ranking import hit_rate, mean_ndcg, target_ranks
from towers.sequence_config import SequenceConfig, SequenceTrainingConfig
from towers.sequence_training import EpochReport, SequenceRun, train_sequence

Ids = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Hits = Mapping[str, Floats]  # measure → (users,)
Say = Callable[[str], None]

HIT_CUTOFFS: Final = (5, 10, 50)
NDCG_CUTOFFS: Final = (10, 50)
COMPARED_AT: Final = 50
HIT: Final = f"hr@{COMPARED_AT}"
EXPECTED_HIT: Final = f"expected_{HIT}"
WORLD: Final = "world"


@dataclass(frozen=True, slots=True, kw_only=True)
class SequenceBench:
    """What is measured.

    Args:
        data: file of sequences, or "world" for those of a made world.
        model: which models are trained; MIND comes with a MIND of one interest.
        seed: of everything random.
        epochs: at most; the trainer's own limit if None.
        peer_python: interpreter with RecTools 0.19, to compare the cost of training with.
        load: the made log that cost is measured on.
        world: the made world, whose users of several tastes are judged apart as well; its seed is
            `seed`.
    """

    data: str
    model: Model = Model.ALL
    seed: int = 0
    epochs: int | None = None
    peer_python: Path | None = None
    load: CostLoad = field(default_factory=CostLoad)
    world: WorldConfig = field(default_factory=lambda: WorldConfig(users=12_000))


def run_sequence_bench(bench: SequenceBench, progress: Say) -> dict[str, object]:
    """Train, test and compare.

    Returns:
        What `json.dumps` takes. Everything but seconds is the same for the same seed.

    Raises:
        DataSetMissingError: there is no such file.
        DataSetDamagedError: it is not as described.
        PeerMissingError: the interpreter that was given cannot run RecTools.
    """
    torch.set_num_threads(1)
    if bench.peer_python is not None:
        require_peer(bench.peer_python)  # before models are trained for minutes
    sequences = _sequences(bench, progress)
    hits: dict[str, Hits] = {}
    models: dict[str, object] = {}
    for name in _chosen(bench.model):
        run = _train(name, sequences, bench, progress)
        progress(f"{name}: ranking")
        ranks = rank_last_items(run, sequences)
        hits[name] = {HIT: (ranks < COMPARED_AT).astype(np.float64), **_expected(run, sequences)}
        expected = {measure: float(values.mean()) for measure, values in hits[name].items()}
        models[name] = {**expected, **_quality(ranks), **_effort(run)}
    report: dict[str, object] = {
        "bench": "sequence",
        "data": sequences.name,
        "users": len(sequences.histories),
        "items": sequences.items,
        "interactions": sequences.interactions,
        "seed": bench.seed,
        "models": models,
        "comparison": _comparisons(hits, sequences, bench.seed),
    }
    if bench.peer_python is None:
        return {**report, "training_cost": None, "training_cost_left_out": "no --peer-python"}
    cost = measure_cost(bench.peer_python, load=bench.load, seed=bench.seed, say=progress)
    return {**report, "training_cost": cost}


def _sequences(bench: SequenceBench, progress: Say) -> Sequences:
    if bench.data != WORLD:
        return read_sequences(Path(bench.data))
    progress("making a world")
    return world_sequences(replace(bench.world, seed=bench.seed))


def rank_last_items(run: SequenceRun, sequences: Sequences) -> Ids:
    """(users,) rank of the last item among all that are not in the user's history."""
    known, targets = sequences.split()
    trained = run.trained
    return target_ranks(
        trained.encode_all(known), trained.item_vectors(), seen=known, targets=targets
    )


def _expected(run: SequenceRun, sequences: Sequences) -> Hits:
    if sequences.chances is None or sequences.items <= COMPARED_AT:
        return {}
    known, _ = sequences.split()
    trained = run.trained
    likely = expected_hits(
        trained.encode_all(known),
        trained.item_vectors(),
        seen=known,
        chances=sequences.chances,
        top_k=COMPARED_AT,
    )
    return {EXPECTED_HIT: likely}


def relative_gain(better: Floats, base: Floats, *, seed: int) -> Interval:
    """How many more hits (users,) of one model there are than of another on the same users."""
    hits = np.stack([better, base], axis=1)
    rng = np.random.default_rng(seed)
    means = resampled_means(hits, Resampling.of_rows(len(hits)), rng=rng)
    mean = hits.mean(axis=0)
    # A model that never hits gains nothing to divide by: NaN is not JSON, so at least one hit.
    floor = 1 / len(hits)
    point = mean[0] / max(mean[1], floor) - 1
    return percentile_interval(point, means[:, 0] / np.maximum(means[:, 1], floor) - 1)


def _chosen(model: Model) -> Sequence[str]:
    if model is Model.ALL:
        return [*SHAPES]
    return [model, ONE_INTEREST] if model is Model.MIND else [model]


def _train(name: str, sequences: Sequences, bench: SequenceBench, progress: Say) -> SequenceRun:
    def watch(report: EpochReport) -> None:
        progress(f"{name}: epoch {report.number}, validation NDCG {report.validation:.4f}")

    training = SequenceTrainingConfig()
    if bench.epochs is not None:
        training = replace(training, epochs=bench.epochs)
    progress(f"{name}: epoch 1")
    config = SequenceConfig(encoder=SHAPES[name], training=training)
    known, _ = sequences.split()
    return train_sequence(config, known, sequences.items, seed=bench.seed, watch=watch)


def _quality(ranks: Ids) -> dict[str, float]:
    hits = {f"hr@{k}": hit_rate(ranks, k) for k in HIT_CUTOFFS}
    return {**hits, **{f"ndcg@{k}": mean_ndcg(ranks, k) for k in NDCG_CUTOFFS}}


def _effort(run: SequenceRun) -> dict[str, float]:
    return {
        "validation_ndcg@10": run.epochs[run.best_epoch - 1].validation,
        "epochs": len(run.epochs),
        "best_epoch": run.best_epoch,
        "seconds_per_epoch": median(report.seconds for report in run.epochs),
        "cpu_seconds_per_epoch": median(report.cpu_seconds for report in run.epochs),
    }


def _comparisons(hits: Mapping[str, Hits], sequences: Sequences, seed: int) -> dict[str, object]:
    pairs = ((Model.SASREC, Model.MEAN_POOLING), (Model.MIND, ONE_INTEREST))
    everybody = np.ones(len(sequences.histories), dtype=np.bool_)
    groups = {"": everybody, **{f" {name}": who for name, who in sequences.groups.items()}}
    return {
        f"{better}_over_{base}": {
            f"{measure}{group}": _gain(found[who], hits[base][measure][who], seed)
            for measure, found in hits[better].items()
            for group, who in groups.items()
        }
        for better, base in pairs
        if better in hits and base in hits
    }


def _gain(better: Floats, base: Floats, seed: int) -> dict[str, float]:
    gain = relative_gain(better, base, seed=seed)
    return {"relative": gain.mean, "low": gain.low, "high": gain.high}
