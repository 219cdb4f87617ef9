import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from federation.protocol.profile import Profile
from simulations.lift import SplitResult
from simulations.report import (
    CostRecord,
    EpochRecord,
    ReportFormatError,
    RunRecord,
    build_report,
    render_html,
)
from simulations.report.glossary import GLOSSARY
from tests.simulations.report.made_run import made_run, single_partner_run

EVIL = '<script>alert("x")</script>'
VOID = {"meta", "link", "br", "rect", "line", "circle", "path"}


class Reader(HTMLParser):
    """Collects tags, identifiers, addresses and visible text, and checks nesting."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.refs: list[str] = []
        self.addresses: list[str] = []
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if name == "aria-labelledby":
                self.refs += (value or "").split()
            if name in {"src", "href", "srcset", "action", "poster", "data", "xlink:href"}:
                self.addresses.append(value or "")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    reader.close()
    return reader


def page_of(run: RunRecord) -> str:
    return render_html(build_report(run))


@pytest.fixture(scope="module")
def page() -> str:
    return page_of(made_run())


def test_the_page_is_well_nested_with_one_heading_and_unique_names(page: str) -> None:
    reader = read(page)
    assert reader.open == []
    assert reader.tags.count("h1") == 1
    assert len(set(reader.ids)) == len(reader.ids)
    assert set(reader.refs) <= set(reader.ids)


def test_the_page_fetches_nothing(page: str) -> None:
    assert "http:" not in page
    assert "https:" not in page
    assert "//" not in re.sub(r"/\*.*?\*/", "", page)
    assert not re.search(r"url\(|@import|@font-face", page)
    assert read(page).addresses == ["data:,"]
    assert "default-src 'none'" in page


def test_the_page_runs_no_script(page: str) -> None:
    reader = read(page)
    assert not {"script", "iframe", "object", "embed", "form", "img"} & set(reader.tags)
    assert not re.search(r"\son[a-z]+=", page)


def test_the_page_is_small_enough_to_send(page: str) -> None:
    assert len(page.encode()) < 200_000


def test_every_plot_has_a_title_and_the_charts_a_description(page: str) -> None:
    reader = read(page)
    assert reader.tags.count("title") > reader.tags.count("svg") > 20
    assert page.count('<desc id="') == page.count('class="chart"') == 5


def test_the_headline_and_every_system_are_on_the_page(page: str) -> None:
    text = read(page).text
    report = build_report(made_run())
    assert report["headline"]["sentence"] in text
    for label in ("Popularity list", "social alone", "Federated", "All data pooled"):
        assert label in text
    assert "+59" in text
    assert "not yet accounted" in text
    assert "fedrecall simulate --data lastfm-2k" in text
    assert all(term.word in text for term in GLOSSARY)


def test_hidden_groups_are_named_but_not_measured(page: str) -> None:
    assert "Not shown, to protect small groups: library" in page


@pytest.mark.parametrize("profile", Profile)
def test_the_red_banner_is_there_for_plain_and_only_then(profile: Profile) -> None:
    page = page_of(made_run(splits=1, profile=profile))
    assert ('class="banner"' in page) is (profile is Profile.PLAIN)
    assert ("not protected" in page) is (profile is Profile.PLAIN)


def test_an_accepted_single_partner_is_printed_in_red() -> None:
    page = page_of(single_partner_run())
    assert page.count('class="banner"') == 1
    assert "no sum to hide in" in page


def test_a_permission_that_was_not_needed_is_not_printed_in_red() -> None:
    run = made_run(splits=1)
    allowed = replace(run, privacy=replace(run.privacy, accepted_single_partner=True))
    assert 'class="banner"' not in page_of(allowed)


def test_both_banners_can_be_due() -> None:
    assert page_of(replace(single_partner_run(), profile=Profile.PLAIN)).count("banner") > 2


def test_names_that_look_like_markup_are_escaped_everywhere() -> None:
    run = made_run(splits=1)
    split = run.splits[0]
    systems = tuple(replace(s, name=s.name.replace("social", EVIL)) for s in split.result.systems)
    result = SplitResult(
        seed=0,
        users=split.result.users,
        systems=systems,
        cohorts={EVIL: {EVIL: split.result.users >= 0}},
    )
    page = page_of(
        replace(
            run,
            data=EVIL,
            runtime=EVIL,
            partners=(EVIL, "forum"),
            item_noun=EVIL,
            command=EVIL,
            notes=(EVIL,),
            configuration={EVIL: EVIL},
            splits=(replace(split, result=result, curves={EVIL: split.curves["central"]}),),
            cost=CostRecord(seconds={EVIL: 1.0}, bytes_sent={EVIL: {EVIL: 1}}),
            privacy=replace(run.privacy, cipher=EVIL, caveat=EVIL),
        )
    )
    assert "script" not in set(read(page).tags)
    assert EVIL not in page
    assert "alert(" in page
    assert 'alert("' not in page


def test_a_control_that_shows_a_lift_is_warned_of() -> None:
    run = made_run(splits=1)
    split = run.splits[0]
    swap = {"shuffled": "federated", "federated": "shuffled"}
    systems = tuple(replace(s, name=swap.get(s.name, s.name)) for s in split.result.systems)
    leaking = replace(run, splits=(replace(split, result=replace(split.result, systems=systems)),))
    assert "do not use these figures" in page_of(leaking)
    assert "do not use these figures" not in page_of(run)


def test_a_control_that_only_keeps_the_lift_of_own_features_is_not_warned_of() -> None:
    run = made_run(splits=1)
    split = run.splits[0]
    scores = {system.name: system.per_user for system in split.result.systems}
    own = scores["partner:social"]
    systems = tuple(
        replace(s, per_user=own if s.name in {"own", "shuffled"} else s.per_user)
        for s in split.result.systems
    )
    result = replace(split.result, systems=systems)
    report = build_report(replace(run, splits=(replace(split, result=result),)))
    assert report["lift"]["shuffled_vs_popularity"]["recall@50"]["absolute"]["low"] > 0
    assert "do not use these figures" not in render_html(report)


def test_the_cost_of_one_federation_leaves_out_other_splits_and_comparisons() -> None:
    run = made_run(splits=2)
    cost = replace(
        run.cost,
        seconds={
            "data": 7.0,
            "alignment": 4.0,
            "training": 90.0,
            "serving": 6.0,
            "baselines": 50.0,
        },
        bytes_sent={"social": {"forward": 3_000_000}, "item": {"backward": 5_000_000}},
    )
    text = read(page_of(replace(run, cost=cost))).text.replace("\u00a0", " ")
    assert "Time of one federation50.0 s" in text
    assert "Sent in one federation4.00 MB" in text
    assert "added up over 2 splits" in text


def test_a_worse_system_is_said_to_find_fewer() -> None:
    page = page_of(made_run(-0.5, splits=1))
    assert "% fewer of the artists" in page.replace("\u00a0", " ")
    assert 'class="figure down"' in page


def test_no_lift_is_said_in_words() -> None:
    page = page_of(made_run(0.0))
    assert "No clear lift" in page
    assert "zero lies inside" in page


def test_a_lean_run_makes_a_page_too() -> None:
    run = made_run(splits=1)
    split = run.splits[0]
    systems = tuple(
        replace(s, lists={}, per_user={"recall@50": s.per_user["recall@50"]})
        for s in split.result.systems
        if s.name in {"popularity", "federated"}
    )
    result = replace(split.result, systems=systems, cohorts={})
    lean = replace(
        run,
        splits=(replace(split, result=result, curves={}),),
        cost=CostRecord(seconds={}, bytes_sent={}),
        configuration={},
        notes=(),
        command="",
    )
    page = page_of(lean)
    assert read(page).open == []
    assert "no pooled system was measured" in page
    assert '<svg class="chart"' not in page


def test_curves_without_validation_show_the_loss_alone() -> None:
    run = made_run(splits=1)
    epochs = (EpochRecord(epoch=1, loss=2.0, validation_recall=None, seconds=0.5),)
    lean = replace(run, splits=(replace(run.splits[0], curves={"federated": epochs}),))
    page = page_of(lean)
    assert "Training loss: Federated" in page
    assert "Validation recall: Federated" not in page


def test_lifts_that_cannot_be_stated_leave_their_place_empty() -> None:
    run = made_run(splits=1)
    split = run.splits[0]
    systems = tuple(
        replace(s, per_user={**s.per_user, "recall@50": s.per_user["recall@50"] * 0})
        if s.name == "popularity"
        else s
        for s in split.result.systems
    )
    blank = replace(run, splits=(replace(split, result=replace(split.result, systems=systems)),))
    page = page_of(blank)
    assert "cannot be stated" in page
    assert "None" not in page


def test_settings_are_printed_as_a_person_writes_them() -> None:
    settings = {"deep": False, "masks": True, "seed": None, "cutoffs": (10, 50), "rate": 0.003}
    text = read(page_of(replace(made_run(splits=1), configuration=settings))).text
    for name, value in {
        "deep": "no",
        "masks": "yes",
        "cutoffs": "10, 50",
        "rate": "0.003",
    }.items():
        assert f"{name}{value}" in text


def test_a_report_out_of_format_is_not_drawn() -> None:
    with pytest.raises(ReportFormatError):
        render_html({"version": 1})
