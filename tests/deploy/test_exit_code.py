"""How a rehearsal's script ends."""

from collections.abc import Callable

import pytest

from deploy.rehearsal.errors import RehearsalError
from deploy.rehearsal.rehearsal import exit_code


def raising(error: BaseException) -> Callable[[], bool]:
    def work() -> bool:
        raise error

    return work


@pytest.mark.parametrize(("passed", "code"), [(True, 0), (False, 1)])
def test_a_script_that_is_done_tells_whether_all_was_well(passed: bool, code: int) -> None:
    assert exit_code(lambda: passed) == code


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (RehearsalError("no host"), 1, "error: no host\n"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_a_script_that_is_stopped_says_why_in_one_line(
    error: BaseException, code: int, says: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(raising(error)) == code
    out, err = capfd.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith(says)


def test_a_mistake_of_the_program_keeps_its_traceback() -> None:
    with pytest.raises(KeyError):
        exit_code(raising(KeyError("x")))
