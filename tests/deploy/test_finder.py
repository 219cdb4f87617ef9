"""Whatever is hidden in bytes is found, wherever it lies, and nothing else is."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.rehearsal import finder
from deploy.rehearsal.finder import Finder, Kind, Needle, distinct

SECRET = Needle(Kind.IDENTIFIER, b"listener:1234")


@given(before=st.integers(0, 70), after=st.integers(0, 20), seed=st.integers(0, 2**32 - 1))
def test_a_secret_is_found_at_every_place(before: int, after: int, seed: int) -> None:
    noise = np.random.default_rng(seed).bytes(before + after)
    data = noise[:before] + SECRET.value + noise[before:]
    assert list(Finder([SECRET]).find(data)) == [(SECRET, before)]


@given(
    data=st.binary(max_size=200),
    needles=st.lists(st.binary(min_size=8, max_size=12), max_size=5, unique=True),
)
def test_it_finds_what_a_plain_search_finds(data: bytes, needles: list[bytes]) -> None:
    hidden = data + b"".join(needles[::2]) + data
    found = Finder(Needle(Kind.NAME, value) for value in needles).find(hidden)
    expected = {
        (value, at)
        for value in needles
        for at in range(len(hidden))
        if hidden.startswith(value, at)
    }
    assert {(needle.value, at) for needle, at in found} == expected


def test_a_secret_across_two_chunks_is_found_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finder, "CHUNK", 64)
    for before in range(40, 140):
        data = bytes(before) + SECRET.value + bytes(70)
        assert list(Finder([SECRET]).find(data)) == [(SECRET, before)], before


def test_secrets_that_begin_alike_are_told_apart() -> None:
    other = Needle(Kind.IDENTIFIER, b"listener:1299")
    found = list(Finder([SECRET, other]).find(b"..listener:1299.."))
    assert found == [(other, 2)]


def test_a_part_of_a_secret_is_not_the_secret() -> None:
    assert not list(Finder([SECRET]).find(b"listener:123" + bytes(9)))


def test_noise_holds_nothing() -> None:
    rng = np.random.default_rng(1)
    needles = [Needle(Kind.EMBEDDING, rng.bytes(16)) for _ in range(5_000)]
    assert not list(Finder(needles).find(rng.bytes(3_000_000)))


def test_nothing_is_found_where_nothing_is_sought_or_searched() -> None:
    assert not list(Finder([]).find(b"listener:1234"))
    assert not list(Finder([SECRET]).find(b""))
    assert not list(Finder([SECRET]).find(b"short"))


def test_a_secret_that_may_turn_up_by_chance_is_refused() -> None:
    with pytest.raises(ValueError, match="chance"):
        Finder([Needle(Kind.NAME, b"Muse")])


def test_each_secret_counts_once_and_under_its_kind() -> None:
    name = Needle(Kind.NAME, b"Massive Attack")
    found = list(Finder([SECRET, name]).find(SECRET.value * 3 + name.value))
    counts = distinct(found)
    assert (counts[Kind.IDENTIFIER], counts[Kind.NAME], counts[Kind.MODEL]) == (1, 1, 0)


def test_a_printed_needle_does_not_show_the_secret() -> None:
    assert "listener" not in repr(SECRET)


@pytest.mark.parametrize("size", [8, 15, 16, 17, 40])
def test_secrets_of_every_length_are_found_at_every_place(size: int) -> None:
    secret = Needle(Kind.MODEL, np.random.default_rng(size).bytes(size))
    for before in range(20):
        data = bytes(before) + secret.value
        assert list(Finder([secret, SECRET]).find(data)) == [(secret, before)], before


def test_small_numbers_of_which_memory_is_full_do_not_slow_the_search_down() -> None:
    rng = np.random.default_rng(2)
    rows = rng.integers(0, 200, (20_000, 8)).astype("<u8")
    needles = [Needle(Kind.EMBEDDING, row.tobytes()) for row in rows[:10_000]]
    memory = rng.integers(0, 200, 500_000).astype("<u8").tobytes() + rows[5].tobytes()
    found = list(Finder(needles).find(memory))
    assert [at for needle, at in found if needle == needles[5]] == [len(memory) - 64]
