"""Starts a program that dies when the process that started it dies, even by kill -9.

Run as `python leash.py SIGNAL PARENT PROGRAM [ARGUMENT …]`; `leashed` makes that command. It sets
Linux's parent-death signal and becomes the program, so nothing stays in between. The parent is
the thread that started it: a thread that ends takes what it started with it.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

PR_SET_PDEATHSIG: Final = 1  # linux/prctl.h
ORPHANED: Final = 3


def leashed(
    program: Sequence[str], *, last_word: signal.Signals = signal.SIGKILL
) -> tuple[str, ...]:
    """The command that runs `program` on a leash held by this process.

    Args:
        program: what to run, with its arguments.
        last_word: the signal it gets when this process dies; SIGTERM leaves it time to sign off.
    """
    # -I and -S: nothing of the environment is imported before the program itself is there.
    held = (sys.executable, "-I", "-S", str(Path(__file__)), last_word.name, str(os.getpid()))
    return (*held, *program)


def become(last_word: signal.Signals, parent: int, program: Sequence[str]) -> None:
    """Turn this process into `program`, to die with `parent`.

    Raises:
        OSError: the kernel has no parent-death signal, or the program cannot be run.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, int(last_word), 0, 0, 0):
        raise OSError(ctypes.get_errno(), "the parent-death signal cannot be set")
    if os.getppid() != parent:  # it died before the signal was set
        sys.exit(ORPHANED)
    os.execvp(program[0], list(program))  # noqa: S606 - that is what this file is for


if __name__ == "__main__":
    become(signal.Signals[sys.argv[1]], int(sys.argv[2]), sys.argv[3:])
