import re
from dataclasses import FrozenInstanceError, fields, replace
from pathlib import Path

import numpy as np
import pytest

from simulations.world import (
    PARTNERS,
    PRESETS,
    SOCIAL,
    VIDEO,
    PartnerKind,
    PartnerSpec,
    WorldConfig,
)
from simulations.world.config import PARTNER_BOUNDS, WORLD_BOUNDS

OUT_OF_RANGE = [
    (setting, value)
    for setting, bounds in WORLD_BOUNDS.items()
    for value in (bounds.low - 1, bounds.high + 1)
]


def test_a_world_has_a_social_and_a_video_partner_unless_told_otherwise() -> None:
    assert WorldConfig().partners == (SOCIAL, VIDEO)
    assert (WorldConfig().users, WorldConfig().songs) == (3000, 4000)


def test_the_demo_is_the_default_world_with_fewer_songs() -> None:
    assert PRESETS["demo"] == WorldConfig(songs=2000)


def test_every_number_has_bounds() -> None:
    numbers = {field.name for field in fields(WorldConfig)} - {"name", "partners"}
    assert numbers == set(WORLD_BOUNDS)


def test_every_kind_of_partner_has_a_ready_made_spec() -> None:
    assert {spec.kind for spec in PARTNERS.values()} == set(PartnerKind)
    assert all(spec.name == name for name, spec in PARTNERS.items())


@pytest.mark.parametrize(("setting", "value"), OUT_OF_RANGE)
def test_a_number_out_of_range_is_refused_by_name(setting: str, value: float) -> None:
    number = int(value) if WORLD_BOUNDS[setting].whole else float(value)
    with pytest.raises(ValueError, match=rf"^{setting} must lie between"):
        replace(WorldConfig(), **{setting: number})


def test_a_refusal_writes_large_bounds_in_full() -> None:
    with pytest.raises(ValueError, match=r"^users must lie between 20 and 10,000,000, not 1$"):
        WorldConfig(users=1)


@pytest.mark.parametrize("setting", [name for name, b in WORLD_BOUNDS.items() if b.whole])
@pytest.mark.parametrize("value", [50.5, True, "50", None])
def test_a_count_must_be_a_whole_number(setting: str, value: object) -> None:
    with pytest.raises(ValueError, match=rf"^{setting} must be a whole number"):
        replace(WorldConfig(), **{setting: value})


@pytest.mark.parametrize("value", ["0.5", False, None])
def test_a_share_must_be_a_number(value: object) -> None:
    with pytest.raises(ValueError, match=r"^signal must be a number"):
        replace(WorldConfig(), signal=value)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_must_be_finite(value: float) -> None:
    with pytest.raises(ValueError, match=r"^zipf must lie between 0 and 2"):
        WorldConfig(zipf=value)


def test_numpy_numbers_are_accepted() -> None:
    assert WorldConfig(users=np.int64(50), signal=np.float32(0.5)).users == 50


@pytest.mark.parametrize("name", ["", "a b", 'a"b', "../a", "naïve", 7])
def test_a_name_that_could_not_be_a_file_is_refused(name: object) -> None:
    with pytest.raises(ValueError, match=r"^name must be ASCII"):
        replace(WorldConfig(), name=name)
    with pytest.raises(ValueError, match=r"^partners.name must be ASCII"):
        replace(SOCIAL, name=name)


@pytest.mark.parametrize("setting", PARTNER_BOUNDS)
@pytest.mark.parametrize("value", [-0.01, 1.01])
def test_a_partner_setting_out_of_range_names_the_partner(setting: str, value: float) -> None:
    with pytest.raises(ValueError, match=rf"^partners.video.{setting} must lie between 0 and 1"):
        replace(VIDEO, **{setting: value})


def test_a_partner_kind_must_be_one_that_exists() -> None:
    with pytest.raises(ValueError, match=r"^partners.x.kind must be a PartnerKind, not 'social'"):
        replace(SOCIAL, name="x", kind="social")


@pytest.mark.parametrize("partners", [(), [SOCIAL], None])
def test_a_world_without_partners_is_refused(partners: object) -> None:
    with pytest.raises(ValueError, match=r"^partners must be a tuple"):
        replace(WorldConfig(), partners=partners)


def test_partners_hold_specs_only() -> None:
    with pytest.raises(ValueError, match=r"^partners must hold PartnerSpec only, not 'social'"):
        replace(WorldConfig(), partners=("social",))


def test_two_partners_of_one_name_are_refused() -> None:
    twin = PartnerSpec(name="Social", kind=PartnerKind.VIDEO)  # one file on some file systems
    with pytest.raises(ValueError, match="given twice: social"):
        WorldConfig(partners=(SOCIAL, twin))


@pytest.mark.parametrize("name", ["events", "Items", "truth"])
def test_a_partner_may_not_take_the_name_of_a_table(name: str) -> None:
    with pytest.raises(ValueError, match="must not be named"):
        WorldConfig(partners=(PartnerSpec(name=name, kind=PartnerKind.VIDEO),))


def test_settings_cannot_be_changed_in_place() -> None:
    with pytest.raises(FrozenInstanceError):
        WorldConfig().users = 7


def test_the_documentation_names_every_setting_with_its_default() -> None:
    text = (Path(__file__).parents[3] / "docs" / "world.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \| ([^|]+?) \|", text, flags=re.MULTILINE))
    numbers = {name: getattr(WorldConfig(), name) for name in WORLD_BOUNDS}
    assert {name: float(rows[name]) for name in numbers} == numbers
    assert rows["name"] == "`world`"
    assert rows["partners"] == "social, video"
