import socket
from pathlib import Path

import pytest

from simulations.data.download import Download, DownloadConfig, download, require_safe_url
from simulations.errors import DownloadError
from tests.simulations.data.server import Site, serve

CONTENT = bytes(range(256)) * 4096  # 1 MiB
HASTY = DownloadConfig(attempts=3, timeout_seconds=5, wait_seconds=0)


def plan(site: Site, folder: Path, max_bytes: int = 1 << 24) -> Download:
    return Download(url=site.url, part=folder / "data.part", max_bytes=max_bytes)


def test_a_file_arrives_whole_and_progress_is_told(tmp_path: Path) -> None:
    told: list[tuple[int, int | None]] = []
    with serve(Site(content=CONTENT)) as site:
        file = plan(site, tmp_path)
        download(file, progress=lambda done, total: told.append((done, total)))
    assert file.part.read_bytes() == CONTENT
    assert told == sorted(told)
    assert told[-1] == (len(CONTENT), len(CONTENT))


def test_a_broken_link_is_taken_up_where_it_broke(tmp_path: Path) -> None:
    with serve(Site(content=CONTENT, cuts=[100_000, 200_000])) as site:
        file = plan(site, tmp_path)
        download(file, config=HASTY)
    assert file.part.read_bytes() == CONTENT
    assert site.asked == ["", "bytes=100000-", "bytes=300000-"]


def test_a_silent_link_is_taken_for_a_broken_one(tmp_path: Path) -> None:
    patience = DownloadConfig(attempts=3, timeout_seconds=0.2, wait_seconds=0.01)
    with serve(Site(content=CONTENT, cuts=[100_000], stalls=[0.6])) as site:
        file = plan(site, tmp_path)
        download(file, config=patience)
    assert file.part.read_bytes() == CONTENT
    assert len(site.asked) == 2


def test_a_later_call_goes_on_from_what_is_there(tmp_path: Path) -> None:
    with serve(Site(content=CONTENT, cuts=[1000, 0, 0, 0])) as site:
        file = plan(site, tmp_path)
        with pytest.raises(DownloadError, match="1000 bytes are kept"):
            download(file, config=HASTY)
        download(file, config=HASTY)
    assert file.part.read_bytes() == CONTENT
    assert site.asked[-1] == "bytes=1000-"


def test_a_server_without_ranges_sends_it_all_again(tmp_path: Path) -> None:
    with serve(Site(content=CONTENT, ranges=False, cuts=[100_000])) as site:
        file = plan(site, tmp_path)
        download(file, config=HASTY)
    assert file.part.read_bytes() == CONTENT
    assert site.asked == ["", "bytes=100000-"]


def test_parts_of_two_versions_are_never_joined(tmp_path: Path) -> None:
    with serve(Site(content=CONTENT, cuts=[1000, 0, 0, 0])) as site:
        file = plan(site, tmp_path)
        with pytest.raises(DownloadError):
            download(file, config=HASTY)
        site.content, site.tag = CONTENT[::-1], '"version-2"'
        download(file, config=HASTY)
    assert file.part.read_bytes() == CONTENT[::-1]


@pytest.mark.parametrize("tag", ["", 'W/"weak"'])
def test_the_date_of_change_names_a_version_too(tmp_path: Path, tag: str) -> None:
    site = Site(content=CONTENT, tag=tag, modified="Wed, 01 May 2024 12:00:00 GMT", cuts=[1000])
    with serve(site):
        file = plan(site, tmp_path)
        download(file, config=HASTY)
    assert file.part.read_bytes() == CONTENT
    assert site.asked == ["", "bytes=1000-"]


def test_without_a_name_for_the_version_nothing_is_resumed(tmp_path: Path) -> None:
    with serve(Site(content=CONTENT, tag="", cuts=[1000, 500])) as site:
        file = plan(site, tmp_path)
        download(file, config=HASTY)
    assert file.part.read_bytes() == CONTENT
    assert site.asked == ["", "", ""]


def test_a_server_that_never_gets_further_is_given_up(tmp_path: Path) -> None:
    with serve(Site(content=CONTENT, tag="", cuts=[1000, 500] * 10)) as site:
        with pytest.raises(DownloadError, match="the link closed"):
            download(plan(site, tmp_path), config=HASTY)
        assert len(site.asked) == 4


def test_a_server_that_resumes_elsewhere_is_not_believed(tmp_path: Path) -> None:
    with serve(Site(content=CONTENT, cuts=[1000], lie_about_range=True)) as site:
        file = plan(site, tmp_path)
        download(file, config=HASTY)
    assert file.part.read_bytes() == CONTENT
    assert site.asked == ["", "bytes=1000-", ""]


def test_a_part_that_is_no_beginning_is_forgotten(tmp_path: Path) -> None:
    with serve(Site(content=CONTENT)) as site:
        file = plan(site, tmp_path)
        file.part.write_bytes(bytes(len(CONTENT) + 1))
        file.tag.write_text(site.tag)
        download(file, config=HASTY)
    assert file.part.read_bytes() == CONTENT


def test_a_file_of_unknown_length_is_read_to_its_end(tmp_path: Path) -> None:
    totals: set[int | None] = set()
    with serve(Site(content=CONTENT, says_length=False)) as site:
        file = plan(site, tmp_path)
        download(file, config=HASTY, progress=lambda _, total: totals.add(total))
    assert file.part.read_bytes() == CONTENT
    assert totals == {None}


@pytest.mark.parametrize("status", [500, 503, 429, 408])
def test_a_busy_server_is_asked_again(tmp_path: Path, status: int) -> None:
    with serve(Site(content=CONTENT, statuses=[status, status])) as site:
        file = plan(site, tmp_path)
        download(file, config=HASTY)
    assert file.part.read_bytes() == CONTENT


@pytest.mark.parametrize("status", [404, 403, 410])
def test_a_refusal_is_final(tmp_path: Path, status: int) -> None:
    with serve(Site(content=CONTENT, statuses=[status])) as site:
        with pytest.raises(DownloadError, match=f"answered {status}"):
            download(plan(site, tmp_path), config=HASTY)
        assert len(site.asked) == 1


@pytest.mark.parametrize("says_length", [True, False])
def test_too_many_bytes_are_refused_and_not_kept(tmp_path: Path, says_length: bool) -> None:
    with serve(Site(content=CONTENT, says_length=says_length)) as site:
        file = plan(site, tmp_path, max_bytes=len(CONTENT) - 1)
        with pytest.raises(DownloadError, match="sends more than"):
            download(file, config=HASTY)
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_is_not_there_is_given_up(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    file = Download(url=f"http://127.0.0.1:{port}/x", part=tmp_path / "x", max_bytes=10)
    with pytest.raises(DownloadError, match="0 bytes are kept"):
        download(file, config=HASTY)


def test_a_full_disk_is_not_taken_for_a_broken_link(tmp_path: Path) -> None:
    with serve(Site(content=CONTENT)) as site:
        file = Download(url=site.url, part=Path("/dev/full"), max_bytes=1 << 24)
        if not file.part.exists():
            pytest.skip("needs /dev/full")
        object.__setattr__(file, "part", tmp_path / "data.part")
        file.part.symlink_to("/dev/full")
        with pytest.raises(OSError, match="No space left"):
            download(file, config=HASTY)
        assert len(site.asked) == 1


def test_a_redirect_to_a_safe_address_is_followed(tmp_path: Path) -> None:
    with serve(Site(content=CONTENT)) as site, serve(Site(content=b"")) as front:
        front.redirect = site.url
        file = plan(front, tmp_path)
        download(file, config=HASTY)
    assert file.part.read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("http://192.0.2.1/data.zip", "only https"),
        ("ftp://192.0.2.1/data.zip", "only https"),
        ("file:///etc/passwd", "answered 302"),
    ],
)
def test_a_redirect_to_an_unsafe_address_is_refused(
    tmp_path: Path, target: str, said: str
) -> None:
    with serve(Site(content=b"", redirect=target)) as site:
        with pytest.raises(DownloadError, match=said):
            download(plan(site, tmp_path), config=HASTY)
        assert len(site.asked) == 1


@pytest.mark.parametrize(
    "url", ["https://example.org/a", "http://127.0.0.1/a", "http://[::1]:80/a", "http://localhost"]
)
def test_safe_addresses_pass(url: str) -> None:
    require_safe_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/a",
        "file:///etc/passwd",
        "ftp://127.0.0.1/a",
        "https://",
        "http://127.0.0.1.example.org/a",
        "data:,x",
        "",
    ],
)
def test_other_addresses_are_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="only https"):
        download(Download(url=url, part=tmp_path / "x", max_bytes=1))
