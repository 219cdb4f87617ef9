import json
import math
from dataclasses import dataclass, field, is_dataclass
from enum import Enum
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.errors import SettingError
from parties.config import RunConfig
from parties.settings import flatten, from_plain, keys, override, parse_assignment, to_plain
from towers.errors import ConfigError


class Colour(Enum):
    DEEP_RED = "crimson"
    BLUE = "azure"


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    size: int = 3
    share: float = 0.5
    on: bool = False
    colour: Colour = Colour.BLUE
    widths: tuple[int, ...] = (8, 4)
    betas: tuple[float, float] = (0.9, 0.99)
    limit: int | None = None

    def __post_init__(self) -> None:
        if self.size < 0:
            raise ConfigError("size must be at least 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    name: str = "oak"
    leaf: Leaf = field(default_factory=Leaf)


OTHER: dict[str, tuple[str, object]] = {
    "name": ("elm", "elm"),
    "leaf.size": ("17", 17),
    "leaf.share": ("1e-3", 0.001),
    "leaf.on": ("yes", True),
    "leaf.colour": ("Deep_Red", Colour.DEEP_RED),
    "leaf.widths": ("(64, 32,16)", (64, 32, 16)),
    "leaf.betas": ("[0.5, 0.25]", (0.5, 0.25)),
    "leaf.limit": ("9", 9),
}


def value_at(config: object, key: str) -> object:
    for name in key.split("."):
        config = getattr(config, name)
    return config


def test_every_leaf_has_a_dotted_key() -> None:
    assert list(keys(Tree())) == list(OTHER)


@pytest.mark.parametrize("key", list(OTHER))
def test_text_replaces_one_leaf_and_no_other(key: str) -> None:
    text, expected = OTHER[key]
    changed = override(Tree(), key, text)
    assert value_at(changed, key) == expected
    for other in OTHER.keys() - {key}:
        assert value_at(changed, other) == value_at(Tree(), other)


@pytest.mark.parametrize("key", list(OTHER))
def test_a_value_of_the_leaf_s_own_type_is_taken_as_it_is(key: str) -> None:
    expected = OTHER[key][1]
    assert value_at(override(Tree(), key, expected), key) == expected


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("leaf.size", "many", "'many' is not of type int"),
        ("leaf.size", "1.5", "'1.5' is not of type int"),
        ("leaf.size", 1.5, "1.5 is not of type int"),
        ("leaf.size", True, "True is not of type int"),
        ("leaf.size", None, "None is not of type int"),
        ("leaf.size", [1], r"\[1\] is not of type int"),
        ("leaf.size", "-1", "size must be at least 0"),
        ("leaf.share", "half", "'half' is not of type float"),
        ("leaf.share", False, "False is not of type float"),
        ("leaf.share", "nan", "'nan' is not finite"),
        ("leaf.share", "-inf", "'-inf' is not finite"),
        ("leaf.share", 10**400, "is not of type float"),
        ("leaf.on", "maybe", "'maybe' is not true or false"),
        ("leaf.on", 2, "2 is not true or false"),
        ("leaf.colour", "green", "'green' is not one of deep_red, blue"),
        ("leaf.widths", "8,wide", "'wide' is not of type int"),
        ("leaf.widths", 8, "8 is not a list"),
        ("leaf.widths", [8, 1.5], "1.5 is not of type int"),
        ("leaf.betas", "0.9", "2 values are needed, not 1"),
        ("leaf.betas", (0.9, 0.99, 0.999), "2 values are needed, not 3"),
        ("leaf.betas", "0.9,nan", "'nan' is not finite"),
        ("leaf.limit", "few", "'few' is not of type int"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_with_its_key(
    key: str, value: object, problem: str
) -> None:
    with pytest.raises(SettingError, match=f"{key}: .*{problem}"):
        override(Tree(), key, value)


def test_nothing_is_a_value_of_an_optional_leaf_only() -> None:
    limited = override(Tree(), "leaf.limit", 5)
    assert override(limited, "leaf.limit", "None").leaf.limit is None
    assert override(limited, "leaf.limit", None).leaf.limit is None


def test_an_empty_tuple_can_be_spelt() -> None:
    spellings: tuple[object, ...] = ("", "()", "[]", [], ())
    for empty in spellings:
        assert override(Tree(), "leaf.widths", empty).leaf.widths == ()


def test_an_enum_is_known_by_name_and_by_value() -> None:
    for spelt in ("deep_red", "DEEP_RED", "crimson", Colour.DEEP_RED):
        assert override(Tree(), "leaf.colour", spelt).leaf.colour is Colour.DEEP_RED


@pytest.mark.parametrize("spelt", ["true", "TRUE", "yes", "1", True])
def test_true_has_many_spellings(spelt: object) -> None:
    assert override(Tree(), "leaf.on", spelt).leaf.on is True


@pytest.mark.parametrize("spelt", ["false", "No", "0", False])
def test_false_has_many_spellings(spelt: object) -> None:
    on = override(Tree(), "leaf.on", True)
    assert override(on, "leaf.on", spelt).leaf.on is False


def test_an_unknown_key_names_close_ones() -> None:
    with pytest.raises(SettingError, match=r"unknown setting leaf\.colr; close: leaf\.colour"):
        override(Tree(), "leaf.colr", "blue")


def test_an_unknown_key_like_no_other_names_none() -> None:
    with pytest.raises(SettingError, match=r"^unknown setting zzzzzz$"):
        override(Tree(), "zzzzzz", "1")


@pytest.mark.parametrize("key", ["leaf", "leaf.", ".size", "leaf.size.x", ""])
def test_a_branch_or_half_a_key_is_no_setting(key: str) -> None:
    with pytest.raises(SettingError, match="unknown setting"):
        override(Tree(), key, "1")


def test_an_assignment_is_split_at_the_first_equals_sign() -> None:
    assert parse_assignment(" leaf.size = 5 ") == ("leaf.size", "5")
    assert parse_assignment("name=a=b") == ("name", "a=b")
    assert parse_assignment("leaf.widths=") == ("leaf.widths", "")


@pytest.mark.parametrize("text", ["leaf.size", "", "=5", " = 5"])
def test_text_that_is_no_assignment_is_refused(text: str) -> None:
    with pytest.raises(SettingError, match="--set takes key=value"):
        parse_assignment(text)


def test_flattening_nests_keys_with_dots() -> None:
    nested = {"a": 1, "b": {"c": 2, "d": {"e": [3]}}, "f": {}}
    assert dict(flatten(nested)) == {"a": 1, "b.c": 2, "b.d.e": [3]}


@settings(deadline=None)
@given(
    size=st.integers(0, 10**9),
    share=st.floats(allow_nan=False, allow_infinity=False),
    on=st.booleans(),
    colour=st.sampled_from(Colour),
    widths=st.lists(st.integers(1, 99)).map(tuple),
    limit=st.none() | st.integers(),
)
def test_a_tree_comes_back_from_its_plain_form(**leaf: Any) -> None:  # noqa: ANN401
    tree = Tree(leaf=Leaf(**leaf))
    assert from_plain(Tree(), json.loads(json.dumps(to_plain(tree)))) == tree


def test_plain_values_of_unknown_keys_are_refused() -> None:
    with pytest.raises(SettingError, match=r"unknown setting leaf\.sizes"):
        from_plain(Tree(), {"leaf": {"sizes": 1}})
    with pytest.raises(SettingError, match="unknown setting leaf"):
        from_plain(Tree(), {"leaf": 1})


def spell(value: object) -> str:
    """A plain value as a person would type it behind ``--set key=``."""
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def leaves() -> list[str]:
    return list(keys(RunConfig()))


@pytest.mark.parametrize("key", leaves())
def test_every_setting_of_a_run_can_be_given_as_text(key: str) -> None:
    plain = dict(flatten(to_plain(RunConfig())))
    assert override(RunConfig(), key, spell(plain[key])) == RunConfig()


@pytest.mark.parametrize("key", leaves())
def test_every_setting_of_a_run_refuses_nonsense_and_names_itself(key: str) -> None:
    with pytest.raises(SettingError, match=key):
        override(RunConfig(), key, "nonsense")


def test_a_run_comes_back_from_its_plain_form() -> None:
    run = override(override(RunConfig(), "profile", "plain"), "trainer.model.top_hidden_dims", "9")
    plain = json.loads(json.dumps(to_plain(run)))
    assert from_plain(RunConfig(), plain) == run
    assert all(not is_dataclass(value) for _, value in flatten(plain))
    assert all(not isinstance(v, float) or math.isfinite(v) for _, v in flatten(plain))
