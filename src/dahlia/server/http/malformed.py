"""What is wrong with a parameter or a field, in the client's words: expected, received, what to send."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dahlia.errors import ServiceError

_SHOWN = 40  # characters of what was received
_HUGE = 1e15  # numbers from here on are not shown: whole ones may have thousands of digits
_ADVICE = "Send it as the page at /docs describes the operation."
_NUMBER, _WHOLE, _MOMENT = "a number", "a whole number", "a date and time such as 2026-01-31T12:00:00Z"
_EXPECTED = {
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "bytes_type": "a text",
    "date_from_datetime_parsing": _MOMENT,
    "dict_type": "an object",
    "finite_number": "a finite number",
    "float_parsing": _NUMBER,
    "float_type": _NUMBER,
    "int_from_float": _WHOLE,
    "int_parsing": _WHOLE,
    "int_parsing_size": "a smaller whole number",
    "int_type": _WHOLE,
    "list_type": "a list",
    "mapping_type": "an object",
    "model_attributes_type": "an object",
    "model_type": "an object",
    "recursion_loop": "a value that does not contain itself",
    "string_sub_type": "a text",
    "string_type": "a text",
    "string_unicode": "a text of whole Unicode characters",
    "tuple_type": "a list",
}
_WITH_CONTEXT = {
    "enum": "one of {expected}",
    "greater_than": "more than {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "less than {lt}",
    "less_than_equal": "at most {le}",
    "literal_error": "one of {expected}",
    "string_too_long": "at most {max_length} characters",
    "string_too_short": "at least {min_length} characters",
    "too_long": "at most {max_length} items",
    "too_short": "at least {min_length} items",
}


def malformed(errors: Sequence[Mapping[str, Any]]) -> ServiceError:
    """The refusal of a request that does not fit its operation.

    Args:
        errors: as pydantic lists them, at least one; the first is told.
    """
    error = errors[0]
    place, kind = _place(error["loc"]), str(error["type"])
    if kind == "missing":
        where = " in the query" if error["loc"][0] == "query" else ""
        text = f"Expected {place}{where}, received none. {_ADVICE}"
        return ServiceError("BadRequestRequiredParamIsNull", text)
    if kind == "json_invalid":
        reason = str(error["msg"]).removeprefix("Invalid JSON: ")
        text = f"Expected JSON, received a body that is not JSON ({reason}). Let a JSON library write it."
        return ServiceError("BadRequestInvalid", text)
    context: Mapping[str, Any] = error.get("ctx") or {}
    if kind == "value_error":
        reason = str(error["msg"]).removeprefix("Value error, ")
        return ServiceError("BadRequestInvalid", f"In {place}: {reason}. {_ADVICE}")
    text = f"Expected {place} to be {_expected(kind, context)}, received {_received(error)}. {_ADVICE}"
    return ServiceError("BadRequestInvalid", text)


def _expected(kind: str, context: Mapping[str, Any]) -> str:
    if kind in _WITH_CONTEXT:
        return _WITH_CONTEXT[kind].format_map(context)
    if kind.startswith("datetime"):
        return _MOMENT
    return _EXPECTED.get(kind, "of another kind")


def _place(location: Sequence[str | int]) -> str:
    """The path of a field or parameter as clients write it, such as `images[0].url`."""
    where, *parts = location
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts).removeprefix(".")
    if where == "body":
        return f"{path[:200]} in the body" if path else "the body"
    return f"the parameter {path[:200]}"


def _received(error: Mapping[str, Any]) -> str:
    if "input" not in error:
        return "something else"
    given = error["input"]
    if given is None:
        return "null" if error["loc"][0] == "body" else "an empty value"
    if isinstance(given, bool):
        return str(given).lower()
    if isinstance(given, Mapping):
        return "an object"
    if isinstance(given, list | tuple):
        return "a list"
    if isinstance(given, str):
        return repr(given[:_SHOWN]) + (" and more" if len(given) > _SHOWN else "")
    if isinstance(given, int | float):
        return f"{given:g}" if abs(given) < _HUGE else "a huge number"
    return "something else"
