"""Which errors are told in one line, and which keep their traceback."""

import subprocess
import sys

from recall import RecallError
from simulations.errors import RunStoppedError, expected

SCRIPT = """
import sys
from simulations.errors import expected
light = expected()
assert "recall" not in sys.modules
import recall
assert expected() == (*light, recall.RecallError)
"""


def test_errors_of_every_package_are_expected_and_mistakes_of_the_program_are_not() -> None:
    assert issubclass(RunStoppedError, expected())
    assert issubclass(RecallError, expected())
    assert not issubclass(KeyError, expected())


def test_recall_is_not_imported_to_ask_whether_its_errors_are_expected() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], check=False, timeout=60)
    assert done.returncode == 0
