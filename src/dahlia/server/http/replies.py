"""Refusals as they go over the wire."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import IntegrityError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match

from dahlia.dataset.decoding_memory import DecodingBusy
from dahlia.errors import DahliaError
from dahlia.server.contract.errors import GatewayError, ServiceError
from dahlia.server.http.known_faults import KnownFaults, is_known
from dahlia.server.http.malformed import malformed
from dahlia.server.storage.errors import NotThere, StorageError
from dahlia.serving.http.paths import is_prediction
from dahlia.serving.http.replies import REQUEST, no_such_route, reply, wrong_method

if TYPE_CHECKING:
    from fastapi import FastAPI
    from fastapi.routing import APIRoute
    from starlette.requests import Request

_BUSY_SECONDS = 5

_logger = logging.getLogger("dahlia.server")

KNOWN_FAULTS = KnownFaults(_logger)


def refuse(error: ServiceError, version: str = "") -> Response:
    """A refusal: flat `code` and `message`, or nested where the gateway refuses.

    Args:
        error: why.
        version: of the prediction API; v1 has names of its own.
    """
    headers = {"retry-after": str(error.retry_after)} if error.retry_after else {}
    if isinstance(error, GatewayError):
        return reply({"error": {"code": str(error.status), "message": str(error)}}, error.status, **headers)
    return reply({"code": error.code, "message": str(error)}, error.status, version, **headers)


def install(app: FastAPI) -> None:
    """Answer every fault of a request in the API's own words."""
    app.add_exception_handler(ServiceError, _service_error)
    app.add_exception_handler(RequestValidationError, _malformed)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(IntegrityError, _conflict)
    app.add_exception_handler(DahliaError, _own_error)
    app.add_exception_handler(Exception, _fault)


def _service_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ServiceError)
    if is_known(error):
        KNOWN_FAULTS.log(f"Request {REQUEST.get()}, {request.method} {request.url.path}", error)
        return refuse(error)
    level = logging.ERROR if error.status >= 500 else logging.INFO
    _logger.log(
        level, "Request %s, %s %s: %d, %s. %s", REQUEST.get(), request.method, request.url.path, error.status,
        error.code, error, exc_info=error.__cause__ if error.status >= 500 else None,
    )  # fmt: skip
    return refuse(error)


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
    later: dict[str, int] = {}
    if isinstance(error, DecodingBusy):
        later = {"status": 503, "retry_after": _BUSY_SECONDS}
    elif isinstance(error, StorageError) and not isinstance(error, NotThere):
        later = {"status": 503, "retry_after": 2}
    refusal = ServiceError("ErrorUnknown", str(error), **later)
    refusal.__cause__ = error
    return _service_error(request, refusal)


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
