"""What a client is told whose request brings no key that counts: where one belongs, never the key itself."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

if TYPE_CHECKING:
    from starlette.datastructures import Headers

KEY_HEADERS = ("prediction-key", "training-key", "ocp-apim-subscription-key")
_OTHER_HEADERS = (
    "authorization",
    "x-api-key",
    "api-key",
    "subscription-key",
    "x-prediction-key",
    "x-training-key",
)
_WORDS = ("key", "apikey", "predictionkey", "trainingkey", "subscriptionkey", "ocpapimsubscriptionkey")
_LONGEST_NAME = 80
_MOST = 20  # parameters of a query that are looked at


def keys_in(headers: Headers) -> list[str]:
    """The keys that a request brings, without the spaces and tabs around them (RFC 9110)."""
    return [headers[name].strip(" \t") for name in KEY_HEADERS if name in headers]


def access_denied(expected: str, headers: Headers, query: bytes = b"") -> str:
    """The text of a 401.

    Args:
        expected: the header that the route's clients use, such as `Prediction-Key`.
        headers: of the request.
        query: of the request, as it came.
    """
    denied = "Access denied due to an invalid or missing key."
    came = [name for name in KEY_HEADERS if headers.get(name)]
    other = [name for name in _OTHER_HEADERS if name in headers]
    if came:
        found = f"The key in the header {came[0].title()} is unknown, mistyped or revoked."
    elif _in_query(query):
        found = (
            "The query names a key, which is not read there, and which logs keep: take it out of the address."
        )
    elif other:
        found = f"The header {other[0].title()} is not read."
    else:
        found = "The request brings none."
    return f"{denied} {found} Send a valid key in the header {expected}."


def _in_query(query: bytes) -> bool:
    text = query[:4096].decode("latin-1")
    names = [name for name, _ in parse_qsl("&".join(text.split("&")[:_MOST]), keep_blank_values=True)]
    return any(names_a_key(name) for name in names)


def names_a_key(name: str) -> bool:
    """Whether a parameter is called like a key, such as `Prediction-Key` or `subscription_key`."""
    return "".join(filter(str.isalnum, name[:_LONGEST_NAME])).lower() in _WORDS
