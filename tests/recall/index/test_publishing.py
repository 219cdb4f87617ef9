import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from recall import CorruptIndexError, FlatIndex, ForeignIndexError, ShapeError
from recall.index.publishing import LOCK, Publisher
from recall.index.stored import DATA, MANIFEST, About
from recall.index.versions import CURRENT, Pointer, folder_of, numbers, open_current


def version(number: int, count: int = 5) -> FlatIndex:
    """An index of which every score and every item number says its version."""
    return FlatIndex(np.full((count, 1), number), ids=np.arange(count) + 1000 * number)


def says(root: Path) -> int:
    """The version that is served, by all it holds."""
    opened = open_current(root)
    ids, scores = opened.index.search(np.ones((1, 1), np.float32), 9)
    told = {opened.manifest.number, *(ids // 1000).ravel().tolist(), *scores.ravel().tolist()}
    assert len(told) == 1
    return opened.manifest.number


def published(root: Path, *, last: int, keep: int = 3) -> Publisher:
    publisher = Publisher(root, keep=keep)
    for number in range(1, last + 1):
        assert publisher.publish(version(number)).number == number
    return publisher


def test_the_newest_version_is_served(tmp_path: Path) -> None:
    for last in (1, 2, 5):
        published(tmp_path / str(last), last=last)
        assert says(tmp_path / str(last)) == last


def test_the_manifest_says_where_a_version_comes_from(tmp_path: Path) -> None:
    written = Publisher(tmp_path).publish(version(1), About(model="tower", data="catalogue"))
    opened = open_current(tmp_path).manifest
    assert opened == written
    assert (opened.model, opened.data, opened.count) == ("tower", "catalogue", 5)
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", opened.created)


def test_whoever_may_enter_the_folder_may_read_every_file(tmp_path: Path) -> None:
    published(tmp_path, last=1)
    version_folder = folder_of(tmp_path, 1)
    assert version_folder.stat().st_mode & 0o777 == 0o755
    files = [tmp_path / CURRENT, *version_folder.iterdir()]
    assert {path.stat().st_mode & 0o777 for path in files} == {0o644}


def test_a_disk_that_removes_nothing_does_not_fail_what_is_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    publisher = published(tmp_path, last=2, keep=1)

    def refuse(*_: object, **__: object) -> None:
        raise OSError("busy")

    monkeypatch.setattr(shutil, "rmtree", refuse)
    with caplog.at_level("WARNING"):
        assert publisher.publish(version(3)).number == 3
    assert says(tmp_path) == 3
    assert "old versions stay" in caplog.text
    monkeypatch.undo()
    publisher.prune()
    assert numbers(tmp_path) == [3]


def test_as_many_versions_stay_as_were_asked_for(tmp_path: Path) -> None:
    publisher = published(tmp_path, last=7, keep=3)
    assert numbers(tmp_path) == [5, 6, 7]
    assert [manifest.number for manifest in publisher.versions()] == [5, 6, 7]
    assert {path.name for path in tmp_path.iterdir()} == {
        CURRENT,
        LOCK,
        *(folder_of(tmp_path, number).name for number in (5, 6, 7)),
    }


def test_a_version_that_a_reader_holds_stays_until_it_lets_go(tmp_path: Path) -> None:
    publisher = published(tmp_path, last=1, keep=1)
    held = open_current(tmp_path)
    for number in (2, 3):
        publisher.publish(version(number))
    assert numbers(tmp_path) == [1, 3]
    assert held.index.search(np.ones((1, 1), np.float32), 1)[1].tolist() == [[1.0]]
    del held
    publisher.prune()
    assert numbers(tmp_path) == [3]


def test_going_back_serves_an_older_version_and_numbers_go_on(tmp_path: Path) -> None:
    publisher = published(tmp_path, last=3)
    publisher.serve(2)
    assert says(tmp_path) == 2
    assert publisher.publish(version(4)).number == 4
    assert says(tmp_path) == 4


def test_the_version_gone_back_to_is_not_pruned(tmp_path: Path) -> None:
    published(tmp_path, last=3).serve(1)
    Publisher(tmp_path, keep=1).prune()
    assert numbers(tmp_path) == [1]
    assert says(tmp_path) == 1


def test_going_back_to_a_version_that_is_gone_or_damaged_is_refused(tmp_path: Path) -> None:
    publisher = published(tmp_path, last=3)
    with pytest.raises(ForeignIndexError, match="v-00000009"):
        publisher.serve(9)
    (folder_of(tmp_path, 2) / DATA).write_bytes(b"short")
    with pytest.raises(CorruptIndexError, match="v-00000002"):
        publisher.serve(2)
    assert says(tmp_path) == 3


def test_a_damaged_pointer_stops_publishing_and_is_mended_by_naming_a_version(
    tmp_path: Path,
) -> None:
    publisher = published(tmp_path, last=3)
    (tmp_path / CURRENT).write_text("{")
    with pytest.raises(CorruptIndexError, match="name a version"):
        publisher.publish(version(4))
    with pytest.raises(ForeignIndexError, match=CURRENT):
        open_current(tmp_path)
    publisher.serve(3)
    assert says(tmp_path) == 3


def no_pointer(root: Path) -> None:
    (root / CURRENT).unlink()


def no_json(root: Path) -> None:
    (root / CURRENT).write_bytes(b"\xff")


def no_number(root: Path) -> None:
    (root / CURRENT).write_text(json.dumps({"version": "2", "manifest": "0" * 64}))


def version_zero(root: Path) -> None:
    (root / CURRENT).write_text(json.dumps({"version": 0, "manifest": "0" * 64}))


def a_list(root: Path) -> None:
    (root / CURRENT).write_text("[]")


@pytest.mark.parametrize("damage", [no_pointer, no_json, no_number, version_zero, a_list])
def test_a_pointer_that_is_none_is_refused(damage: Callable[[Path], None], tmp_path: Path) -> None:
    published(tmp_path, last=2)
    damage(tmp_path)
    with pytest.raises(ForeignIndexError, match=CURRENT):
        open_current(tmp_path)


def no_folder(root: Path) -> None:
    shutil.rmtree(folder_of(root, 2))


def no_manifest(root: Path) -> None:
    (folder_of(root, 2) / MANIFEST).unlink()


def manifest_of_another_version(root: Path) -> None:
    shutil.copy(folder_of(root, 1) / MANIFEST, folder_of(root, 2) / MANIFEST)


def data_of_another_version(root: Path) -> None:
    shutil.copy(folder_of(root, 1) / DATA, folder_of(root, 2) / DATA)


def whole_other_version(root: Path) -> None:
    shutil.rmtree(folder_of(root, 2))
    shutil.copytree(folder_of(root, 1), folder_of(root, 2))


@pytest.mark.parametrize(
    "mix",
    [
        no_folder,
        no_manifest,
        manifest_of_another_version,
        data_of_another_version,
        whole_other_version,
    ],
)
def test_a_mixture_of_versions_is_refused(mix: Callable[[Path], None], tmp_path: Path) -> None:
    published(tmp_path, last=2)
    mix(tmp_path)
    with pytest.raises(CorruptIndexError, match="v-00000002"):
        open_current(tmp_path)


class Stopped(OSError):
    """The disk gave out, or the process was stopped there."""


def stop_at(call: int, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let the `call`-th system call of those that change a folder fail; gives what was called."""
    called: list[str] = []

    def watched(name: str) -> None:
        real = getattr(os, name)

        def stopping(*arguments: object, **named: object) -> object:
            called.append(name)
            if len(called) == call:
                raise Stopped(28, "No space left on device")
            return real(*arguments, **named)

        monkeypatch.setattr(f"os.{name}", stopping)

    for name in ("fsync", "rename", "replace", "mkdir", "chmod"):
        watched(name)
    return called


def test_wherever_publishing_stops_a_whole_version_is_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        called = stop_at(0, patch)
        published(tmp_path / "all", last=1).publish(version(2))
    steps = len(called)
    assert steps >= 12
    outcomes = set()
    for call in range(1, steps + 1):
        root = tmp_path / str(call)
        publisher = published(root, last=1)
        with monkeypatch.context() as patch:
            stop_at(call, patch)
            try:
                publisher.publish(version(2))
            except Stopped:
                outcomes.add(served := says(root))
                assert served in {1, 2}
        # Whatever was left, the next version is one of its own.
        number = publisher.publish(version(publisher.versions()[-1].number + 1)).number
        assert says(root) == number
        assert not [*root.glob(".new-*")]
    assert 1 in outcomes


def test_no_version_at_all_cannot_be_kept(tmp_path: Path) -> None:
    with pytest.raises(ShapeError, match="at least 1"):
        Publisher(tmp_path, keep=0)


def test_a_folder_nobody_published_into_holds_no_index(tmp_path: Path) -> None:
    with pytest.raises(ForeignIndexError, match="no published index"):
        open_current(tmp_path)
    assert Publisher(tmp_path).versions() == []


def test_pointers_survive_being_written(tmp_path: Path) -> None:
    pointer = Pointer(version=3, manifest="ab" * 32)
    pointer.write(tmp_path)
    assert Pointer.read(tmp_path) == pointer
