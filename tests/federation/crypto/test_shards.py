import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.crypto import shards
from federation.crypto.curve import hash_to_curve, multiply
from federation.crypto.shards import CHUNK_ITEMS, Shards, Task, serve, usable_cores
from federation.errors import InvalidPointError

SECRET = bytes(range(32))
MESSAGES = [b"%d" % i for i in range(2 * CHUNK_ITEMS + 3)]  # four chunks, one of them short


@pytest.fixture(scope="module")
def pool() -> Iterator[Shards]:
    pool = Shards(SECRET, workers=2, in_process_below=2)
    yield pool
    pool.close()


def in_process() -> Shards:
    return Shards(SECRET, workers=1, in_process_below=0)


def test_workers_and_this_process_give_the_same_points_in_the_same_order(pool: Shards) -> None:
    blinded = pool.map(Task.BLIND, MESSAGES)
    assert blinded == in_process().map(Task.BLIND, MESSAGES)
    assert blinded[-1:] == multiply([hash_to_curve(MESSAGES[-1])], SECRET)
    assert pool.map(Task.REBLIND, blinded) == multiply(blinded, SECRET)


def test_a_worker_refuses_a_twist_point_and_serves_on(pool: Shards) -> None:
    points = multiply(map(hash_to_curve, MESSAGES[:4]), SECRET)
    twist = (2).to_bytes(32, "little")
    with pytest.raises(InvalidPointError, match="twist"):
        pool.map(Task.REBLIND, [*points, twist])
    assert pool.map(Task.REBLIND, points) == multiply(points, SECRET)


def test_few_items_start_no_worker() -> None:
    idle = Shards(SECRET, workers=2, in_process_below=10)
    idle.map(Task.BLIND, MESSAGES[:9])
    assert repr(idle) == "Shards(workers=2, started=0)"
    idle.close()


def test_workers_show_no_secret_in_their_arguments_or_environment() -> None:
    secret = secrets.token_bytes(32)
    pool = Shards(secret, workers=2, in_process_below=0)
    pool.map(Task.BLIND, MESSAGES[:2])
    for worker in pool._started:
        folder = Path(f"/proc/{worker.process.pid}")
        shown = (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()
        assert shown
        assert secret not in shown
        assert secret.hex().encode() not in shown
    pool.close()


def test_nothing_to_do_starts_nothing_and_gives_nothing() -> None:
    pool = Shards(SECRET, workers=2, in_process_below=0)
    assert pool.map(Task.BLIND, []) == []
    assert repr(pool) == "Shards(workers=2, started=0)"


def test_closing_ends_every_worker_and_may_be_repeated() -> None:
    pool = Shards(SECRET, workers=2, in_process_below=0)
    pool.map(Task.BLIND, MESSAGES[:2])
    started = [worker.process for worker in pool._started]
    pool.close()
    pool.close()
    assert [process.returncode for process in started] == [0, 0]


def test_a_dead_worker_is_reported_while_asking_and_afterwards() -> None:
    pool = Shards(SECRET, workers=2, in_process_below=0)
    pool.map(Task.BLIND, MESSAGES[:2])
    for worker in pool._started:
        worker.process.kill()
        worker.process.wait()
    for _ in range(2):
        with pytest.raises(ChildProcessError, match="died"):
            pool.map(Task.BLIND, MESSAGES[:2])
    pool.close()


def test_a_worker_that_dies_before_it_answers_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    # It takes the secret, a header and a chunk of one empty item, and then ends.
    monkeypatch.setattr(shards, "_BOOT", "import sys; sys.stdin.buffer.read(32 + 5 + 8)")
    pool = Shards(SECRET, workers=2, in_process_below=0)
    with pytest.raises(ChildProcessError, match="died"):
        pool.map(Task.BLIND, [b""])
    pool.close()


@pytest.mark.parametrize("workers", [2, 3, 7])
@pytest.mark.parametrize("count", [1, 2, CHUNK_ITEMS - 1, 2 * CHUNK_ITEMS + 3, 20_000])
def test_chunks_are_even_small_and_leave_nothing_out(workers: int, count: int) -> None:
    items = [b"%d" % i for i in range(count)]
    chunks = shards._even_chunks(items, workers)
    assert [item for chunk in chunks for item in chunk] == items
    longest = max(map(len, chunks))
    assert longest <= CHUNK_ITEMS
    assert all(len(chunk) == longest for chunk in chunks[:-1])


def test_workers_can_be_started_ahead_of_the_work() -> None:
    pool = Shards(SECRET, workers=2, in_process_below=10)
    pool.start(9)
    assert repr(pool) == "Shards(workers=2, started=0)"
    pool.start(10)
    pool.start(10)
    assert repr(pool) == "Shards(workers=2, started=2)"
    pool.close()


@settings(deadline=None)
@given(st.lists(st.binary(max_size=40), max_size=5))
def test_items_of_any_length_reach_a_worker_unchanged(items: list[bytes]) -> None:
    assert shards._unframe(shards._frame(items)) == items


def test_a_worker_answers_every_request_until_its_pipe_closes() -> None:
    twist = (2).to_bytes(32, "little")
    requests = SECRET
    for task, items in ((Task.BLIND, [b"ann"]), (Task.REBLIND, [twist])):
        payload = shards._frame(items)
        requests += shards._HEADER.pack(task.value, len(payload)) + payload
    replies = BytesIO()
    serve(BytesIO(requests), replies)
    (point,) = multiply([hash_to_curve(b"ann")], SECRET)
    assert replies.getvalue()[:5] == shards._HEADER.pack(0, 32)
    assert replies.getvalue()[5:37] == point
    assert replies.getvalue()[37] == 1
    assert b"twist" in replies.getvalue()


def test_a_worker_loads_no_heavy_library() -> None:
    program = (
        "import sys; from federation.crypto.shards import serve; "
        "print(*{'torch', 'tenseal', 'pandas', 'numpy', 'flwr'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", program], capture_output=True, check=True, text=True
    )
    assert done.stdout.split() == []


def test_cores_are_counted_where_affinity_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    assert usable_cores() == len(os.sched_getaffinity(0))
    monkeypatch.delattr(os, "sched_getaffinity")
    assert usable_cores() == os.cpu_count()
