"""A job goes on under the terms it began with, or not at all."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from federation.protocol.profile import Profile
from parties.config import RunConfig
from parties.errors import JobError, PolicyError
from parties.node.terms import TERMS, keep_terms
from parties.settings import override

PARTNERS = ("social", "forum")
CONFIG = override(RunConfig(), "training.epochs", 7)


def test_the_same_terms_hold_for_as_many_sessions_as_it_takes(tmp_path: Path) -> None:
    for partners in (PARTNERS, PARTNERS, PARTNERS[::-1]):
        keep_terms(tmp_path, CONFIG, partners)
    assert (tmp_path / TERMS).stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("partners", [("social",), ("social", "video"), (*PARTNERS, "video")])
def test_a_job_never_goes_on_with_other_partners(
    tmp_path: Path, partners: tuple[str, ...]
) -> None:
    keep_terms(tmp_path, CONFIG, PARTNERS)
    with pytest.raises(PolicyError, match=r"began with partners = .*'forum', 'social'.*a new job"):
        keep_terms(tmp_path, CONFIG, partners)
    keep_terms(tmp_path, CONFIG, PARTNERS)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("seed", 1),  # other batches
        ("exchange.batch_groups", 2),
        ("exchange.clip", 1.0),
        ("encoder.width", 16),
        ("trainer.dropout", 0.0),
        ("training.epochs", 8),
    ],
)
def test_a_job_never_goes_on_with_other_settings(tmp_path: Path, key: str, value: object) -> None:
    keep_terms(tmp_path, CONFIG, PARTNERS)
    with pytest.raises(PolicyError, match=f"began with {key} = .* is to go on with {value:g}"):
        keep_terms(tmp_path, override(CONFIG, key, value), PARTNERS)


def test_a_job_never_goes_on_under_another_profile(tmp_path: Path) -> None:
    keep_terms(tmp_path, CONFIG, PARTNERS)
    with pytest.raises(PolicyError, match=r"began with profile = 'strict'.*with 'plain'"):
        keep_terms(tmp_path, replace(CONFIG, profile=Profile.PLAIN), PARTNERS)


@pytest.mark.parametrize(("key", "value"), [("exchange.timeout_s", 5.0), ("alignment.workers", 3)])
def test_what_is_this_partys_own_business_may_change(
    tmp_path: Path, key: str, value: float
) -> None:
    keep_terms(tmp_path, CONFIG, PARTNERS)
    keep_terms(tmp_path, override(CONFIG, key, value), PARTNERS)


def test_a_setting_that_an_older_release_did_not_know_counts_as_its_default(
    tmp_path: Path,
) -> None:
    keep_terms(tmp_path, CONFIG, PARTNERS)
    terms = json.loads((tmp_path / TERMS).read_text())
    del terms["encoder.idf"]
    (tmp_path / TERMS).write_text(json.dumps(terms))
    keep_terms(tmp_path, CONFIG, PARTNERS)
    with pytest.raises(PolicyError, match=r"encoder\.idf = True .* with False"):
        keep_terms(tmp_path, override(CONFIG, "encoder.idf", False), PARTNERS)


@pytest.mark.parametrize("content", ["", "[]", "{"])
def test_damaged_terms_are_never_taken_for_none(tmp_path: Path, content: str) -> None:
    (tmp_path / TERMS).write_text(content)
    with pytest.raises(JobError, match=TERMS):
        keep_terms(tmp_path, CONFIG, PARTNERS)
