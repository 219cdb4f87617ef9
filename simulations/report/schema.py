"""The format of report.json as a JSON Schema, and a small reader that enforces it.

`SCHEMA` uses a handful of JSON Schema's keywords, so other tools can read it too; `check`
knows exactly these and refuses any other, so a rule can never be silently ignored.
"""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from simulations.report.errors import ReportFormatError

Json = dict[str, Any]


def _object(required: Json, optional: Json | None = None) -> Json:
    """An object that must have `required`; other keys are allowed."""
    return {
        "type": "object",
        "required": list(required),
        "properties": {**required, **(optional or {})},
    }


def _map(values: Json) -> Json:
    return {"type": "object", "additionalProperties": values}


def _list(items: Json, *, at_least: int = 0) -> Json:
    return {"type": "array", "items": items, "minItems": at_least}


_TEXT: Json = {"type": "string"}
_NUMBER: Json = {"type": "number"}
_COUNT: Json = {"type": "integer", "minimum": 0}
_AMOUNT: Json = {"type": "number", "minimum": 0}
_MAYBE: Json = {"type": ["number", "null"]}
_MAYBE_AMOUNT: Json = {"type": ["number", "null"], "minimum": 0}
_SETTING: Json = {"type": ["string", "number", "boolean", "null", "array"]}
_INTERVAL = _object({"mean": _NUMBER, "low": _NUMBER, "high": _NUMBER})
_RELATIVE = _object(
    {"relative": _MAYBE, "low": _MAYBE, "high": _MAYBE}, {"reason": _TEXT, "absolute": _INTERVAL}
)
_EPOCH = _object(
    {"epoch": _COUNT, "loss": _NUMBER, "validation_recall": _MAYBE, "seconds": _AMOUNT}
)
_EXPOSURE = _object({"phase": _TEXT, "item_party": _TEXT, "partner": _TEXT, "coordinator": _TEXT})
_COHORT = _object(
    {"users": {"type": ["integer", "null"], "minimum": 0}},
    {"suppressed": _TEXT, "systems": _map(_INTERVAL), "lift": _RELATIVE},
)
_SPLIT = _object({"seed": _COUNT, "users": _COUNT, "systems": _map(_map(_NUMBER))})
_COST = _object(
    {
        "seconds": _map(_AMOUNT),
        "bytes": _map(_COUNT),
        "bytes_by_party": _map(_map(_COUNT)),
        "bytes_per_value": _MAYBE_AMOUNT,
        "cpu_seconds": _MAYBE_AMOUNT,
        "peak_memory_bytes": {"type": ["integer", "null"], "minimum": 0},
    }
)
_PRIVACY = _object(
    {
        # Nothing accounts for epsilon yet: a number here would be a claim nobody checked.
        "epsilon": _map({"type": "null"}),
        "epsilon_note": _TEXT,
        "delta": {"type": "null"},
        "audit": {"type": "object"},
        "audit_note": _TEXT,
        "accepted_single_partner": {"type": "boolean"},
        "cipher": _TEXT,
        "cipher_caveat": _TEXT,
        "exposure": _list(_EXPOSURE, at_least=1),
    }
)

_COMPARISON = _object(
    {
        "users": _COUNT,
        "systems": _map(_map(_INTERVAL)),
        "lists": _map(_map(_NUMBER)),
        "lift": _map(_map(_RELATIVE)),
    },
    {"best_channel": _TEXT},
)
_CHANNELS = _object(
    {
        "comparisons": _map(_COMPARISON),
        "fitting_users": _map(_COUNT),
        "weights": _list(_map(_map(_map(_NUMBER)))),
    },
    {
        "new_songs": _object(
            {"songs": _COUNT, "random": _map(_NUMBER), "times_random": _map(_AMOUNT)}
        )
    },
)

SCHEMA: Json = {
    "title": "fedrecall lift report",
    **_object(
        {
            "version": {"enum": [1]},
            "data": _TEXT,
            "profile": {"enum": ["strict", "sealed", "frozen", "plain"]},
            "runtime": _TEXT,
            "model": _TEXT,
            "seeds": _list(_COUNT, at_least=1),
            "users": _object({"warm": _COUNT, "cold": _COUNT}),
            "items": _COUNT,
            "partners": _list(_TEXT, at_least=1),
            "systems": {
                **_object({"popularity": _map(_INTERVAL), "federated": _map(_INTERVAL)}),
                "additionalProperties": _map(_INTERVAL),
            },
            "lift": _map(_map(_RELATIVE)),
            "retained_lift": _map(_MAYBE),
            "cost": _COST,
            "privacy": _PRIVACY,
            "headline": _object(
                {
                    "metric": _TEXT,
                    "sentence": _TEXT,
                    "verdict": {"enum": ["up", "down", "unclear"]},
                }
            ),
            "retained_lift_intervals": _map(
                _object({"mean": _MAYBE, "low": _MAYBE, "high": _MAYBE}, {"reason": _TEXT})
            ),
            "lists": _map(_map(_NUMBER)),
            "cohorts": _map(_map(_COHORT)),
            "curves": _map(_list(_object({"seed": _COUNT, "epochs": _list(_EPOCH)}))),
            "splits": _list(_SPLIT, at_least=1),
            "bootstrap": _object({"samples": _COUNT, "seed": _COUNT, "people": _COUNT}),
            "item_noun": _TEXT,
            "configuration": _map(_SETTING),
            "command": _TEXT,
            "notes": _list(_TEXT),
        },
        {"channels": _CHANNELS},
    ),
}

_TYPES: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "null": (type(None),),
}
_KNOWN = {
    "title", "type", "enum", "required", "properties", "additionalProperties", "items",
    "minItems", "minimum",
}  # fmt: skip


def check(value: object, schema: Json = SCHEMA, *, place: str = "report") -> None:
    """Compare a JSON value with a schema.

    Raises:
        ReportFormatError: they differ; the message names the first place where they do.
        ValueError: the schema uses a keyword this reader does not know.
    """
    if not schema.keys() <= _KNOWN:
        raise ValueError(f"unknown schema keywords {sorted(schema.keys() - _KNOWN)}")
    if "enum" in schema and value not in schema["enum"]:
        raise ReportFormatError(f"{place}: {value!r} is none of {schema['enum']}")
    if "type" in schema:
        _check_type(value, schema["type"], place=place)
    if isinstance(value, dict):
        _check_object(value, schema, place=place)
    elif isinstance(value, list):
        _check_list(value, schema, place=place)
    elif isinstance(value, (int, float)):
        _check_number(value, schema, place=place)


def read_report(path: Path) -> Json:
    """Read a report.json and check its format.

    Raises:
        ReportFormatError: it is missing, no JSON, or not in the format.
    """
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ReportFormatError(f"{path}: cannot be read as JSON ({error})") from error
    check(report, place=path.name)
    return dict(report)


def _check_type(value: object, wanted: str | list[str], *, place: str) -> None:
    names = [wanted] if isinstance(wanted, str) else wanted
    allowed = {kind for name in names for kind in _TYPES[name]}
    # type() and not isinstance: True is an int in Python, and no number in JSON.
    if type(value) not in allowed:
        raise ReportFormatError(f"{place}: {value!r} is no {' or '.join(names)}")


def _check_object(value: Json, schema: Json, *, place: str) -> None:
    missing = [key for key in schema.get("required", []) if key not in value]
    if missing:
        raise ReportFormatError(f"{place}: {', '.join(missing)} missing")
    known = schema.get("properties", {})
    for key, item in value.items():
        rule = known.get(key, schema.get("additionalProperties"))
        if rule is not None:
            check(item, rule, place=f"{place}.{key}")


def _check_list(value: list[object], schema: Json, *, place: str) -> None:
    if len(value) < schema.get("minItems", 0):
        raise ReportFormatError(f"{place}: fewer than {schema['minItems']} entries")
    for number, item in enumerate(value):
        check(item, schema.get("items", {}), place=f"{place}[{number}]")


def _check_number(value: float, schema: Json, *, place: str) -> None:
    if not math.isfinite(value):
        raise ReportFormatError(f"{place}: {value} is no JSON number")
    if value < schema.get("minimum", -math.inf):
        raise ReportFormatError(f"{place}: {value} is below {schema['minimum']}")
