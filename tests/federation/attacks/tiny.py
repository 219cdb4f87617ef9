"""A federation small enough for a test, in which every needle is easy to recognise."""

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from federation.protocol.profile import Profile
from parties.config import RunConfig
from parties.settings import override
from parties.tables.federation import read_federation
from simulations.federation import Scenario
from simulations.listening import listening_of

USERS = 150
SONGS = 24
PARTNERS = ("social", "video")
JOB = b"a tiny test run."
# Every word that a party keeps to itself begins so.
COLUMN, VALUE, LISTENER, SONG = "colneedle", "valneedle", "listener-", "song-"
SETTINGS: Mapping[str, object] = {
    "encoder.width": 8,
    "exchange.batch_groups": 2,
    "trainer.model.embedding_dim": 32,
    "trainer.negatives": SONGS,
    "trainer.local_passes": 1,
    "training.epochs": 3,
    "training.stopping.top_k": 5,
    "alignment.workers": 1,
}


def user(number: int) -> str:
    return f"{LISTENER}{number:04d}"


def tiny_config(profile: Profile, *, timeout_s: float = 30.0) -> RunConfig:
    config = RunConfig(profile=profile, seed=7)
    for key, value in {**SETTINGS, "exchange.timeout_s": timeout_s}.items():
        config = override(config, key, value)
    return config


def tiny_scenario(folder: Path, profile: Profile, *, timeout_s: float = 30.0) -> Scenario:
    """The federation that `write_folder` left in a folder."""
    listening = listening_of(read_federation(folder))
    return Scenario(
        config=tiny_config(profile, timeout_s=timeout_s),
        item=listening.item_data(np.arange(0, USERS, 7)),  # some users are cold
        partners=listening.partners,
        job=JOB,
    )


def write_folder(folder: Path) -> Path:
    """Three tastes, songs that follow them, and two partners who know most users by them."""
    rng = np.random.default_rng(3)
    taste = rng.integers(0, 3, USERS)
    chance = np.where(np.arange(SONGS) % 3 == taste[:, None], 0.5, 0.05)
    plays = np.argwhere(rng.random((USERS, SONGS)) < chance).tolist()
    events = [(user(n), f"{SONG}{song}") for n, song in plays]
    _write(folder / "events.csv", ("user_id", "item_id"), events)
    description = ['name = "tiny"', "[item_party]", 'events = "events.csv"']
    for name in PARTNERS:
        known = sorted(rng.permutation(USERS)[: USERS - 10].tolist())
        numbers = (rng.normal(size=(USERS, 6)) + taste[:, None]).round(4)
        rows = [(user(n), f"{VALUE}{taste[n]}", *numbers[n].tolist()) for n in known]
        columns = [f"{COLUMN}{name}{i}" for i in range(7)]
        _write(folder / f"{name}.csv", ("user_id", *columns), rows)
        description += ["[[partner]]", f'name = "{name}"', f'users = "{name}.csv"']
    (folder / "federation.toml").write_text("\n".join(description), encoding="utf-8")
    return folder


def _write(file: Path, header: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> None:
    with file.open("w", newline="", encoding="utf-8") as out:
        csv.writer(out).writerows([header, *rows])
