import tomllib
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from simulations.data import TableFormat
from simulations.errors import FolderExistsError
from simulations.world import (
    PRESETS,
    Truth,
    World,
    WorldConfig,
    generate,
    load_truth,
    write_world,
)
from simulations.world.listening import CHUNK_USERS


def _read(path: Path) -> pd.DataFrame:
    return pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)


def _tables(world: World) -> dict[str, pd.DataFrame]:
    own = {"events": world.events, "items": world.items}
    return {**own, "users": world.users, "triples": world.triples, **world.partners}


@pytest.fixture(params=TableFormat)
def kind(request: pytest.FixtureRequest) -> TableFormat:
    assert isinstance(request.param, TableFormat)
    return request.param


def test_tables_read_back_equal(crowded: World, tmp_path: Path, kind: TableFormat) -> None:
    write_world(crowded, tmp_path / "w", format=kind)
    for name, table in _tables(crowded).items():
        found = _read(tmp_path / "w" / f"{name}.{kind.value}")
        gaps = found["devices"].fillna("") if "devices" in found else None  # owns nothing: ""
        expected = table if gaps is None else table.assign(devices=table["devices"])
        found = found if gaps is None else found.assign(devices=gaps)
        pd.testing.assert_frame_equal(found, expected, check_dtype=False)


def test_the_description_names_every_table(
    crowded: World, tmp_path: Path, kind: TableFormat
) -> None:
    write_world(crowded, tmp_path / "w", format=kind)
    end = kind.value
    description = tomllib.loads((tmp_path / "w" / "federation.toml").read_text("utf-8"))
    assert description == {
        "name": "world",
        "item_party": {name: f"{name}.{end}" for name in ("events", "items", "users", "triples")},
        "partner": [
            {"name": "social", "users": f"social.{end}"},
            {"name": "video", "users": f"video.{end}"},
            {"name": "telecom", "users": f"telecom.{end}", "sensitive": ["region", "age"]},
            {
                "name": "demographics",
                "users": f"demographics.{end}",
                "sensitive": ["age", "mother_tongue"],
            },
        ],
    }


def test_no_party_is_pointed_at_the_truth(world: World, tmp_path: Path) -> None:
    write_world(world, tmp_path / "w")
    assert (tmp_path / "w" / "truth.npz").exists()
    assert "truth" not in (tmp_path / "w" / "federation.toml").read_text("utf-8")


def test_the_truth_reads_back_equal(world: World, tmp_path: Path) -> None:
    write_world(world, tmp_path / "w")
    loaded = load_truth(tmp_path / "w")
    for field in fields(Truth):
        expected = getattr(world.truth, field.name)
        np.testing.assert_array_equal(getattr(loaded, field.name), expected)
    users, items = world.truth.user_ids[:9], world.truth.item_ids[:9]
    np.testing.assert_array_equal(
        loaded.expected_seconds(users, items), world.truth.expected_seconds(users, items)
    )
    np.testing.assert_array_equal(
        loaded.oracle_ranking(users, 5), world.truth.oracle_ranking(users, 5)
    )


def test_the_same_settings_give_the_same_bytes(tmp_path: Path, small: WorldConfig) -> None:
    for name in ("a", "b"):
        write_world(generate(small), tmp_path / name)
    files = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert files == sorted(path.name for path in (tmp_path / "b").iterdir())
    for name in set(files) - {"truth.npz"}:  # a zip file carries the time it was made
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_a_log_of_several_chunks_has_one_header(tmp_path: Path, kind: TableFormat) -> None:
    config = WorldConfig(users=CHUNK_USERS + 300, songs=20, mean_sessions=1.0, outsiders=0.0)
    world = generate(replace(config, mean_session_songs=2.0))
    write_world(world, tmp_path / "w", format=kind)
    found = _read(tmp_path / "w" / f"events.{kind.value}")
    pd.testing.assert_frame_equal(found, world.events, check_dtype=False)


@pytest.mark.parametrize("occupant", ["file", "folder", "dangling link"])
def test_nothing_is_overwritten(world: World, tmp_path: Path, occupant: str) -> None:
    target = tmp_path / "w"
    if occupant == "file":
        target.write_text("mine")
    elif occupant == "folder":
        target.mkdir()
    else:
        target.symlink_to(tmp_path / "nowhere")
    with pytest.raises(FolderExistsError, match="exists already"):
        write_world(world, target)
    assert [path.name for path in tmp_path.iterdir()] == ["w"]


class Interrupted(World):
    """A world whose log breaks off."""

    def event_chunks(self) -> Iterator[pd.DataFrame]:
        yield next(super().event_chunks())
        raise KeyboardInterrupt


def test_an_interrupted_write_leaves_nothing_behind(
    world: World, tmp_path: Path, kind: TableFormat
) -> None:
    broken = Interrupted(
        config=world.config, catalogue=world.catalogue, people=world.people, truth=world.truth
    )
    with pytest.raises(KeyboardInterrupt):
        write_world(broken, tmp_path / "deep" / "w", format=kind)
    assert not list((tmp_path / "deep").iterdir())


def test_missing_parents_are_made(tmp_path: Path) -> None:
    world = generate(replace(PRESETS["small"], users=20, songs=20))
    write_world(world, tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b" / "federation.toml").exists()


def test_a_folder_without_truth_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"truth\.npz"):
        load_truth(tmp_path)


def test_a_truth_of_something_else_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "truth.npz", answer=np.array(42))
    with pytest.raises(ValueError, match="does not hold the ground truth of a world"):
        load_truth(tmp_path)


def test_a_truth_that_is_no_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "truth.npz").write_bytes(b"not a zip file")
    with pytest.raises(ValueError, match="does not hold the ground truth of a world"):
        load_truth(tmp_path)
