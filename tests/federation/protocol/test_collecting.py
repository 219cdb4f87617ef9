from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.errors import (
    OutOfTurnError,
    PeerError,
    ReplayedError,
    SettingError,
    UnknownPeerError,
)
from federation.protocol.collecting import WINDOW, Collector

COHORT = ("social", "video", "forum")


def collector(*cohort: str, min_cohort: int = 2) -> Collector[str]:
    return Collector(cohort or COHORT, min_cohort=min_cohort)


def test_a_sum_comes_out_with_the_last_partner_and_in_the_order_of_the_cohort() -> None:
    hub = collector()

    assert hub.accept("forum", 0, "f0") is None
    assert hub.accept("social", 0, "s0") is None
    assert hub.accept("video", 0, "v0") == ("s0", "v0", "f0")
    assert hub.cohort == COHORT


def test_a_single_partner_is_a_cohort_where_that_is_allowed() -> None:
    assert collector("social", min_cohort=1).accept("social", 0, "s0") == ("s0",)


@pytest.mark.parametrize("cohort", [(), ("social",), ("social", "social")])
def test_a_cohort_below_the_minimum_is_refused(cohort: tuple[str, ...]) -> None:
    with pytest.raises(SettingError, match=r"fewer than exchange\.min_cohort = 2"):
        Collector(cohort, min_cohort=2)


def test_a_stranger_cannot_contribute() -> None:
    hub = collector()
    hub.accept("social", 0, "s0")
    hub.accept("video", 0, "v0")

    with pytest.raises(UnknownPeerError, match="mallory is not in the cohort"):
        hub.accept("mallory", 0, "m0")

    assert hub.accept("forum", 0, "f0") == ("s0", "v0", "f0")


def test_checking_says_what_accepting_would_and_changes_nothing() -> None:
    collector: Collector[str] = Collector(("forum", "social"), min_cohort=2)
    for _ in range(3):
        collector.check("forum", 0)
    assert collector.accept("forum", 0, "first") is None

    with pytest.raises(ReplayedError):
        collector.check("forum", 0)
    with pytest.raises(UnknownPeerError):
        collector.check("item", 0)
    with pytest.raises(OutOfTurnError):
        collector.check("social", 1)
    assert collector.accept("social", 0, "second") == ("first", "second")


def test_a_second_contribution_to_an_open_step_is_refused() -> None:
    hub = collector("social", "video")
    hub.accept("social", 0, "first")

    with pytest.raises(ReplayedError, match="social contributed to step 0 before"):
        hub.accept("social", 0, "second")

    assert hub.accept("video", 0, "v0") == ("first", "v0")


def test_a_summed_step_is_never_summed_again() -> None:
    hub = collector("social", "video")
    hub.accept("social", 3, "s3")
    hub.accept("video", 3, "v3")

    for name in ("social", "video"):
        for step in (3, 2, 0, -1):
            with pytest.raises(ReplayedError):
                hub.accept(name, step, "again")

    assert hub.accept("video", 4, "v4") is None
    assert hub.accept("social", 4, "s4") == ("s4", "v4")


def test_a_sum_is_never_made_without_a_partner_that_is_gone() -> None:
    hub = collector()

    for step in range(WINDOW):
        assert hub.accept("social", step, "s") is None
        assert hub.accept("video", step, "v") is None
    for name in ("social", "video"):
        with pytest.raises(OutOfTurnError, match="too far ahead"):
            hub.accept(name, WINDOW, "more")


def test_a_partner_may_lead_by_the_window_and_no_further() -> None:
    hub = collector("social", "video")
    for step in range(WINDOW):
        hub.accept("social", step, f"s{step}")

    with pytest.raises(OutOfTurnError, match=f"social is at step {WINDOW}, too far ahead"):
        hub.accept("social", WINDOW, "early")

    assert hub.accept("video", 0, "v0") == ("s0", "v0")
    assert hub.accept("social", WINDOW, "in time") is None


def test_a_partner_cannot_pass_over_a_step_that_others_are_at() -> None:
    hub = collector("social", "video")
    hub.accept("social", 0, "s0")
    hub.accept("social", 1, "s1")

    for step in (1, 2, 100):
        with pytest.raises(OutOfTurnError, match=f"video is at step {step} where step 0 was due"):
            hub.accept("video", step, "v")

    assert hub.accept("video", 0, "v0") == ("s0", "v0")
    assert hub.accept("video", 1, "v1") == ("s1", "v1")


def test_a_step_that_the_leader_passed_over_is_refused() -> None:
    hub = collector("social", "video")
    hub.accept("social", 5, "s5")

    with pytest.raises(OutOfTurnError, match="video is at step 0 where step 5 was due"):
        hub.accept("video", 0, "v0")

    assert hub.accept("video", 5, "v5") == ("s5", "v5")


def test_a_run_may_begin_at_any_step_and_leave_some_out() -> None:
    hub = collector("social", "video")

    for step in (40, 41, 90):
        assert hub.accept("video", step, f"v{step}") is None
        assert hub.accept("social", step, f"s{step}") == (f"s{step}", f"v{step}")


@given(st.lists(st.tuples(st.sampled_from([*COHORT, "mallory"]), st.integers(-1, 8)), max_size=80))
def test_whatever_arrives_each_step_is_summed_once_in_order_and_with_everyone(
    arrivals: list[tuple[str, int]],
) -> None:
    hub = collector()
    counts: Counter[int] = Counter()
    summed: list[int] = []
    for sender, step in arrivals:
        try:
            gathered = hub.accept(sender, step, f"{sender} {step} {counts[step]}")
        except PeerError:
            continue
        counts[step] += 1
        if gathered is not None:
            assert [entry.split()[:2] for entry in gathered] == [
                [name, str(step)] for name in COHORT
            ]
            summed.append(step)

    assert summed == sorted(set(summed))
    assert all(counts[step] == len(COHORT) for step in summed)
    assert len(set(counts) - set(summed)) <= WINDOW  # memory is bounded


@given(st.data())
def test_honest_partners_in_any_interleaving_get_every_sum(data: st.DataObject) -> None:
    hub = collector()
    at = dict.fromkeys(COHORT, 0)
    summed = 0
    while min(at.values()) < 10:
        ready = [name for name in COHORT if at[name] < min(10, summed + WINDOW)]
        name = data.draw(st.sampled_from(ready))
        summed += hub.accept(name, at[name], name) is not None
        at[name] += 1

    assert summed == 10
