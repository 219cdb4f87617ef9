import hashlib
import io
import json
import zipfile
from importlib import import_module
from pathlib import Path
from types import MappingProxyType

import pytest

from simulations.cli.program import run
from simulations.data import Publication, load
from tests.simulations.data.server import Site, serve

TABLE = b"id\tname\n1\ta\n2\tb\n"


def archive() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("table.dat", TABLE)
    return buffer.getvalue()


def published(monkeypatch: pytest.MonkeyPatch, url: str, content: bytes) -> None:
    """Publish `content` as the data set "made"."""
    source = Publication(
        name="made",
        url=url,
        lines={"table.dat": 2},
        sha256=hashlib.sha256(content).hexdigest(),
        max_bytes=1 << 20,
    )
    monkeypatch.setattr(
        import_module("simulations.data.fetch"), "PUBLICATIONS", MappingProxyType({"made": source})
    )


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "root"
    folder.mkdir()
    monkeypatch.setenv("FEDRECALL_DATA", str(folder))
    return folder


def test_the_list_says_what_is_here_and_how_to_get_the_rest(
    root: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (root / "lastfm-2k").mkdir()
    assert run(["data", "list"]) == 0
    said = capfd.readouterr().out
    assert f"data sets in {root}" in said
    assert "lastfm-2k  (here)" in said
    assert "fedrecall data fetch lastfm-15k" in said
    assert "non-commercial" in said
    assert "world" in said


def test_the_list_as_json(root: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["data", "list", "--json"]) == 0
    listed = json.loads(capfd.readouterr().out)
    assert listed["root"] == str(root)
    assert {each["name"]: each["here"] for each in listed["data_sets"]} == {
        "lastfm-2k": False,
        "lastfm-15k": False,
    }


def test_a_description_counts_and_names_no_user(
    tiny: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["data", "describe", str(tiny)]) == 0
    text = capfd.readouterr().out
    assert run(["data", "describe", str(tiny), "--json"]) == 0
    described = capfd.readouterr().out
    assert "social" in text
    assert "240" in text
    assert json.loads(described)
    user = load(str(tiny)).tables.partners[0].user_ids[0]
    assert user not in text
    assert user not in described


def test_a_data_set_is_fetched_checked_and_unpacked(
    root: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    content = archive()
    with serve(Site(content=content)) as site:
        published(monkeypatch, site.url, content)
        assert run(["data", "fetch", "made"]) == 0
    assert capfd.readouterr() == (f"made is in {root / 'made'}\n", "")
    assert (root / "made" / "table.dat").read_bytes() == TABLE


def test_other_bytes_than_published_are_refused_and_not_kept(
    root: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with serve(Site(content=archive())) as site:
        published(monkeypatch, site.url, b"something else")
        assert run(["data", "fetch", "made"]) == 1
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert "SHA-256" in err
    assert not (root / "made").exists()


def test_a_file_fetched_by_other_means_is_installed(
    root: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    content = archive()
    (tmp_path / "made.zip").write_bytes(content)
    published(monkeypatch, "https://example.org/made.zip", content)
    assert run(["data", "fetch", "made", "--file", str(tmp_path / "made.zip")]) == 0
    assert (root / "made" / "table.dat").read_bytes() == TABLE
    assert run(["data", "fetch", "made", "--file", str(tmp_path / "made.zip")]) == 1
    assert "already there" in capfd.readouterr().err


def test_what_cannot_be_fetched_is_refused_with_what_can(
    root: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["data", "fetch", "nosuch"]) == 1
    assert "these can: lastfm-2k, lastfm-15k" in capfd.readouterr().err
    assert not any(root.iterdir())


def test_a_made_world_can_be_loaded_and_says_how_to_run_it(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "my world"
    arguments = [
        *("data", "make-world", str(folder), "--preset", "small", "--format", "parquet"),
        *("--partners", "social, demographics", "--set", "users=60", "--set=songs=50"),
        "--set=social.coverage=0.5",
    ]
    assert run(arguments) == 0
    out, err = capfd.readouterr()
    assert err == ""
    assert out.endswith(f"fedrecall simulate --data '{folder}'\n")
    tables = load(str(folder)).tables
    assert [partner.name for partner in tables.partners] == ["social", "demographics"]
    assert tables.item.users is not None
    assert len(tables.item.users.ids) == 60
    assert (folder / "events.parquet").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--set=user=3",), "unknown setting user; a world has name, seed, users"),
        (("--set=users=few",), "'few' is not of type int"),
        (("--set=users=3",), "users must lie between 20"),
        (("--set=social.coverage=2",), "coverage must lie between 0 and 1"),
        (("--set=social.colour=2",), "unknown setting colour"),
        (("--set=nobody.coverage=1",), "unknown setting nobody.coverage"),
        (("--set=users",), "key=value"),
        (("--partners", "bank"), "--partners takes some of social, video"),
        (("--partners", ","), "--partners takes some of"),
        (("--partners", "social,social"), "given twice: social"),
        (("--seed", str(2**63)), "seed must lie between"),
    ],
)
def test_a_world_that_cannot_be_made_is_refused_and_nothing_is_left(
    arguments: tuple[str, ...], says: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "world"
    assert run(["data", "make-world", str(folder), "--preset", "small", *arguments]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert says in err
    assert not any(tmp_path.iterdir())


def test_a_world_is_never_written_over_a_folder(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["data", "make-world", str(tmp_path), "--preset", "small"]) == 1
    assert f"{tmp_path} exists already" in capfd.readouterr().err
