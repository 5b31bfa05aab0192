"""Faults of a request: logged, and answered in the API's own words.

Faults that one line explains, such as a full disk or a lost database, are logged once a minute. Parameters
and fields that do not fit are answered with what was expected, what was received, and what to send.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DBAPIError, IntegrityError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match

from dahlia.dataset.decoding_memory import DecodingBusy
from dahlia.errors import DahliaError, ServiceError
from dahlia.http.paths import is_prediction
from dahlia.http.replies import REQUEST, no_such_route, refusal, reply, wrong_method
from dahlia.server.database.errors import DatabaseError
from dahlia.server.storage.backend import NotThere, StorageError

if TYPE_CHECKING:
    from fastapi import FastAPI
    from fastapi.routing import APIRoute
    from starlette.requests import Request

_BUSY_SECONDS = 5
_BETWEEN_LINES = 60.0
_DIGITS = re.compile(r"\d+")  # of bytes that are free, and the like
_MOST = 100  # texts that are told apart; what comes on top counts as one
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
_logger = logging.getLogger("dahlia.server")


def install(app: FastAPI) -> None:
    """Answer every fault of a request in the API's own words."""
    app.add_exception_handler(ServiceError, _service_error)
    app.add_exception_handler(RequestValidationError, _malformed)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(IntegrityError, _conflict)
    app.add_exception_handler(DahliaError, _own_error)
    app.add_exception_handler(Exception, _fault)


def log_refusal(what: str, error: ServiceError) -> None:
    """Log that a request was refused, with the cause where the server failed.

    Args:
        what: the request was for.
        error: why.
    """
    if is_known(error):
        KNOWN_FAULTS.log(f"Request {REQUEST.get()}, {what}", error)
        return
    failed = error.status >= 500
    _logger.log(
        logging.ERROR if failed else logging.INFO, "Request %s, %s: %d, %s. %s", REQUEST.get(), what,
        error.status, error.code, error, exc_info=error.__cause__ if failed else None,
    )  # fmt: skip


class KnownFaults:
    """Counts what is not logged, for the line that is.

    Args:
        logger: gets the lines.
        seconds: between two lines of one text.
        clock: seconds.
    """

    def __init__(
        self,
        logger: logging.Logger,
        seconds: float = _BETWEEN_LINES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._logger = logger
        self._seconds = seconds
        self._clock = clock
        self._logged: dict[str, float] = {}
        self._passed_over: dict[str, int] = {}
        self._lock = threading.Lock()

    def log(self, request: str, error: ServiceError) -> None:
        """Log a refusal, unless the same was logged within the last minute.

        Args:
            request: which it was, as a line begins.
            error: its text says why.
        """
        with self._lock:
            count = self._count(_DIGITS.sub("0", str(error)))
        if count is None:
            return
        more = f" ({count:,} more like it since the last line.)" if count else ""
        self._logger.error("%s: %d, %s. %s%s%s", request, error.status, error.code, error, _said(error), more)

    def _count(self, text: str) -> int | None:
        """How many were passed over since the last line; None where this one is passed over too."""
        now = self._clock()
        if text not in self._logged and len(self._logged) >= _MOST:
            self._forget(now)
            text = text if len(self._logged) < _MOST else ""
        if now - self._logged.get(text, -self._seconds) < self._seconds:
            self._passed_over[text] = self._passed_over.get(text, 0) + 1
            return None
        self._logged[text] = now
        return self._passed_over.pop(text, 0)

    def _forget(self, now: float) -> None:
        old = [text for text, moment in self._logged.items() if now - moment >= self._seconds]
        for text in old:
            del self._logged[text]
            self._passed_over.pop(text, None)


KNOWN_FAULTS = KnownFaults(_logger)


def is_known(error: ServiceError) -> bool:
    """Whether a line without a traceback says all there is to say."""
    cause = error.__cause__
    if isinstance(error, DatabaseError):
        return True
    if error.status != 503:
        return False
    known = isinstance(cause, StorageError | DecodingBusy) and not isinstance(cause, NotThere)
    return cause is None or known


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


def _service_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ServiceError)
    log_refusal(f"{request.method} {request.url.path}", error)
    return refusal(error)


def _malformed(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return _service_error(request, malformed(error.errors()))


def _conflict(request: Request, error: Exception) -> Response:
    _logger.info("Request %s: %s", REQUEST.get(), error)
    return _service_error(
        request,
        ServiceError(
            "Conflict",
            "Another request changed the same thing at the same time. Nothing was changed; ask again.",
        ),
    )


def _own_error(request: Request, error: Exception) -> Response:
    later = None
    if isinstance(error, DecodingBusy):
        later = _BUSY_SECONDS
    elif isinstance(error, StorageError) and not isinstance(error, NotThere):
        later = 2
    refused = ServiceError("ErrorUnknown", str(error), status=503 if later else 500, retry_after=later)
    refused.__cause__ = error
    return _service_error(request, refused)


def _fault(request: Request, error: Exception) -> Response:
    # Its traceback is logged by the server, which sees the error as well.
    text = f"The server failed; its log says why, at the request {REQUEST.get()}. Nothing was changed."
    return _service_error(request, ServiceError("ErrorUnknown", text))


def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 404:
        return wrong_method() if is_prediction(request.scope) else no_such_route()
    if error.status_code == 400:
        text = f"{error.detail}. Send JSON in UTF-8, or a form, see /docs for the expected format."
        return _service_error(request, ServiceError("BadRequestInvalid", text))
    headers = {"allow": ", ".join(_methods_of(request))} if error.status_code == 405 else {}
    return reply(
        {"statusCode": error.status_code, "message": str(error.detail)}, error.status_code, **headers
    )


def _methods_of(request: Request) -> list[str]:
    """The methods of a path; the router itself names those of the first operation alone."""
    routes: list[APIRoute] = request.app.state.operations
    found = [route for route in routes if route.matches(request.scope)[0] is not Match.NONE]
    # `/projects/import` is no project, although `/projects/{project_id}` matches it.
    same = [route.methods or () for route in found if route.path == found[0].path]
    return sorted({method for methods in same for method in methods})


def _said(error: ServiceError) -> str:
    """The words of the database's library, which tell more than a client is told."""
    cause = error.__cause__
    words = str(cause.orig).strip().splitlines() if isinstance(cause, DBAPIError) else []
    return f" [{words[0]}]" if words else ""


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
