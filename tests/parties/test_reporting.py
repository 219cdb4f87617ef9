from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.errors import MalformedError
from federation.exchange.link import Link
from federation.protocol.messages import ProgressReport
from federation.protocol.profile import Profile
from parties.config import COORDINATOR, ITEM
from parties.events import Progress, Stage, ignore_progress
from parties.reporting import INTERVAL_S, ProgressReporter, to_progress, to_report
from tests.federation.exchange.line import Line
from tests.parties.harness import Broken, Table, federate, make_world, run_parties, tiny

WORLD = make_world("social", "forum")


class Clock:
    """Time that passes when a test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Told:
    """An item party's reporter, and what the coordinator received of it."""

    def __init__(self) -> None:
        links = Line().greeted()
        self.clock = Clock()
        self.coordinator: Link = links[COORDINATOR]
        self.link = links[ITEM]
        self.watched: list[Progress] = []
        self.report = ProgressReporter(self.link, self.watched.append, clock=self.clock)

    def posted(self) -> int:
        """Frames of the item party so far, less those of greeting."""
        return self.link.traffic.frames_by_stage()["control"] - 4

    def next(self) -> Progress:
        return to_progress(self.coordinator.receive(ITEM, ProgressReport))


def training(done: int, recall: float | None = None, *, total: int = 10) -> Progress:
    return Progress(stage=Stage.TRAINING, done=done, total=total, recall=recall)


def test_the_first_report_of_a_stage_goes_out_at_once() -> None:
    told = Told()
    told.report(training(0))

    assert told.next() == training(0)


def test_reports_come_no_faster_than_their_interval() -> None:
    told = Told()
    for done in range(5):
        told.report(training(done))
    assert told.posted() == 1
    told.clock.now += INTERVAL_S
    told.report(training(5))
    told.report(training(6))

    assert told.posted() == 2
    assert [told.next().done, told.next().done] == [0, 5]
    assert [each.done for each in told.watched] == [0, 1, 2, 3, 4, 5, 6]


def test_the_end_of_a_stage_is_always_told() -> None:
    told = Told()
    told.report(training(0))
    told.report(training(10, 0.25))

    assert [told.next(), told.next()] == [training(0), training(10, 0.25)]


def test_a_stage_that_ends_early_leaves_its_last_word_before_the_next_begins() -> None:
    told = Told()
    serving = Progress(stage=Stage.SERVING, done=0, total=2)
    for progress in (training(0), training(3), training(4, 0.5), serving):
        told.report(progress)

    assert [told.next(), told.next(), told.next()] == [training(0), training(4, 0.5), serving]


def test_after_its_end_only_the_own_watcher_is_told() -> None:
    told = Told()
    told.report(training(0))
    told.report(training(1))
    told.report.end()
    told.report(training(10))

    assert told.posted() == 2
    assert [told.next().done, told.next().done] == [0, 1]
    assert told.watched[-1] == training(10)


def test_a_reporter_that_said_nothing_has_nothing_to_end() -> None:
    told = Told()
    told.report.end()

    assert told.posted() == 0


def test_a_note_stays_with_the_item_party() -> None:
    noted = Progress(stage=Stage.ALIGNMENT, done=1, total=2, note="SECRET")

    assert "SECRET" not in repr(to_report(noted))
    assert to_progress(to_report(noted)).note == ""


@given(st.sampled_from(Stage), st.integers(0, 50), st.integers(0, 50), st.integers(-1, 10**6))
def test_a_report_says_what_was_reported(stage: Stage, done: int, more: int, recall: int) -> None:
    message = ProgressReport(stage.value, done, done + more, recall)

    assert to_report(to_progress(message)) == message


@pytest.mark.parametrize(
    "report",
    [
        ProgressReport("", 0, 1, -1),
        ProgressReport("TRAINING", 0, 1, -1),
        ProgressReport("training\x1b[2J", 0, 1, -1),
        ProgressReport("training", 2, 1, -1),
        ProgressReport("training", 0, 1, 1_000_001),
    ],
)
def test_impossible_progress_is_refused_and_not_repeated(report: ProgressReport) -> None:
    with pytest.raises(MalformedError) as refusal:
        to_progress(report)
    assert "\x1b" not in str(refusal.value)


@pytest.mark.parametrize("profile", Profile)
def test_the_coordinator_follows_a_run_from_alignment_to_serving(profile: Profile) -> None:
    own: list[Progress] = []
    followed: list[Progress] = []
    config = tiny(profile, training__epochs=2)
    ended = federate(config, WORLD, watch=own.append, follow=followed.append)

    stages = list(dict.fromkeys(each.stage for each in followed))
    expected = [Stage.ALIGNMENT, Stage.TRAINING, Stage.SERVING]
    if profile is Profile.FROZEN:  # trains when it needs the others no more
        expected.remove(Stage.TRAINING)
    assert stages == expected
    assert len(followed) <= len(own)
    if profile is not Profile.FROZEN:
        best = max(epoch.recall for epoch in ended.item.history)
        last = [each for each in followed if each.stage is Stage.TRAINING][-1]
        assert last.done == last.total
        assert last.recall == pytest.approx(best, abs=1e-6)


def failing_at(stage: Stage) -> Callable[[Progress], None]:
    def fail(progress: Progress) -> None:
        if progress.stage is stage:
            raise Broken("enough")

    return fail


@pytest.mark.parametrize("stage", [Stage.ALIGNMENT, Stage.SERVING])
def test_a_follower_that_gives_up_ends_the_run_for_everyone(stage: Stage) -> None:
    table = Table(
        config=tiny(Profile.FROZEN),
        partners=tuple(WORLD.partners),
        watch=ignore_progress,
        follow=failing_at(stage),
    )
    ended = run_parties(table, WORLD)

    assert isinstance(ended.errors[COORDINATOR], Broken)
    assert ITEM in ended.errors
