from itertools import pairwise

import numpy as np
import pytest

from simulations.bench import index_duel
from simulations.bench.index_duel import CPU, OURS, THEIRS, WALL, Duel, MedianInterval, Plan, duel
from simulations.bench.index_peers import Ids, Peer, Vectors

USERS = np.arange(30, dtype=np.float32)[:, np.newaxis]


class Told(Peer):
    """Writes down what it is asked."""

    def __init__(self, name: str, told: list[tuple[str, list[int]]]) -> None:
        self.name, self.told = name, told

    def ask(self, queries: Vectors, k: int) -> Ids:
        self.told.append((self.name, queries[:, 0].astype(int).tolist()))
        return np.zeros((len(queries), k), np.int64)


class Working(Peer):
    """Takes so many ticks of a clock that stands still otherwise."""

    def __init__(self, ticks: int, clock: list[float]) -> None:
        self.ticks, self.clock = ticks, clock

    def ask(self, queries: Vectors, k: int) -> Ids:
        self.clock[0] += self.ticks
        return np.zeros((len(queries), k), np.int64)


def told_of(plan: Plan) -> list[tuple[str, list[int]]]:
    told: list[tuple[str, list[int]]] = []
    duel(lambda: (Told("ours", told), Told("theirs", told)), USERS, 5, plan)
    return told


def test_each_is_as_often_the_first_to_be_asked_for_the_same_users() -> None:
    told = told_of(Plan(sittings=1, turns=1, calls=1))
    turn = [("ours", 0), ("theirs", 0), ("theirs", 1), ("ours", 1)]
    again = [("ours", 2), ("theirs", 2), ("theirs", 3), ("ours", 3)]
    assert told == [(name, [user]) for name, user in (*turn, *again)]


def test_users_come_again_when_all_were_asked_for() -> None:
    told = told_of(Plan(sittings=2, turns=3, calls=2, batch=8))
    assert {len(users) for _, users in told} == {8}
    asked = [users for name, users in told if name == "ours"]
    assert {user for users in asked for user in users} == set(range(30))
    assert asked == [users for name, users in told if name == "theirs"]
    sitting = [user for users in asked[: len(asked) // 2] for user in users]
    assert all(after == (before + 1) % 30 for before, after in pairwise(sitting))


def test_both_are_opened_anew_for_every_sitting() -> None:
    opened: list[tuple[Told, Told]] = []

    def opening() -> tuple[Told, Told]:
        opened.append((Told("ours", []), Told("theirs", [])))
        return opened[-1]

    duel(opening, USERS, 5, Plan(sittings=12, turns=2, calls=3))
    assert len(opened) == 12
    assert all(len(peer.told) == (1 + 2) * 2 * 3 for pair in opened for peer in pair)


@pytest.mark.parametrize("theirs", [1, 2, 5])
def test_one_that_works_so_many_times_as_long_is_as_many_times_slower(
    theirs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr(index_duel.time, "perf_counter", lambda: clock[0])
    monkeypatch.setattr(index_duel.time, "thread_time", lambda: 2 * clock[0])
    plan = Plan(sittings=7, turns=5, calls=3, batch=4)
    found = duel(lambda: (Working(4, clock), Working(4 * theirs, clock)), USERS, 5, plan)
    assert found.ratio(WALL) == MedianInterval(median=theirs, low=theirs, high=theirs)
    assert found.ratio(CPU) == found.ratio(WALL)
    # One tick a user, two by the other clock: four ticks a call of four users.
    assert found.speeds(OURS) == {"queries_per_second": 1.0, "queries_per_cpu_second": 0.5}
    assert found.speeds(THEIRS)["queries_per_second"] == round(1 / theirs, 1)


def test_a_busy_turn_and_an_ill_placed_opening_do_not_move_the_figure() -> None:
    seconds = np.ones((9, 5, 2, 2))
    seconds[:, :, THEIRS] = 1.5
    seconds[:, 1, OURS] *= 40  # somebody else took the core
    seconds[2, :, OURS] *= 1.1  # one sitting's memory lies badly
    found = Duel(seconds, batch=1)
    assert found.ratio(WALL) == MedianInterval(median=1.5, low=1.5, high=1.5)
    assert found.report() == {
        "users_a_call": 1,
        "speed": 1.5,
        "cpu_speed": 1.5,
        "cpu_speed_interval": [1.5, 1.5],
    }


def test_the_interval_holds_the_true_median_nineteen_times_in_twenty() -> None:
    rng = np.random.default_rng(0)
    drawn = [MedianInterval.of(rng.lognormal(size=41)) for _ in range(2_000)]
    assert 0.95 < np.mean([each.low <= 1 <= each.high for each in drawn]) < 0.985


def test_the_ends_of_the_interval_are_values_as_far_from_both_ends() -> None:
    # Of 41 coins, 13 heads or fewer come in 1.4 % of throws, 14 or fewer in 3 %.
    assert MedianInterval.of(np.arange(1, 42)) == MedianInterval(median=21, low=14, high=28)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_of_few_values_the_whole_range_is_given(count: int) -> None:
    found = MedianInterval.of(np.arange(count))
    assert (found.low, found.high) == (0, count - 1)
