"""Every text and every run of numbers of a party is sought, in every way it could be written."""

import numpy as np
import pandas as pd
import pytest

from deploy.rehearsal.finder import Finder, Kind
from deploy.rehearsal.needles import Gathered, item_texts, joined, number_needles, partner_texts
from federation.crypto.fixed_point import FixedPoint
from parties.config import RunConfig
from parties.tables import (
    ColumnKind,
    ItemTables,
    PartnerTable,
    check_events,
    long_features,
    wide_features,
)
from towers.features import Floats

CONFIG = RunConfig()


def found(gathered: Gathered, data: bytes) -> set[Kind]:
    return {needle.kind for needle, _ in Finder(gathered.needles).find(bytes(5) + data + bytes(9))}


def values_of(gathered: Gathered, kind: Kind) -> set[bytes]:
    return {needle.value for needle in gathered.needles if needle.kind is kind}


@pytest.fixture
def item() -> ItemTables:
    events = pd.DataFrame({"user_id": ["listener-1", "listener-2"], "item_id": ["s1", "s2"]})
    items = pd.DataFrame({"item_id": ["s1", "s2"], "artist": ["Massive Attack", "Air"]})
    users = pd.DataFrame({"user_id": ["listener-1", "listener-3"], "city": ["Göteborg", "Oslo"]})
    return ItemTables(
        events=check_events(events),
        items=wide_features(items, key="item_id", kinds={"artist": ColumnKind.CATEGORICAL}),
        users=wide_features(users),
    )


def test_identifiers_names_and_features_of_the_item_party_are_sought(item: ItemTables) -> None:
    gathered = item_texts(item)
    assert found(gathered, b"listener-1") == {Kind.IDENTIFIER}
    assert found(gathered, b"listener-3") == {Kind.IDENTIFIER}
    assert found(gathered, b"Massive Attack") == {Kind.NAME}
    assert found(gathered, "Göteborg".encode()) == {Kind.FEATURE}


def test_texts_are_sought_in_both_encodings(item: ItemTables) -> None:
    assert found(item_texts(item), "listener-2".encode("utf-16-le")) == {Kind.IDENTIFIER}


def test_what_is_too_short_to_be_told_from_chance_is_counted(item: ItemTables) -> None:
    gathered = item_texts(item)
    # "Air" has three letters in either encoding; "Oslo" and "city" have eight bytes in UTF-16.
    assert gathered.too_short == 1
    assert "Air".encode("utf-16-le") not in values_of(gathered, Kind.NAME)


def test_a_partners_columns_and_values_are_sought() -> None:
    wide = pd.DataFrame(
        {
            "user_id": ["listener-1", "listener-2"],
            "household_size": [1, 2],
            "t": ["a|television", "b"],
        }
    )
    gathered = partner_texts(PartnerTable(name="social", features=wide_features(wide)))
    assert found(gathered, b"household_size") == {Kind.FEATURE}
    assert found(gathered, b"television") == {Kind.FEATURE}
    long = pd.DataFrame({"user_id": ["listener-1"], "feature": ["friend=1234"]})
    gathered = partner_texts(PartnerTable(name="social", features=long_features(long)))
    assert found(gathered, b"friend=1234") == {Kind.FEATURE}


@pytest.fixture
def block() -> Floats:
    return np.random.default_rng(0).normal(0, 1, (3, 64)).astype(np.float32)


@pytest.mark.parametrize("kind", ["<f4", ">f4", "<f8", "<f2"])
def test_a_row_is_found_in_every_kind_of_float(kind: str, block: Floats) -> None:
    gathered = number_needles(Kind.EMBEDDING, [block], CONFIG)
    for row in block:
        assert found(gathered, row.astype(kind).tobytes()) == {Kind.EMBEDDING}
        assert found(gathered, row[32:].astype(kind).tobytes()) == {Kind.EMBEDDING}


@pytest.mark.parametrize("kind", ["<u2", "<u4", "<u8"])
def test_a_row_is_found_in_fixed_point(kind: str, block: Floats) -> None:
    point = FixedPoint(clip=CONFIG.exchange.clip, bits=CONFIG.exchange.bits)
    levels = point.encode(block).levels.astype(kind)
    assert found(number_needles(Kind.EMBEDDING, [block], CONFIG), levels.tobytes())


def test_rows_that_could_be_anything_are_not_sought() -> None:
    blocks: list[Floats] = [np.zeros((4, 64), np.float32), np.ones((4, 64), np.float32)]
    assert number_needles(Kind.MODEL, blocks, CONFIG).needles == ()


def test_a_block_that_comes_twice_is_sought_once(block: Floats) -> None:
    once = number_needles(Kind.MODEL, [block], CONFIG)
    twice = number_needles(Kind.MODEL, [block, block.copy()], CONFIG)
    assert once == twice


def test_needles_of_several_parties_are_joined(item: ItemTables, block: Floats) -> None:
    parts = [item_texts(item), number_needles(Kind.MODEL, [block], CONFIG)]
    assert len(joined(parts).needles) == sum(len(part.needles) for part in parts)
    assert joined(parts).too_short == parts[0].too_short
