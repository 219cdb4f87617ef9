import hashlib
import io
import json
import zipfile
from pathlib import Path

import pytest

from simulations.data import (
    PUBLICATIONS,
    DownloadConfig,
    Publication,
    fetch,
    install,
    publication,
)
from simulations.errors import (
    ArchiveError,
    ChecksumError,
    DataSetDamagedError,
    DataSetMissingError,
    DownloadError,
    FolderExistsError,
)
from tests.simulations.data.published import published
from tests.simulations.data.server import Site, serve

PLAYS = b"user\tartist\r\n1\t2\r\n3\t4\r\n"
HASTY = DownloadConfig(attempts=2, timeout_seconds=5, wait_seconds=0)


def packed(name: str = "plays.dat", content: bytes = PLAYS) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr(name, content)
        file.writestr("readme.txt", "cite us")
    return buffer.getvalue()


def source(site: Site, sha256: str | None = None, lines: int = 2) -> Publication:
    return Publication(
        name="tiny",
        url=site.url,
        lines={"plays.dat": lines},
        sha256=sha256 or hashlib.sha256(site.content).hexdigest(),
        max_bytes=1 << 20,
    )


def test_a_data_set_is_downloaded_checked_and_unpacked(tmp_path: Path) -> None:
    with serve(Site(content=packed())) as site:
        folder = fetch(source(site), tmp_path / "root", config=HASTY)
    assert folder == tmp_path / "root" / "tiny"
    assert sorted(path.name for path in folder.iterdir()) == ["fetched.json", "plays.dat"]
    assert (folder / "plays.dat").read_bytes() == PLAYS
    assert json.loads((folder / "fetched.json").read_text()) == {
        "url": site.url,
        "sha256": hashlib.sha256(site.content).hexdigest(),
        "bytes": len(site.content),
    }
    assert [*(tmp_path / "root" / ".fetch").iterdir()] == []


def test_an_interrupted_fetch_goes_on_in_the_next_one(tmp_path: Path) -> None:
    with serve(Site(content=packed(), cuts=[100, 0, 0])) as site:
        with pytest.raises(DownloadError):
            fetch(source(site), tmp_path, config=HASTY)
        assert not (tmp_path / "tiny").exists()
        fetch(source(site), tmp_path, config=HASTY)
    assert site.asked == ["", "bytes=100-", "bytes=100-", "bytes=100-"]
    assert (tmp_path / "tiny" / "plays.dat").read_bytes() == PLAYS


def test_a_wrong_checksum_is_refused_and_nothing_is_kept(tmp_path: Path) -> None:
    with (
        serve(Site(content=packed())) as site,
        pytest.raises(ChecksumError, match="instead of 0000"),
    ):
        fetch(source(site, sha256="0" * 64), tmp_path, config=HASTY)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert not (tmp_path / "tiny").exists()


def test_another_number_of_lines_is_refused(tmp_path: Path) -> None:
    with (
        serve(Site(content=packed())) as site,
        pytest.raises(
            DataSetDamagedError, match=r"plays\.dat of tiny has 2 lines .* instead of 3"
        ),
    ):
        fetch(source(site, lines=3), tmp_path, config=HASTY)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_an_archive_that_leaves_its_folder_installs_nothing(tmp_path: Path) -> None:
    root = tmp_path / "root"
    with serve(Site(content=packed("../plays.dat"))) as site, pytest.raises(ArchiveError):
        fetch(source(site), root, config=HASTY)
    assert not (root / "tiny").exists()
    assert sorted(path.name for path in tmp_path.rglob("plays.dat")) == []
    assert [path.name for path in root.iterdir()] == [".fetch"]


def test_a_missing_page_says_so(tmp_path: Path) -> None:
    with (
        serve(Site(content=packed(), statuses=[404])) as site,
        pytest.raises(DownloadError, match="answered 404"),
    ):
        fetch(source(site), tmp_path, config=HASTY)


def test_a_data_set_that_is_there_is_not_fetched_again(tmp_path: Path) -> None:
    (tmp_path / "tiny").mkdir()
    with serve(Site(content=packed())) as site:
        with pytest.raises(FolderExistsError, match="already there"):
            fetch(source(site), tmp_path, config=HASTY)
        assert site.asked == []


def test_a_file_that_was_downloaded_by_hand_can_be_installed(tmp_path: Path) -> None:
    file = tmp_path / "downloaded.csv"
    file.write_bytes(PLAYS)
    single = Publication(
        name="tiny",
        url="https://example.org/plays.csv",
        lines={"plays.csv": 2},
        sha256=None,
        max_bytes=1000,
    )
    folder = install(single, file, tmp_path / "root")
    assert (folder / "plays.csv").read_bytes() == PLAYS
    assert file.exists()
    with pytest.raises(FolderExistsError):
        install(single, file, tmp_path / "root")


def test_a_file_by_hand_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataSetMissingError, match=r"none\.csv does not exist"):
        install(publication("lastfm-15k"), tmp_path / "none.csv", tmp_path)


def test_only_known_data_sets_can_be_fetched() -> None:
    assert publication("lastfm-2k") is PUBLICATIONS["lastfm-2k"]
    with pytest.raises(DataSetMissingError, match="these can: lastfm-2k, lastfm-15k"):
        publication("world")


def test_publications_are_https_and_bounded() -> None:
    for name, made in PUBLICATIONS.items():
        assert made.name == name
        assert made.url.startswith("https://")
        assert made.max_bytes <= 1 << 26


def test_the_published_line_counts_of_lastfm_15k_hold(tmp_path: Path) -> None:
    file = published("lastfm-15k") / "lastfm-15k" / "lastfm.csv"
    folder = install(publication("lastfm-15k"), file, tmp_path)
    assert (folder / "lastfm.csv").stat().st_size == file.stat().st_size


def test_the_published_line_counts_of_lastfm_2k_hold(tmp_path: Path) -> None:
    original = publication("lastfm-2k")
    archive = tmp_path / "lastfm.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for name in original.lines:
            file.write(published("lastfm-2k") / "lastfm-2k" / name, name)
    made = Publication(
        name=original.name,
        url=original.url,
        lines=original.lines,
        sha256=None,
        max_bytes=original.max_bytes,
    )
    assert install(made, archive, tmp_path).is_dir()
    with pytest.raises(ChecksumError):  # packed anew, so not the original's bytes
        install(original, archive, tmp_path / "elsewhere")
