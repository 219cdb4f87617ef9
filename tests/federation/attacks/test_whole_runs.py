"""Whole runs over a hub that tampers with one frame: a typed error, never a wrong result."""

import random
from pathlib import Path

import numpy as np
import pytest

from federation.errors import FederationError
from federation.protocol.profile import Profile
from simulations import federation
from simulations.federation import FederationOutcome, run_federation
from tests.federation.attacks.hubs import (
    Delay,
    Delivery,
    Drop,
    Extend,
    FlipBit,
    Forge,
    RecordingHub,
    Redirect,
    Reflect,
    Repeat,
    Replace,
    Tampering,
    TamperingHub,
    Truncate,
)
from tests.federation.attacks.tiny import tiny_scenario, write_folder

# What spoils a frame that somebody waits for, and what may come to nothing: a repeated frame that
# nobody reads any more, or a delayed one that arrives in its turn all the same.
SPOILING = (FlipBit, Truncate, Extend, Forge, Replace, Redirect, Reflect, Drop)
HARMLESS_AT_TIMES = (Repeat, Delay)
RUNS = {Profile.PLAIN: 16, Profile.FROZEN: 10, Profile.STRICT: 4}
CHOICE = random.Random(20)  # noqa: S311 - which frames are tampered with, the same every time
ATTEMPTS = [
    (profile, attack, CHOICE.random())
    for profile, count in RUNS.items()
    for attack in (*SPOILING, *HARMLESS_AT_TIMES, *SPOILING)[:count]
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def untouched(folder: Path) -> dict[Profile, tuple[FederationOutcome, int]]:
    """Of each profile, what an honest run ends with, and how many frames it delivers."""
    hubs: list[RecordingHub] = []

    class Hub(RecordingHub):
        def __init__(self, *args: object) -> None:
            super().__init__(*args)  # type: ignore[arg-type]
            hubs.append(self)

    outcomes = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(federation, "MemoryHub", Hub)
        for profile in Profile:
            outcome = run_federation(tiny_scenario(folder, profile))
            outcomes[profile] = (outcome, len(hubs[-1].deliveries))
    return outcomes


def same(one: FederationOutcome, other: FederationOutcome) -> bool:
    pairs = ((one.item.queries, other.item.queries), (one.item.items, other.item.items))
    return all(np.array_equal(a, b) for a, b in pairs) and one.item.history == other.item.history


@pytest.mark.parametrize(("profile", "attack", "share"), ATTEMPTS)
def test_a_run_over_a_tampering_hub_ends_in_a_typed_error_or_the_right_result(
    profile: Profile,
    attack: type[Tampering],
    share: float,
    folder: Path,
    untouched: dict[Profile, tuple[FederationOutcome, int]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    right, frames = untouched[profile]

    class Hub(TamperingHub):
        target = int(share * frames)
        seed = int(share * 1e9)
        done = 0

        def carry(self, recipient: str, data: bytes) -> list[Delivery]:
            Hub.done = len(self.deliveries)
            return super().carry(recipient, data)

    Hub.attack = attack
    monkeypatch.setattr(federation, "MemoryHub", Hub)
    scenario = tiny_scenario(folder, profile, timeout_s=6.0 if profile is Profile.STRICT else 2.0)

    try:
        outcome = run_federation(scenario)
    except FederationError:
        assert Hub.done > Hub.target, "the run failed before anything was tampered with"
        return
    assert Hub.done == frames
    assert attack in HARMLESS_AT_TIMES, "a spoilt frame went unnoticed"
    assert same(outcome, right)


@pytest.mark.parametrize("profile", Profile)
def test_an_untouched_run_gives_the_same_result_again(
    profile: Profile, folder: Path, untouched: dict[Profile, tuple[FederationOutcome, int]]
) -> None:
    outcome = run_federation(tiny_scenario(folder, profile))

    assert same(outcome, untouched[profile][0])
