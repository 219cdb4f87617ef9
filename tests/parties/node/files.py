"""Party files as a test writes them: short, and complete for their role."""

from pathlib import Path

COORDINATOR = """\
name = "coordinator"
role = "coordinator"
[listen]
host = "127.0.0.1"
"""
ITEM = """\
name = "item"
role = "item"
[coordinator]
host = "127.0.0.1"
[data]
events = "events.csv"
"""
PARTNER = """\
name = "social"
role = "partner"
[coordinator]
host = "127.0.0.1"
[data]
users = "users.csv"
"""


def write(folder: Path, text: str) -> Path:
    """Put `text` into a party.toml."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "party.toml"
    file.write_text(text, encoding="utf-8")
    return file
