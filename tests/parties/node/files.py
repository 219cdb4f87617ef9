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


def with_ports(text: str, ports: dict[str, int]) -> str:
    """The text with these ports beside the coordinator's host, and a health port of its own."""
    lines = "".join(f"{name} = {port}\n" for name, port in ports.items() if name != "health")
    health = f"[health]\nport = {ports['health']}\n" if "health" in ports else ""
    host = 'host = "127.0.0.1"\n'
    assert host in text
    return text.replace(host, host + lines) + health
