"""Log records as JSON lines, which a node's supervisor reads from the processes it runs.

`logger.info("text", extra=fields("event_name", hash=…))` gives the event a name and fields; a
record without them is a plain message. Text and fields are one line each, whatever is in them.
"""

import json
import logging
import sys
from collections.abc import Mapping
from typing import Any, Final

MESSAGE: Final = "message"
_EVENT: Final = "fedrecall_event"
_FIELDS: Final = "fedrecall_fields"


def fields(event: str, **values: object) -> Mapping[str, Any]:
    """What to hand a logger as `extra`: the event's name and its fields, no secrets among them."""
    return {_EVENT: event, _FIELDS: values}


class JsonLines(logging.Formatter):
    """One JSON object a record: level, event, text and the event's fields."""

    def format(self, record: logging.LogRecord) -> str:
        text = record.getMessage()
        if record.exc_info:
            text = f"{text}\n{self.formatException(record.exc_info)}"
        content = {
            "level": record.levelname.lower(),
            "event": getattr(record, _EVENT, MESSAGE),
            "text": text,
            **getattr(record, _FIELDS, {}),
        }
        return json.dumps(content, default=str)


def log_as_json() -> None:
    """Have this process write every log record to stdout as a JSON line, from level info up."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.INFO)
    logging.getLogger("flwr").propagate = False  # it writes for itself
    # httpx notes every request it makes, and a node polls.
    logging.getLogger("httpx").setLevel(logging.WARNING)
