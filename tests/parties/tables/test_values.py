import math
from datetime import UTC, datetime
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parties.errors import ValueRefusedError
from parties.tables.source import MemoryOrigin
from parties.tables.values import (
    Cells,
    amounts,
    flags,
    identifiers,
    labels,
    numbers,
    times,
    weights,
)


def cells(values: object, first_row: int = 0) -> Cells:
    array = values if isinstance(values, pa.Array) else pa.array(values)
    return Cells(values=array, column="c", origin=MemoryOrigin("t"), first_row=first_row)


def test_identifiers_are_trimmed_and_normalised() -> None:
    decomposed = "Beyonce\N{COMBINING ACUTE ACCENT}"
    assert identifiers(cells([" 007 ", decomposed])).to_pylist() == ["007", "Beyonc\xe9"]


def test_whole_numbers_are_identifiers() -> None:
    assert identifiers(cells([7, 8])).to_pylist() == ["7", "8"]


def test_dictionary_encoded_text_is_read() -> None:
    assert labels(cells(pa.array(["a", "b", "a"]).dictionary_encode())).to_pylist() == [*"aba"]


@pytest.mark.parametrize("missing", ["", "  ", "nan", "NaN", "NULL", None])
def test_a_missing_identifier_is_refused_with_its_row(missing: str | None) -> None:
    with pytest.raises(ValueRefusedError, match="is missing") as caught:
        identifiers(cells(["a", "b", missing], first_row=10))
    assert caught.value.row == 13
    assert caught.value.column == "c"


def test_fractions_are_no_identifiers() -> None:
    with pytest.raises(ValueRefusedError, match="floating-point"):
        identifiers(cells([1.0, 2.0]))


@pytest.mark.parametrize("missing", ["", " ", "nan", "NaN", "null", None])
def test_a_missing_label_is_null(missing: str | None) -> None:
    assert labels(cells(["a", missing])).to_pylist() == ["a", None]


@pytest.mark.parametrize("country", ["NA", "None", "no"])
def test_words_that_look_missing_to_others_are_labels(country: str) -> None:
    assert labels(cells([country])).to_pylist() == [country]


def test_a_list_becomes_values_between_bars() -> None:
    assert labels(cells([["a", "b"], []])).to_pylist() == ["a|b", None]


def test_whole_numbers_beside_a_gap_keep_no_fraction() -> None:
    assert labels(cells([1.0, math.nan])).to_pylist() == ["1", None]
    assert labels(cells([1.5, math.nan])).to_pylist() == ["1.5", None]


def test_a_type_that_is_neither_text_nor_number_is_refused() -> None:
    with pytest.raises(ValueRefusedError, match="neither text nor numbers"):
        labels(cells([{"a": 1}]))


@given(st.lists(st.none() | st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_numbers_written_as_text_read_back_exactly(values: list[float | None]) -> None:
    texts = ["" if value is None else repr(value) for value in values]
    expected = [math.nan if value is None else value for value in values]
    np.testing.assert_array_equal(numbers(cells(texts)), expected)


@pytest.mark.parametrize("text", ["+1.5", " 1.5 ", "15e-1"])
def test_spellings_of_a_number_are_accepted(text: str) -> None:
    assert numbers(cells([text])).tolist() == [1.5]


def test_decimals_and_integers_are_numbers() -> None:
    assert numbers(cells([Decimal("1.5")])).tolist() == [1.5]
    assert numbers(cells([1, 2])).tolist() == [1.0, 2.0]


@pytest.mark.parametrize("text", ["1,5", "twelve", "0x10", "1.2.3"])
def test_what_is_not_a_number_is_refused_with_its_row(text: str) -> None:
    with pytest.raises(ValueRefusedError, match="is not a number") as caught:
        numbers(cells(["1", "", text, "also bad"]))
    assert caught.value.row == 3
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize("infinite", ["inf", "-inf", "Infinity"])
def test_an_infinite_number_is_refused(infinite: str) -> None:
    with pytest.raises(ValueRefusedError, match="is infinite"):
        numbers(cells(["1", infinite]))


def test_an_infinite_float_is_refused() -> None:
    with pytest.raises(ValueRefusedError, match="is infinite"):
        numbers(cells([1.0, math.inf]))


def test_a_missing_float_is_nan() -> None:
    assert np.isnan(numbers(cells(pa.array([math.nan, None], pa.float64())))).all()


def test_amounts_may_be_missing_but_not_negative() -> None:
    assert np.isnan(amounts(cells(["", "2"]))).tolist() == [True, False]
    with pytest.raises(ValueRefusedError, match="'-1' is negative"):
        amounts(cells(["2", "-1"]))


def test_weights_may_be_neither() -> None:
    assert weights(cells(["0", "2"])).tolist() == [0.0, 2.0]
    with pytest.raises(ValueRefusedError, match="is missing"):
        weights(cells(["2", ""]))
    with pytest.raises(ValueRefusedError, match="is negative"):
        weights(cells([-1]))


MOMENT = datetime(2024, 5, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "values",
    [
        [MOMENT.timestamp()],
        [int(MOMENT.timestamp())],
        [str(int(MOMENT.timestamp()))],
        ["2024-05-01T12:00:00Z"],
        ["2024-05-01 12:00:00"],
        ["2024-05-01T14:00:00+02:00"],
        pa.array([MOMENT], pa.timestamp("ms", "UTC")),
        pa.array([MOMENT.replace(tzinfo=None)], pa.timestamp("ns")),
    ],
)
def test_a_time_is_read_from_every_spelling(values: object) -> None:
    assert times(cells(values)).tolist() == [MOMENT.timestamp()]


@pytest.mark.parametrize("value", ["yesterday", "", "inf", "2024-13-01"])
def test_what_is_not_a_time_is_refused(value: str) -> None:
    with pytest.raises(ValueRefusedError, match="is not a time") as caught:
        times(cells(["2024-05-01", value]))
    assert caught.value.row == 2


def test_truth_values_are_read_from_every_spelling() -> None:
    assert (
        flags(cells(["1", "TRUE", "yes", "0", "false", "No"])).tolist() == [True] * 3 + [False] * 3
    )
    assert flags(cells([True, False])).tolist() == [True, False]
    assert flags(cells([1, 0])).tolist() == [True, False]
    assert flags(cells([1.0, 0.0])).tolist() == [True, False]


@pytest.mark.parametrize("value", ["", "2", "maybe"])
def test_what_is_not_a_truth_value_is_refused(value: str) -> None:
    with pytest.raises(ValueRefusedError, match="is not a truth value"):
        flags(cells(["1", value]))


def test_a_long_refused_value_is_shown_in_part() -> None:
    with pytest.raises(ValueRefusedError) as caught:
        numbers(cells(["x" * 10_000]))
    assert len(str(caught.value)) < 200
