import errno
import os
import stat
from pathlib import Path

import pytest

from parties.checkpoints import (
    KEPT_EPOCHS,
    CheckpointStore,
    FolderCheckpoints,
    NoCheckpoints,
    write_whole,
)
from parties.errors import CheckpointError


@pytest.fixture
def store(tmp_path: Path) -> FolderCheckpoints:
    return FolderCheckpoints(tmp_path / "run" / "forum")


def fill_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk without room: written data never gets there."""

    def refuse(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", refuse)


def test_a_folder_gives_back_what_was_put_in(store: FolderCheckpoints) -> None:
    assert store.load_alignment() is None
    assert store.epochs() == ()
    store.save_alignment(b"alignment")
    store.save_epoch(0, b"zero")
    store.save_epoch(1, b"one")
    assert store.load_alignment() == b"alignment"
    assert store.epochs() == (0, 1)
    assert [store.load_epoch(epoch) for epoch in (0, 1)] == [b"zero", b"one"]


def test_another_store_of_the_same_folder_finds_everything(tmp_path: Path) -> None:
    FolderCheckpoints(tmp_path).save_epoch(3, b"three")
    assert FolderCheckpoints(tmp_path).load_epoch(3) == b"three"


def test_empty_bytes_are_a_state_too(store: FolderCheckpoints) -> None:
    store.save_alignment(b"")
    assert store.load_alignment() == b""


def test_only_the_last_epochs_are_kept(store: FolderCheckpoints) -> None:
    for epoch in range(12):
        store.save_epoch(epoch, b"%d" % epoch)
    assert store.epochs() == tuple(range(12 - KEPT_EPOCHS, 12)) == (10, 11)


def test_training_that_begins_again_forgets_later_epochs(store: FolderCheckpoints) -> None:
    for epoch in (7, 8):
        store.save_epoch(epoch, b"of an earlier start")
    store.save_epoch(0, b"new")
    assert store.epochs() == (0,)


def test_a_new_alignment_forgets_the_states_of_the_old_one(store: FolderCheckpoints) -> None:
    store.save_epoch(4, b"four")
    store.save_alignment(b"new slots")
    assert store.epochs() == ()


def test_an_epoch_that_is_not_held_is_refused_by_name(store: FolderCheckpoints) -> None:
    with pytest.raises(CheckpointError, match=r"epoch-5\.ckpt cannot be read: No such file"):
        store.load_epoch(5)


@pytest.mark.parametrize("cut", [0, 10, 30, 60, -1])
def test_a_file_cut_short_is_never_taken_for_a_state(store: FolderCheckpoints, cut: int) -> None:
    store.save_alignment(b"some bytes that matter")
    path = next(Path(store._folder).glob("alignment.ckpt"))
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(CheckpointError, match=r"alignment\.ckpt is damaged; remove it"):
        store.load_alignment()


def test_every_flipped_bit_is_noticed(store: FolderCheckpoints) -> None:
    store.save_epoch(0, b"state")
    path = store._folder / "epoch-0.ckpt"
    whole = path.read_bytes()
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 0x10
        path.write_bytes(damaged)
        with pytest.raises(CheckpointError, match=r"epoch-0\.ckpt is damaged"):
            store.load_epoch(0)


def test_files_and_folder_are_their_owner_s_alone(store: FolderCheckpoints) -> None:
    store.save_alignment(b"secret slots")
    modes = [stat.S_IMODE(path.stat().st_mode) for path in store._folder.iterdir()]
    assert modes == [0o600]
    assert stat.S_IMODE(store._folder.stat().st_mode) == 0o700


def test_other_files_in_the_folder_are_no_epochs(store: FolderCheckpoints) -> None:
    for name in ("epoch-x.ckpt", "epoch-1.ckpt.bak", ".epoch-2.ckpt.1234.part", "notes"):
        (store._folder / name).write_bytes(b"")
    assert store.epochs() == ()


def test_a_full_disk_leaves_the_old_file_whole_and_no_rest(
    store: FolderCheckpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.save_epoch(0, b"old")
    store.save_epoch(1, b"old too")
    fill_up(monkeypatch)
    for epoch in (1, 2):
        with pytest.raises(
            CheckpointError, match=rf"epoch-{epoch}\.ckpt cannot be written: No sp"
        ):
            store.save_epoch(epoch, b"new")
    assert store.load_epoch(0) == b"old"
    assert store.load_epoch(1) == b"old too"
    assert {path.name for path in store._folder.iterdir()} == {"epoch-0.ckpt", "epoch-1.ckpt"}


def test_a_full_device_is_one_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.mkdir()  # a folder cannot be replaced by a file
    with pytest.raises(CheckpointError, match="cannot be written: Is a directory"):
        write_whole(path, b"data")
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def test_a_missing_or_wrong_parent_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="cannot be written: No such file"):
        write_whole(tmp_path / "missing" / "file", b"data")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(CheckpointError, match="cannot be written: Not a directory"):
        write_whole(tmp_path / "file" / "file", b"data")
    with pytest.raises(CheckpointError, match="cannot be made"):
        FolderCheckpoints(tmp_path / "file")


def test_a_folder_that_vanished_is_one_clear_error(store: FolderCheckpoints) -> None:
    store._folder.rmdir()
    with pytest.raises(CheckpointError, match="forum cannot be listed: No such file"):
        store.epochs()


def test_a_state_that_cannot_be_removed_is_one_clear_error(store: FolderCheckpoints) -> None:
    (store._folder / "epoch-9.ckpt").mkdir()
    with pytest.raises(CheckpointError, match=r"epoch-9\.ckpt cannot be removed"):
        store.save_alignment(b"new")
    assert store.load_alignment() is None


def test_the_mode_of_a_written_file_may_be_chosen(tmp_path: Path) -> None:
    write_whole(tmp_path / "file", b"data", mode=0o640)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o640
    assert (tmp_path / "file").read_bytes() == b"data"


def test_a_store_that_keeps_nothing_holds_nothing() -> None:
    store: CheckpointStore = NoCheckpoints()
    store.save_alignment(b"alignment")
    store.save_epoch(0, b"zero")
    assert store.load_alignment() is None
    assert store.epochs() == ()
    with pytest.raises(CheckpointError, match="epoch 0 is not held"):
        store.load_epoch(0)
