"""One training run of RecTools' SASRec, in the interpreter that has it: the peer of the bench.

Run as `python sequence_peer.py HISTORIES.json EPOCHS SEED` it writes one JSON object: the CPU
seconds of fitting. It imports nothing of this program. `Peer.run` gives it one thread.
"""

import json
import sys
import time
from pathlib import Path

import pandas as pd
import torch
from pytorch_lightning import Trainer
from rectools import Columns
from rectools.dataset import Dataset
from rectools.models import SASRecModel


def trainer(epochs: int) -> Trainer:
    """Lightning without logs, files and bars."""
    return Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        devices=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


def main(path: str, epochs: int, seed: int) -> None:
    """Fit, and write what it took."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    job = json.loads(Path(path).read_text(encoding="utf-8"))
    rows = [
        (user, item, place)
        for user, history in enumerate(job["histories"])
        for place, item in enumerate(history)
    ]
    table = pd.DataFrame(rows, columns=[Columns.User, Columns.Item, Columns.Datetime])
    table[Columns.Datetime] = pd.to_datetime(table[Columns.Datetime], unit="s")
    table[Columns.Weight] = 1.0
    model = SASRecModel(
        n_factors=job["dim"],
        n_blocks=job["blocks"],
        n_heads=job["heads"],
        session_max_len=job["max_length"],
        epochs=epochs,
        get_trainer_func=trainer,
        get_trainer_func_kwargs={"epochs": epochs},
    )
    began = time.process_time()
    model.fit(Dataset.construct(table))
    spent = time.process_time() - began
    sys.stdout.write(json.dumps({"cpu_seconds": spent}) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
