"""A small, valid data set folder that a test changes in one place."""

from pathlib import Path

EVENTS = "user_id,item_id,weight\n001,a,3\n002,b,1\n"
SOCIAL = "user_id,feature\n001,002\n002,001\n"
BANK = "user_id,age,plan\n001,34,basic\n003,,gold\n"
DESCRIPTION = """\
name = "example"

[item_party]
events = "events.csv"

[[partner]]
name = "social"
users = "social.csv"

[[partner]]
name = "bank"
users = "bank.csv"
sensitive = ["age"]
"""


def make_folder(folder: Path, **changes: str | bytes) -> Path:
    """Write the example, with the text of `events`, `social`, `bank` or `description` changed."""
    texts: dict[str, str | bytes] = {
        "events": EVENTS,
        "social": SOCIAL,
        "bank": BANK,
        "description": DESCRIPTION,
        **changes,
    }
    for stem, text in texts.items():
        name = "federation.toml" if stem == "description" else f"{stem}.csv"
        content = text if isinstance(text, bytes) else text.encode("utf-8")
        (folder / name).write_bytes(content)
    return folder
