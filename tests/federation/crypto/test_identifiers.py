import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.crypto.identifiers import MAX_LENGTH, prepare
from federation.errors import IdentifierError

JOB = b"job"


def test_composed_and_decomposed_letters_are_one_identifier() -> None:
    composed, decomposed = "Zo\u00eb", "Zoe\u0308"
    assert composed != decomposed
    assert prepare([composed], job_id=JOB, max_count=1) == prepare(
        [decomposed], job_id=JOB, max_count=1
    )


def test_surrounding_white_space_does_not_matter() -> None:
    assert prepare(["\t ann \n"], job_id=JOB, max_count=1) == prepare(
        ["ann"], job_id=JOB, max_count=1
    )


def test_case_and_inner_white_space_do_matter() -> None:
    assert len(set(prepare(["ann b", "Ann b", "annb"], job_id=JOB, max_count=3))) == 3


def test_two_jobs_have_no_prepared_identifier_in_common() -> None:
    names = ["ann", "bob"]
    one, other = (prepare(names, job_id=job, max_count=2) for job in (b"1", b"2"))
    assert set(one).isdisjoint(other)


def test_a_job_that_swallows_part_of_an_identifier_is_another_job() -> None:
    assert prepare(["bc"], job_id=b"a", max_count=1) != prepare(["c"], job_id=b"ab", max_count=1)


@settings(deadline=None)
@given(st.lists(st.text("abc", min_size=1, max_size=3), unique=True, min_size=1))
def test_distinct_plain_identifiers_stay_distinct_and_in_order(names: list[str]) -> None:
    prepared = prepare(names, job_id=JOB, max_count=len(names))
    assert [name[32:].decode() for name in prepared] == names


@pytest.mark.parametrize("count", [0, 4])
def test_no_identifiers_and_too_many_are_refused(count: int) -> None:
    with pytest.raises(IdentifierError, match=f"{count} identifiers given, 1 to 3"):
        prepare([str(i) for i in range(count)], job_id=JOB, max_count=3)


def test_empty_identifiers_are_refused_with_their_count() -> None:
    with pytest.raises(IdentifierError, match="2 of 3 identifiers are empty"):
        prepare(["ann", "", "  "], job_id=JOB, max_count=3)


def test_duplicates_after_normalisation_are_refused_with_their_count() -> None:
    with pytest.raises(IdentifierError, match="2 of 4 identifiers are duplicates"):
        prepare(["ann", "ann ", "Zo\u00eb", "Zoe\u0308"], job_id=JOB, max_count=4)


def test_the_length_cap_counts_bytes_and_is_inclusive() -> None:
    prepare(["a" * MAX_LENGTH], job_id=JOB, max_count=1)
    prepare(["\u00eb" * 4], job_id=JOB, max_count=1, max_length=8)
    with pytest.raises(IdentifierError, match="1 of 2 identifiers are longer than 7 bytes"):
        prepare(["a", "\u00eb" * 4], job_id=JOB, max_count=2, max_length=7)


@pytest.mark.parametrize(
    "names", [["secret-ann", "secret-ann"], ["secret-ann" * 40], ["\ud800ann"]]
)
def test_no_refusal_shows_an_identifier(names: list[str]) -> None:
    with pytest.raises(IdentifierError) as refusal:
        prepare(names, job_id=JOB, max_count=9)
    assert "ann" not in str(refusal.value)
    assert refusal.value.__cause__ is None
    assert refusal.value.__suppress_context__ or refusal.value.__context__ is None
