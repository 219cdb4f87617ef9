"""Two rehearsals never have one slot, and a slot is free again when its process is gone."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from deploy.rehearsal.errors import RehearsalError
from deploy.rehearsal.slots import SLOTS, other_free_slots, own_slot


def test_the_lowest_free_slot_is_taken_and_given_back(tmp_path: Path) -> None:
    with own_slot(tmp_path) as first:
        with own_slot(tmp_path) as second:
            assert (first, second) == (0, 1)
        with own_slot(tmp_path) as third:
            assert third == 1


def test_a_slot_in_use_is_not_among_the_free_ones(tmp_path: Path) -> None:
    with own_slot(tmp_path) as own, own_slot(tmp_path) as other:
        with other_free_slots(own, tmp_path) as free:
            assert free == [n for n in range(SLOTS) if n not in (own, other)]
        with own_slot(tmp_path) as third:
            assert third == 2, "what was held for a moment is free again"


def test_who_comes_while_another_one_cleans_up_waits_for_a_slot(tmp_path: Path) -> None:
    def come() -> int:
        with own_slot(tmp_path) as number:
            return number

    with ThreadPoolExecutor(1) as pool, own_slot(tmp_path) as own:
        with other_free_slots(own, tmp_path):
            coming = pool.submit(come)
            with pytest.raises(TimeoutError):
                coming.result(timeout=0.2)
        assert coming.result(timeout=10) == 1


def test_too_many_rehearsals_are_refused(tmp_path: Path) -> None:
    with ExitStack() as stack:
        for _ in range(SLOTS):
            stack.enter_context(own_slot(tmp_path))
        with pytest.raises(RehearsalError, match="running already"), own_slot(tmp_path):
            pass
