"""The golden file of the wire format. Run this module to write it anew, and say why in a commit.

python -m tests.federation.protocol.wire_format
"""

from pathlib import Path
from typing import Final

from federation.protocol.codec import encode_message
from tests.federation.protocol.examples import FRAMES, MESSAGES

GOLDEN: Final = Path(__file__).parent / "golden" / "wire_format.txt"


def wire_format() -> str:
    """One line for every example: what it is, and its bytes in hexadecimal."""
    messages = [
        f"message {number} {type(message).__name__}: {encode_message(message).hex()}"
        for number, message in MESSAGES.items()
    ]
    frames = [f"{name}: {frame.encode().hex()}" for name, frame in FRAMES.items()]
    return "\n".join([*messages, *frames, ""])


if __name__ == "__main__":
    GOLDEN.write_text(wire_format(), encoding="ascii")
