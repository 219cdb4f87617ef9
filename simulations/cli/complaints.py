"""What the program says when something goes wrong: one line that can be read and copied."""

from typing import Final

from rich.console import Console

FAILURE: Final = 1
USAGE: Final = 2
INTERRUPTED: Final = 130


def sentence(error: Exception) -> str:
    """What went wrong, for people."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    if isinstance(error, MemoryError):
        return f"out of memory: {error}".removesuffix(": ")
    return str(error) or type(error).__name__


def say(text: str, *, error: bool = False) -> None:
    """Print a line as it is: no wrapping, no markup, so that paths can be copied."""
    console = Console(stderr=error, highlight=False)
    console.print(text, markup=False, soft_wrap=True)


def complain(error: Exception) -> None:
    """Say on stderr what went wrong."""
    console = Console(stderr=True, highlight=False)
    console.print("[bold red]error:[/bold red] ", end="")
    console.print(sentence(error), markup=False, soft_wrap=True)
