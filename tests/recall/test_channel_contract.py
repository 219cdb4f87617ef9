"""What every channel promises, whatever it recalls from."""

import inspect
import pkgutil
from importlib import import_module

import numpy as np
import pytest

import recall
from recall import Channel, Query, fetch
from tests.recall.contract import CHANNELS, QUERIES


@pytest.mark.parametrize("name", CHANNELS)
@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
@pytest.mark.parametrize("k", [1, 2, 50])
def test_every_channel_gives_at_most_k_different_items_best_first(
    name: str, query: Query, k: int
) -> None:
    found = CHANNELS[name].recall(query, k)
    assert CHANNELS[name].name == name
    assert len(found) <= k
    assert len(set(found.items.tolist())) == len(found)
    assert (np.diff(found.scores) <= 0).all()
    assert (found.items.dtype, found.scores.dtype) == (np.int64, np.float32)
    assert len(found.reasons) in {0, len(found)}


@pytest.mark.parametrize("name", CHANNELS)
def test_every_channel_recalls_something_for_somebody(name: str) -> None:
    assert any(len(CHANNELS[name].recall(query, 5)) for query in QUERIES.values())


@pytest.mark.parametrize("name", CHANNELS)
@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
def test_a_channel_answers_the_same_query_the_same_way(name: str, query: Query) -> None:
    first, second = (CHANNELS[name].recall(query, 5) for _ in range(2))
    assert first.items.tolist() == second.items.tolist()


@pytest.mark.parametrize("name", CHANNELS)
def test_what_a_query_excludes_is_never_fetched_and_makes_no_list_shorter(name: str) -> None:
    for query in QUERIES.values():
        everything = fetch(CHANNELS[name], query, 50).items
        excluded = np.concatenate([query.excluded, everything[:1]])
        excluding = Query(vector=query.vector, history=query.history, excluded=excluded)
        assert fetch(CHANNELS[name], excluding, 50).items.tolist() == everything[1:].tolist()
        assert len(fetch(CHANNELS[name], excluding, 1)) == min(1, max(0, len(everything) - 1))


def test_no_channel_of_the_package_is_missing_here() -> None:
    modules = [
        import_module(f"recall.{found.name}") for found in pkgutil.iter_modules(recall.__path__)
    ]
    classes = {
        value
        for module in modules
        for value in vars(module).values()
        if inspect.isclass(value) and callable(getattr(value, "recall", None))
    }
    assert classes - {Channel} == {type(channel) for channel in CHANNELS.values()}
