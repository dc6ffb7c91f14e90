"""What pydantic finds wrong with a file that people write, in their words: what stands there, and what may."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import Any

_YES_NO = "must be true or false (YAML also takes yes, no, on and off)"
_WHOLE = "must be a whole number, such as 3"
_NUMBER = "must be a number, with a point and without a unit, such as 0.02"
_LIST = "must be a list, such as [a, b]"
_BLOCK = "must be a block of keys, each with its value"
_DAY = "must be a day, written as 2026-12-31"

_MUST: Mapping[str, str] = {
    "bool_parsing": _YES_NO,
    "bool_type": _YES_NO,
    "int_parsing": _WHOLE,
    "int_type": _WHOLE,
    "int_from_float": _WHOLE,
    "int_parsing_size": _WHOLE,
    "float_parsing": _NUMBER,
    "float_type": _NUMBER,
    "finite_number": _NUMBER,
    "string_type": "must be text",
    "tuple_type": _LIST,
    "list_type": _LIST,
    "dict_type": _BLOCK,
    "mapping_type": _BLOCK,
    "model_type": _BLOCK,
    "model_attributes_type": _BLOCK,
    "date_type": _DAY,
    "date_parsing": _DAY,
    "date_from_datetime_parsing": _DAY,
    "date_from_datetime_inexact": _DAY,
}
"""By pydantic's name of the fault."""

_MUST_BY_BOUND: Mapping[str, str] = {
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be {le} or less",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be {ge} or more",
    "string_too_short": "must have {min_length} or more characters",
    "too_long": "must have {max_length} entries at most",
    "too_short": "must have {min_length} entries or more",
    "literal_error": "must be {expected}",
}


def plainly(fault: Mapping[str, Any]) -> str:
    """One of ``ValidationError.errors()`` without its place, as a sentence; as pydantic says it where we know none."""
    kind, context, given = fault["type"], fault.get("ctx", {}), fault.get("input")
    if kind == "missing":
        return "an entry is missing here" if isinstance(fault["loc"][-1], int) else "this key is required"
    if kind == "invalid_key":
        return f"a key must be text, not {_written(given)}: put it in quotes"
    if kind in _MUST_BY_BOUND:
        must = _MUST_BY_BOUND[kind].format(**{name: _short(value) for name, value in context.items()})
    elif kind in _MUST:
        must = _MUST[kind]
    else:
        return str(fault["msg"]).removeprefix("Value error, ")
    if given is None or given == "":
        return f"{must}, and nothing stands here"
    if isinstance(given, Mapping | list):
        return (
            must if kind in _MUST_BY_BOUND else f"{must}, not {'a block' if isinstance(given, Mapping) else 'a list'}"
        )
    return f"{must}, not {_written(given)}{_quotes(kind)}{_meant(given, context) if kind == 'literal_error' else ''}"


def _written(given: Any) -> str:
    """As in the file, where that can be told: YAML has made true of a yes."""
    if isinstance(given, bool):
        return str(given).lower()
    return repr(given[:40]) if isinstance(given, str) else str(given)


def _short(bound: Any) -> Any:
    return f"{bound:g}" if isinstance(bound, float) else bound


def _quotes(kind: str) -> str:
    """What stands in quotes is text, whatever it looks like."""
    return ": put it in quotes" if kind == "string_type" else ""


def _meant(given: Any, context: Mapping[str, Any]) -> str:
    """Pydantic lists what is allowed in a sentence, each in quotes."""
    allowed = {name.casefold(): name for name in re.findall(r"'([^']*)'", context["expected"])}
    near = difflib.get_close_matches(str(given).casefold(), allowed, n=1)
    return f"; did you mean '{allowed[near[0]]}'?" if near else ""
