import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from recall import NOTHING, Candidates
from simulations.bench.warm import Warm, warm_splits
from simulations.data import LoadedData, load
from simulations.listening import Listening


@pytest.fixture(scope="module")
def tagged(listening: Listening, tiny: object) -> LoadedData:
    """The tiny world, where every user tags each song played and one that was not."""
    rows, columns = listening.weights.nonzero()
    tags = pd.DataFrame(
        {
            "user_id": np.array(listening.users)[rows],
            "item_id": np.array(listening.items)[columns],
            "tag": "tag=" + pd.Series(rows).astype(str),  # every user has a tag of their own
        }
    )
    return LoadedData(tables=load(str(tiny)).tables, tags=tags)


def test_what_is_judged_on_is_seen_neither_by_channels_nor_when_they_are_chosen(
    tagged: LoadedData, listening: Listening
) -> None:
    validation, test = warm_splits(tagged, listening, share=0.3, seed=0)
    for seen in (validation.known, validation.hidden, test.known):
        assert not sp.csr_array(seen.multiply(test.hidden)).nnz
    total = (test.known + test.hidden).toarray()
    np.testing.assert_array_equal(total, listening.weights.toarray())


def test_the_same_seed_hides_the_same_songs_and_another_seed_others(
    tagged: LoadedData, listening: Listening
) -> None:
    one, same, other = (
        warm_splits(tagged, listening, share=0.3, seed=seed)[1].hidden.toarray()
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)
    assert one.astype(bool).sum() == other.astype(bool).sum()


def test_tags_that_a_user_gave_to_a_hidden_song_are_hidden_too(
    tagged: LoadedData, listening: Listening
) -> None:
    for warm in warm_splits(tagged, listening, share=0.3, seed=0):
        assert warm.tags is not None
        # Tags are numbered as their users come: a row of tags is a row of plays.
        listeners = np.flatnonzero(np.diff(listening.weights.indptr))
        assert not sp.csr_array(warm.tags.multiply(warm.hidden[listeners])).nnz
    assert warm.tags.nnz == warm.known.nnz


def test_without_tags_there_is_no_table_of_them(tiny: object, listening: Listening) -> None:
    validation, test = warm_splits(load(str(tiny)), listening, share=0.3, seed=0)
    assert validation.tags is test.tags is None


def made(known: list[list[float]], hidden: list[list[float]]) -> Warm:
    return Warm(
        known=sp.csr_array(known), hidden=sp.csr_array(hidden), tags=None, titles=["a", "b", "c"]
    )


def test_a_query_has_the_most_played_song_last_and_excludes_them_all() -> None:
    first, second = made([[5, 0, 2], [0, 0, 0]], [[0, 1, 0], [1, 0, 0]]).queries()
    assert (first.history.tolist(), sorted(first.excluded.tolist())) == ([2, 0], [0, 2])
    assert second.is_cold


def test_only_users_with_hidden_songs_are_judged() -> None:
    warm = made([[1, 0, 0], [0, 1, 1]], [[0, 0, 1], [0, 0, 0]])
    lists = [Candidates(np.array([2]), np.ones(1, np.float32)), NOTHING]
    assert warm.judge(lists) == {"recall@20": 1.0, "ndcg@20": 1.0, "recall@50": 1.0}
    assert warm.popularity().tolist() == [1, 1, 1]
