import numpy as np
import scipy.sparse as sp

from simulations.evaluation import Judge


def judge() -> Judge:
    """Two cold users among four songs, of which song 2 is the most played."""
    truth = sp.csr_array(np.array([[0, 0, 3, 0], [5, 0, 0, 1]], float))
    return Judge(
        users=np.array([4, 7]),
        truth=truth,
        popularity=np.array([2.0, 0.0, 9.0, 1.0]),
        top_k=200,
    )


def test_the_popular_list_is_the_same_for_everyone_and_most_played_first() -> None:
    result = judge().popular("popularity")
    assert result.name == "popularity"
    assert result.per_user["recall@10"].tolist() == [1.0, 1.0]
    # Song 2 is first for everybody, and only the first user played it.
    assert result.per_user["ndcg@10"][0] == 1.0
    assert result.per_user["ndcg@10"][1] < 1.0


def test_vectors_are_judged_by_inner_product() -> None:
    items = np.eye(4, 5, dtype=np.float32)
    right = np.array([[0, 0, 1, 0, 0], [1, 0, 0, 0.5, 0]], np.float32)
    by_vectors = judge().vectors("federated", right, items)
    by_lists = judge().lists("federated", np.array([[2, 0, 1, 3], [0, 3, 1, 2]]))
    assert by_vectors.per_user["ndcg@10"].tolist() == [1.0, 1.0]
    assert by_vectors.per_user["ndcg@10"].tolist() == by_lists.per_user["ndcg@10"].tolist()


def test_a_list_shorter_than_the_cutoff_finds_no_more_than_it_holds() -> None:
    result = judge().lists("short", np.array([[2], [1]]))
    assert result.per_user["recall@50"].tolist() == [1.0, 0.0]
    assert result.per_user["hit@200"].tolist() == [1.0, 0.0]
