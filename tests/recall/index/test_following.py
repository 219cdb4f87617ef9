import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from recall import CorruptIndexError, ForeignIndexError, ShapeError
from recall.index import following
from recall.index.following import FollowingIndex
from recall.index.publishing import Publisher
from recall.index.stored import DATA
from recall.index.versions import CURRENT, folder_of, numbers
from tests.recall.index.test_publishing import published, version

ASKED = np.ones((1, 1), np.float32)


def says(index: FollowingIndex) -> int:
    ids, scores = index.search(ASKED, 9)
    told = {*(ids // 1000).ravel().tolist(), *scores.ravel().tolist()}
    assert len(told) == 1
    return int(told.pop())


def followed_to_a_damaged_version(
    root: Path,
) -> tuple[Publisher, FollowingIndex, Callable[[], object]]:
    """Version 2 is published and damaged, and version 1 served on; the last one mends it."""
    publisher = published(root, last=1)
    index = FollowingIndex(root)
    publisher.publish(version(2))
    data = folder_of(root, 2) / DATA
    whole = data.read_bytes()
    data.write_bytes(b"damaged")
    assert not index.refresh()
    return publisher, index, lambda: data.write_bytes(whole)


def test_it_serves_what_was_published_last_when_it_is_told_to_look(tmp_path: Path) -> None:
    publisher = published(tmp_path, last=1)
    index = FollowingIndex(tmp_path)
    assert (index.dim, index.count, says(index)) == (1, 5, 1)
    publisher.publish(version(2, count=7))
    assert says(index) == 1
    assert index.refresh()
    assert (index.count, index.version.number, says(index)) == (7, 2, 2)
    assert not index.refresh()


def test_a_version_mended_while_an_older_one_was_served_is_served_at_once(tmp_path: Path) -> None:
    publisher, index, mend = followed_to_a_damaged_version(tmp_path)
    publisher.serve(1)
    assert not index.refresh()
    mend()
    publisher.serve(2)
    assert index.refresh()
    assert says(index) == 2


def test_it_goes_back_with_the_publisher(tmp_path: Path) -> None:
    publisher = published(tmp_path, last=3)
    index = FollowingIndex(tmp_path)
    publisher.serve(2)
    assert index.refresh()
    assert says(index) == 2


def test_a_damaged_version_is_told_of_and_the_one_before_stays(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    publisher = published(tmp_path, last=1)
    index = FollowingIndex(tmp_path)
    publisher.publish(version(2))
    (folder_of(tmp_path, 2) / DATA).write_bytes(b"damaged")
    with caplog.at_level(logging.WARNING):
        assert not index.refresh()
        assert not index.refresh()
    assert says(index) == 1
    assert index.trouble is not None
    assert "version 1 stays" in index.trouble
    assert len(caplog.records) == 1
    publisher.publish(version(3))
    assert index.refresh()
    assert (says(index), index.trouble) == (3, None)


def test_a_damaged_version_is_read_again_after_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, index, mend = followed_to_a_damaged_version(tmp_path)
    mend()
    assert not index.refresh()
    monkeypatch.setattr(following, "RETRY_S", -1.0)
    index._again_at = 0.0
    assert index.refresh()
    assert (says(index), index.trouble) == (2, None)


def test_a_pointer_that_is_gone_or_damaged_changes_nothing(tmp_path: Path) -> None:
    publisher = published(tmp_path, last=1)
    index = FollowingIndex(tmp_path)
    content = (tmp_path / CURRENT).read_bytes()
    (tmp_path / CURRENT).unlink()
    assert not index.refresh()
    assert index.trouble is not None
    assert says(index) == 1
    (tmp_path / CURRENT).write_bytes(content)
    assert not index.refresh()
    assert index.trouble is None
    publisher.publish(version(2))
    assert index.refresh()


def test_the_version_it_serves_is_held_and_the_one_before_is_not(tmp_path: Path) -> None:
    publisher = published(tmp_path, last=1, keep=1)
    index = FollowingIndex(tmp_path)
    publisher.publish(version(2))
    publisher.publish(version(3))
    assert numbers(tmp_path) == [1, 3]
    index.refresh()
    publisher.prune()
    assert numbers(tmp_path) == [3]


def test_several_calls_can_agree_on_one_version(tmp_path: Path) -> None:
    publisher = published(tmp_path, last=1)
    index = FollowingIndex(tmp_path)
    held = index.held
    publisher.publish(version(2))
    index.refresh()
    assert held.index.search(ASKED, 1)[1].tolist() == [[1.0]]
    assert (held.manifest.number, index.version.number) == (1, 2)


def test_a_thread_of_its_own_goes_on_and_ends(tmp_path: Path) -> None:
    publisher = published(tmp_path, last=1)
    index = FollowingIndex(tmp_path)
    before = threading.active_count()
    with index.following(0.01):
        publisher.publish(version(2))
        patience = time.monotonic() + 20
        while says(index) != 2 and time.monotonic() < patience:
            time.sleep(0.01)
        assert says(index) == 2
    assert threading.active_count() == before


def test_nothing_to_follow_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ForeignIndexError, match="no published index"):
        FollowingIndex(tmp_path)
    Publisher(tmp_path).publish(version(1))
    (folder_of(tmp_path, 1) / DATA).unlink()
    with pytest.raises(CorruptIndexError, match="missing"):
        FollowingIndex(tmp_path)


def test_no_threads_are_refused(tmp_path: Path) -> None:
    published(tmp_path, last=1)
    with pytest.raises((ShapeError, CorruptIndexError), match="threads"):
        FollowingIndex(tmp_path, threads=0)
