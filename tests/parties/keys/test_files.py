import errno
import os
from pathlib import Path

import pytest

from parties.errors import (
    ExposedKeyError,
    KeyFormatError,
    KeysError,
    KeysExistError,
    KeysMissingError,
)
from parties.keys.files import (
    MAX_BYTES,
    Access,
    check_folder,
    fill_folder,
    make_folder,
    read_file,
    write_file,
    write_new,
)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def full_disk(monkeypatch: pytest.MonkeyPatch, *, after: int) -> None:
    """A disk with room for so many files only."""
    done: list[int] = []

    def refuse(descriptor: int) -> None:
        done.append(descriptor)
        if len(done) > after:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", refuse)


def test_a_secret_is_its_owners_alone_from_the_beginning(tmp_path: Path) -> None:
    write_new(tmp_path / "a.key", b"secret", Access.OWNER)
    assert mode(tmp_path / "a.key") == 0o600
    assert read_file(tmp_path / "a.key", Access.OWNER) == b"secret"


@pytest.mark.parametrize("shared", [0o640, 0o604, 0o620, 0o602, 0o660, 0o601, 0o644, 0o777])
def test_a_secret_that_others_may_use_is_refused_with_the_command_that_helps(
    tmp_path: Path, shared: int
) -> None:
    path = tmp_path / "with blank.key"
    write_new(path, b"secret", Access.OWNER)
    path.chmod(shared)
    with pytest.raises(ExposedKeyError, match=rf"mode {shared:o}; run: chmod 600 '{path}'"):
        read_file(path, Access.OWNER)


@pytest.mark.parametrize("allowed", [0o600, 0o400, 0o700])
def test_modes_that_keep_others_out_are_accepted(tmp_path: Path, allowed: int) -> None:
    path = tmp_path / "a.key"
    write_new(path, b"secret", Access.OWNER)
    path.chmod(allowed)
    assert read_file(path, Access.OWNER) == b"secret"


def test_what_is_trusted_may_be_read_by_all_and_changed_by_nobody_else(tmp_path: Path) -> None:
    path = tmp_path / "authority.crt"
    write_new(path, b"public", Access.EVERYONE)
    assert mode(path) & 0o077 & ~0o044 == 0
    assert read_file(path, Access.EVERYONE) == b"public"
    path.chmod(0o664)
    with pytest.raises(ExposedKeyError, match=r"others may change this file.*chmod 644"):
        read_file(path, Access.EVERYONE)
    assert read_file(path) == b"public"


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "a.key"
    write_new(path, b"first", Access.OWNER)
    with pytest.raises(KeysExistError, match=r"a\.key exists already"):
        write_new(path, b"second", Access.OWNER)
    assert path.read_bytes() == b"first"


def test_a_link_to_nowhere_is_something_too(tmp_path: Path) -> None:
    (tmp_path / "a.key").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(KeysExistError):
        write_new(tmp_path / "a.key", b"secret", Access.OWNER)
    assert not (tmp_path / "elsewhere").exists()


def test_a_missing_file_comes_with_a_hint(tmp_path: Path) -> None:
    with pytest.raises(KeysMissingError, match=r"a\.key is not there$"):
        read_file(tmp_path / "a.key")
    with pytest.raises(KeysMissingError, match=r"a\.key is not there; ask somebody"):
        read_file(tmp_path / "a.key", hint="ask somebody")


def test_a_pipe_in_the_place_of_a_file_blocks_nobody(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "tls.csr")
    with pytest.raises(KeysMissingError):
        read_file(tmp_path / "tls.csr")


def test_a_file_without_end_is_not_read_whole(tmp_path: Path) -> None:
    (tmp_path / "roster.toml").write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(KeyFormatError, match="too long"):
        read_file(tmp_path / "roster.toml")
    (tmp_path / "roster.toml").write_bytes(b"#" * MAX_BYTES)
    assert len(read_file(tmp_path / "roster.toml")) == MAX_BYTES


def test_a_disk_that_refuses_to_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.key").write_bytes(b"secret")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "open", refuse)  # root, who may run this, is refused nothing
    with pytest.raises(KeysError, match=r"a\.key cannot be read: Permission denied"):
        read_file(tmp_path / "a.key")


def test_a_full_disk_leaves_no_half_of_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full_disk(monkeypatch, after=0)
    with pytest.raises(KeysError, match=r"a\.key cannot be written: No space left"):
        write_file(tmp_path / "a.key", b"secret", Access.OWNER)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_filled_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {name: (b"content", Access.OWNER) for name in ("a.key", "b.key", "c.key")}
    with monkeypatch.context() as patch:
        full_disk(patch, after=2)
        with pytest.raises(KeysError, match=r"c\.key cannot be written"):
            fill_folder(tmp_path / "keys", files)
    assert not (tmp_path / "keys").exists()
    fill_folder(tmp_path / "keys", files)
    assert mode(tmp_path / "keys") == 0o700
    assert {path.name for path in (tmp_path / "keys").iterdir()} == set(files)


def test_a_folder_that_was_there_stays_when_the_disk_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "notes").write_text("mine")
    full_disk(monkeypatch, after=1)
    with pytest.raises(KeysError):
        fill_folder(tmp_path, {"a": (b"", Access.OWNER), "b": (b"", Access.OWNER)})
    assert [path.name for path in tmp_path.iterdir()] == ["notes"]


def test_one_file_that_exists_keeps_all_from_being_written(tmp_path: Path) -> None:
    (tmp_path / "b.key").write_bytes(b"old")
    with pytest.raises(KeysExistError, match=r"b\.key"):
        fill_folder(tmp_path, {"a.key": (b"", Access.OWNER), "b.key": (b"", Access.OWNER)})
    assert [path.name for path in tmp_path.iterdir()] == ["b.key"]


@pytest.mark.parametrize("shared", [0o777, 0o770, 0o720, 0o702])
def test_a_folder_others_may_write_into_is_refused(tmp_path: Path, shared: int) -> None:
    tmp_path.chmod(shared)
    for check in (check_folder, make_folder):
        with pytest.raises(ExposedKeyError, match=f"run: chmod 700 {tmp_path}"):
            check(tmp_path)


def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(KeysMissingError, match="is no folder"):
        check_folder(tmp_path / "file")
    with pytest.raises(KeysError, match="cannot be made"):
        make_folder(tmp_path / "file")
