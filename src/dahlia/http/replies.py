"""What is sent back, as the Custom Vision API words it: JSON, ids of requests, refusals.

A client whose request brings no key that counts is told where one belongs, never the key itself.
"""

from __future__ import annotations

import random
import uuid
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from starlette.datastructures import MutableHeaders
from starlette.responses import JSONResponse, Response

from dahlia.dataset.decoding_memory import DecodingBusy
from dahlia.errors import GatewayError, ImageError, ServiceError

if TYPE_CHECKING:
    from starlette.datastructures import Headers
    from starlette.types import Message, Send


REQUEST: ContextVar[str] = ContextVar("request", default="none")  # the id of the request under way

_CODES = {"zero-byte": "BadRequestImageStream", "decompression-bomb": "BadRequestImageDimensions"}
_NAMES_OF_V1 = {"tagName": "Tag", "originalImageUri": "ImageUri"}


def identified(send: Send) -> Send:
    """Give the request under way an id, which the headers of its answer carry."""
    identity = new_id()
    REQUEST.set(identity)

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["apim-request-id"] = headers["request-id"] = identity
            headers["x-content-type-options"] = "nosniff"
        await send(message)

    return sending


def new_id() -> str:
    """A random UUID, which is no secret.

    `uuid.uuid4` asks the system each time and lets other threads go first: at full load that took a tenth of
    the event loop's time.
    """
    return str(uuid.UUID(int=random.getrandbits(128), version=4))


def reply(content: object, status: int, version: str = "", **headers: str) -> Response:
    """JSON; for v1 of the API with the names that it had."""
    if version.startswith("v1."):
        content = in_words_of_v1(content)
    return JSONResponse(content, status, headers=headers, media_type="application/json; charset=utf-8")


def refusal(error: ServiceError, version: str = "") -> Response:
    """An error: flat `code` and `message`; of the gateway before the service: nested, with the status.

    Args:
        error: why the request is refused.
        version: of the prediction API; v1 has names of its own.
    """
    headers = closing(error)
    if error.retry_after:
        headers["retry-after"] = str(error.retry_after)
    content = {"code": error.code, "message": str(error)}
    if isinstance(error, GatewayError):
        return reply({"error": content}, error.status, **headers)
    return reply(content, error.status, version, **headers)


def closing(error: ServiceError) -> dict[str, str]:
    """The header that ends a connection on which the rest of a body would follow."""
    return {"connection": "close"} if error.unread else {}


def no_such_route() -> Response:
    """The answer to a path that the API does not have."""
    return reply({"statusCode": 404, "message": "Resource not found"}, 404)


def wrong_method() -> Response:
    """The answer to another method than POST on a path of predictions."""
    return reply({"statusCode": 405, "message": "Method Not Allowed"}, 405, allow="POST")


def refused_image(error: ImageError | DecodingBusy) -> ServiceError:
    """The service's error for an image that cannot be decoded, or not now."""
    if isinstance(error, DecodingBusy):
        return GatewayError(429, str(error), retry_after=1)
    return ServiceError(_CODES.get(error.code, "BadRequestImageFormat"), str(error), status=400)


def timestamp(moment: datetime) -> str:
    """UTC with `Z` and at most three fraction digits, trailing zeros cut: `2019-09-16T15:03:28.52Z`."""
    moment = moment.astimezone(UTC)
    fraction = f".{moment.microsecond // 1000:03d}".rstrip("0").rstrip(".")
    return f"{moment.year:04d}-{moment:%m-%dT%H:%M:%S}{fraction}Z"


def in_words_of_v1(content: object) -> object:
    """The names of v1: PascalCase, `Tag` for `tagName`, `ImageUri` for `originalImageUri`."""
    if isinstance(content, list):
        return [in_words_of_v1(one) for one in content]
    if isinstance(content, dict):
        return {
            _NAMES_OF_V1.get(name, name[0].upper() + name[1:]): in_words_of_v1(one)
            for name, one in content.items()
        }
    return content


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
