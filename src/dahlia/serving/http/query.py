"""The query of a request: each parameter once, and lists in every form that clients have for them."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from dahlia.errors import ServingError
from dahlia.serving.http.names import names_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from starlette.types import Scope

_PREDICTION = ("application", "iterationId", "explain", "store")
_FALSE = ("false", "0", "no", "off")
_AROUND_ITEMS = " \t[]\"'"  # what is left of a list that was turned into text


def query_of(scope: Scope) -> dict[str, str]:
    """The parameters of a prediction, by their names in camelCase.

    Raises:
        ServingError: one is there twice, or is not UTF-8.
    """
    found = read_query(scope.get("query_string", b""), _PREDICTION)
    return {name: values[0] for name, values in found.items()}


def check_prediction(query: Mapping[str, str], *, named: bool, stored: bool) -> None:
    """Let parameters pass that a prediction can follow.

    Args:
        query: as `query_of` gives it.
        named: whether the path names what is published.
        stored: whether image and answer would be stored.

    Raises:
        ServingError: the query names another iteration, or wants nothing stored.
    """
    if named and "iterationId" in query:
        raise _refusal(
            "Expected the iteration by its publish name in the path, received iterationId as well, which is "
            "for versions 1 and 2. Omit it, or publish that iteration and put its name into the path."
        )
    if stored and query.get("store", "").strip().lower() in _FALSE:
        raise _refusal(
            "Expected /nostore at the end of the path where nothing is to be stored, received the parameter "
            "store. POST to .../image/nostore or .../url/nostore."
        )


def read_query(
    query: bytes, scalars: Collection[str], lists: Collection[str] = (), required: Collection[str] = ()
) -> dict[str, list[str]]:
    """The parameters that an operation has; others are left out, and so are empty ones.

    Names match as `plain_name` has them. A list may be repeated (`ids=a&ids=b`), comma-joined (`ids=a,b`),
    numbered (`ids[]=a`, `ids[0]=a`), or all of these.

    Args:
        query: as it was sent.
        scalars: names of parameters that have one value.
        lists: names of parameters that have several.
        required: names of parameters that are kept although they are empty, since operations have errors of
            their own for these.

    Raises:
        ServingError: a scalar is there twice, a value is not UTF-8, or a name was mistaken for another.
    """
    names = names_of(tuple(scalars), tuple(lists))
    found: dict[str, list[str]] = {}
    unknown: list[str] = []
    for pair in query.split(b"&"):
        written, _, value = pair.partition(b"=")
        label = _unquoted(written).decode("utf-8", "replace")
        name = names.match(label)
        if name is None:
            unknown += [label] if value else []
            continue
        text = _text(name, value)
        values = items_of(text) if name in lists else [text] if text else []
        if values or name in required:
            found.setdefault(name, []).extend(values)
    names.refuse_close(unknown, found, "parameters")
    for name, values in found.items():
        if name in scalars and len(values) > 1:
            raise _refusal(
                f"Expected the parameter {name} once, received it {len(values)} times. Send one value."
            )
    return {name: values or [""] for name, values in found.items()}


def items_of(text: str) -> list[str]:
    """The items of a list that is one text, such as `a,b` or `["a", "b"]`."""
    items = (item.strip(_AROUND_ITEMS) for item in text.split(","))
    return [item for item in items if item]


def _text(name: str, value: bytes) -> str:
    try:
        return _unquoted(value).decode()
    except UnicodeDecodeError:
        raise _refusal(
            f"Expected the parameter {name} in UTF-8, percent-encoded; received bytes in another encoding. "
            "Let an HTTP library write the query."
        ) from None


def _unquoted(text: bytes) -> bytes:
    return unquote_to_bytes(text.replace(b"+", b" "))


def _refusal(text: str) -> ServingError:
    return ServingError(text, code="BadRequestInvalid", status=400)
