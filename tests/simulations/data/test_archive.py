import stat
import zipfile
from pathlib import Path

import pytest

from simulations.data.archive import unpack
from simulations.errors import ArchiveError

WANTED = ("a.dat", "b.dat")


def make_zip(folder: Path, members: list[tuple[str | zipfile.ZipInfo, bytes]]) -> Path:
    path = folder / "set.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members:
            file.writestr(name, content)
    return path


def unpacked(folder: Path, archive: Path, max_bytes: int = 1000) -> dict[str, bytes]:
    target = folder / "target"
    target.mkdir()
    unpack(archive, target, wanted=WANTED, max_bytes=max_bytes)
    return {path.name: path.read_bytes() for path in target.iterdir()}


def test_wanted_members_are_unpacked_and_no_others(tmp_path: Path) -> None:
    archive = make_zip(tmp_path, [("a.dat", b"A"), ("readme.txt", b"R"), ("b.dat", b"B")])
    assert unpacked(tmp_path, archive) == {"a.dat": b"A", "b.dat": b"B"}


def test_members_in_a_folder_of_the_archive_count(tmp_path: Path) -> None:
    archive = make_zip(tmp_path, [("set/", b""), ("set/a.dat", b"A"), ("set/b.dat", b"B")])
    assert unpacked(tmp_path, archive) == {"a.dat": b"A", "b.dat": b"B"}


@pytest.mark.parametrize(
    "name",
    ["../a.dat", "x/../../a.dat", "/etc/a.dat", "..\\a.dat", "C:\\a.dat", "C:a.dat", "\\a.dat"],
)
def test_a_member_that_leaves_the_folder_refuses_the_archive(tmp_path: Path, name: str) -> None:
    hostile = zipfile.ZipInfo(name)
    archive = make_zip(tmp_path, [("a.dat", b"A"), ("b.dat", b"B"), (hostile, b"X")])
    with pytest.raises(ArchiveError, match="points outside"):
        unpacked(tmp_path, archive)
    assert list((tmp_path / "target").iterdir()) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["set.zip", "target"]


def test_a_link_in_the_archive_is_refused(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("a.dat")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with pytest.raises(ArchiveError, match="points outside"):
        unpacked(tmp_path, make_zip(tmp_path, [(link, b"/etc/passwd"), ("b.dat", b"B")]))


def test_a_bomb_is_refused_before_it_fills_the_disk(tmp_path: Path) -> None:
    archive = make_zip(tmp_path, [("a.dat", bytes(10_000_000)), ("b.dat", b"B")])
    assert archive.stat().st_size < 20_000
    with pytest.raises(ArchiveError, match="unpacks to more"):
        unpacked(tmp_path, archive, max_bytes=100_000)
    written = [path.stat().st_size for path in (tmp_path / "target").iterdir()]
    assert sum(written) <= 100_000


def test_the_bound_holds_for_all_files_together(tmp_path: Path) -> None:
    archive = make_zip(tmp_path, [("a.dat", bytes(60)), ("b.dat", bytes(60))])
    with pytest.raises(ArchiveError, match=r"b\.dat unpacks to more"):
        unpacked(tmp_path, archive, max_bytes=100)


def test_a_missing_member_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match=r"lacks b\.dat"):
        unpacked(tmp_path, make_zip(tmp_path, [("a.dat", b"A"), ("b.dat/", b"")]))


def test_a_repeated_member_is_refused(tmp_path: Path) -> None:
    archive = make_zip(tmp_path, [("a.dat", b"A"), ("x/a.dat", b"B"), ("b.dat", b"B")])
    with pytest.raises(ArchiveError, match=r"a\.dat twice"):
        unpacked(tmp_path, archive)


def test_an_archive_of_too_many_members_is_refused(tmp_path: Path) -> None:
    archive = make_zip(tmp_path, [(f"{number}.txt", b"") for number in range(1001)])
    with pytest.raises(ArchiveError, match="1001 members"):
        unpacked(tmp_path, archive)


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "set.zip"
    path.write_bytes(b"<html>not found</html>")
    with pytest.raises(ArchiveError, match="not a usable ZIP"):
        unpacked(tmp_path, path)


def test_a_flipped_bit_is_noticed(tmp_path: Path) -> None:
    archive = make_zip(tmp_path, [("a.dat", b"A" * 500), ("b.dat", b"B")])
    content = bytearray(archive.read_bytes())
    content[37] ^= 1  # in the packed bytes of a.dat
    archive.write_bytes(bytes(content))
    with pytest.raises(ArchiveError, match="not a usable ZIP"):
        unpacked(tmp_path, archive)
