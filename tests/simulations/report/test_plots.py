from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.exchange.traffic import Stage as Phase
from parties.events import Stage
from simulations.report.plots import HEIGHT, WIDTH, Axis, Series, nice_ticks, place_lines, spread
from simulations.report.wording import (
    change,
    change_range,
    count,
    duration,
    family_label,
    number,
    party_label,
    phase_meaning,
    share,
    share_range,
    size,
    stage_meaning,
    system_label,
    system_meaning,
    system_short,
)

PLACES = st.lists(st.floats(-500, 500), min_size=1, max_size=12)


@given(PLACES, st.floats(1, 30))
def test_spread_labels_keep_their_order_and_distance(places: list[float], gap: float) -> None:
    moved = spread(places, gap=gap)
    order = sorted(range(len(places)), key=lambda i: places[i])
    for left, right in pairwise(order):
        assert moved[right] - moved[left] >= gap - 1e-6


@given(PLACES)
def test_spread_moves_nothing_that_has_room(places: list[float]) -> None:
    far = [place * 1 + 2000 * number for number, place in enumerate(places)]
    assert spread(far, gap=10) == far


@given(st.floats(-1e6, 1e6), st.floats(0, 1e6))
def test_ticks_cover_the_values_with_few_round_steps(low: float, width: float) -> None:
    ticks = nice_ticks(low, low + width)
    slack = 1e-6 * max(1.0, abs(low), width)
    assert ticks[0] <= low + slack
    assert ticks[-1] >= low + width - slack
    assert 2 <= len(ticks) <= 7
    assert ticks[0] < ticks[-1]


@given(st.lists(st.floats(0, 1), min_size=2, max_size=20))
def test_lines_stay_inside_the_drawing(values: list[float]) -> None:
    points = tuple((x, y, "") for x, y in enumerate(values))
    lines = place_lines(
        [Series(label="a", style="b", points=points)],
        Axis(low=0, high=len(values) - 1),
        Axis(low=0, high=1),
    )
    assert all(0 <= mark.x <= WIDTH and 0 <= mark.y <= HEIGHT for mark in lines[0].marks)
    assert lines[0].path.count("L") == len(values) - 1


def test_equal_ratios_take_equal_room_on_a_logarithmic_axis() -> None:
    axis = Axis(low=10, high=1000, logarithmic=True)
    assert axis.part(100) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (share(0.2554), "25.5 %"),
        (share(None), "\u2013"),
        (share_range(0.241, 0.27), "24.1 to 27.0 %"),
        (change(0.612), "+61 %"),
        (change(-0.02), "\u22122 %"),
        (change(0.001), "0 %"),
        (change(None), "\u2013"),
        (change_range(-0.04, 0.02), "\u22124 to +2 %"),
        (change_range(None, None), "\u2013"),
        (count(17632), "17 632"),
        (size(None), "\u2013"),
        (size(0), "0 B"),
        (size(999), "999 B"),
        (size(1536), "1.54 kB"),
        (size(610_000_000), "610 MB"),
        (size(7_500_000_000_000), "7 500 GB"),
        (duration(None), "\u2013"),
        (duration(0.5), "0.50 s"),
        (duration(119), "119 s"),
        (duration(226), "3 min 46 s"),
        (duration(7500), "2 h 05 min"),
        (number(None), "\u2013"),
        (number(-1.5), "\u22121.50"),
        (number(12.34), "12.3"),
        (system_label("partner:social"), "social alone"),
        (system_label("mystery"), "mystery"),
        (system_short("central"), "All data pooled"),
        (system_short("partner:social"), "social alone"),
        (system_meaning("mystery"), ""),
    ],
)
def test_numbers_read_as_a_person_writes_them(said: str, expected: str) -> None:
    assert said.replace("\u00a0", " ").replace("\u202f", " ") == expected


def test_every_stage_and_phase_of_a_run_is_said_in_plain_words() -> None:
    assert all(stage_meaning(stage.value) for stage in Stage)
    assert all(phase_meaning(phase.value) for phase in Phase)
    assert stage_meaning("unheard of") == phase_meaning("unheard of") == ""
    assert party_label("item") != "item"
    assert party_label("social") == family_label("social") == "social"
