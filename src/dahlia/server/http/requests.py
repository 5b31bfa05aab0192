"""Requests in one form: an operation sees each parameter once and its body as JSON, however they came."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar, get_args, get_origin
from urllib.parse import urlencode

from fastapi import Request
from fastapi.dependencies.models import Dependant
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope

from dahlia.errors import ServingError
from dahlia.server.contract.bodies import ImageUrl, ImageUrlBatch
from dahlia.server.contract.errors import ServiceError
from dahlia.server.contract.fitting import fitted
from dahlia.serving.http.body import refuse_compressed
from dahlia.serving.http.documents import MalformedDocument, read_document
from dahlia.serving.http.form_images import TO_IMAGE, TO_IMAGES, refuse_image
from dahlia.serving.http.names import names_of, plain_name
from dahlia.serving.http.query import items_of, read_query

REFUSAL = "refusal"
"""The name in a request's state of a ServiceError that is raised once its key has been checked."""
SENT_QUERY = "sent_query"
"""The name in a request's state of its query as it came, in which a key may be that belongs into a header."""
_AT_ONCE = 16 * 1024  # bytes of a body that are read within a millisecond or two, on the loop
_PLACEHOLDER = b"{body}"  # what the samples of the original's console send where there is no body
_IMAGES = {ImageUrl: TO_IMAGE, ImageUrlBatch: TO_IMAGES}  # where images belong that are sent for addresses
_OF_THE_BODY = (b"content-type", b"content-length", b"transfer-encoding")

_Found = TypeVar("_Found")


@dataclass(frozen=True)
class Form:
    """What an operation takes.

    Attributes:
        scalars: names of the parameters in its query that have one value.
        lists: names of those that have several.
        required: names of those that may not be left out.
        body: the annotation of its body; None where it reads none, or reads it itself.
        optional: whether the body may be left out.
        streamed: whether the operation reads its body itself.
    """

    scalars: tuple[str, ...]
    lists: tuple[str, ...]
    required: tuple[str, ...]
    body: Any = None
    optional: bool = False
    streamed: bool = False

    @classmethod
    def of(cls, dependant: Dependant, *, streamed: bool = False) -> Form:
        """That of an operation, by its signature and those of its dependencies."""
        fields = {field.alias: field.field_info for field in _query_fields(dependant)}
        lists = tuple(name for name, field in fields.items() if _is_list(field.annotation))
        scalars = tuple(name for name in fields if name not in lists)
        required = tuple(name for name, field in fields.items() if field.is_required())
        if not dependant.body_params:
            return cls(scalars, lists, required, streamed=streamed)
        body = dependant.body_params[0].field_info
        return cls(scalars, lists, required, body.annotation, not body.is_required())


async def in_one_form(request: Request, form: Form) -> Request:
    """The request as the operation takes it; what cannot be read is noted in its state, under `REFUSAL`.

    Reading a body costs more than checking a key: do that first.
    """
    scope: Scope = {**request.scope, "state": {**request.scope.get("state", {})}}
    scope["state"][SENT_QUERY] = scope["query_string"]
    receive = request.receive
    try:
        refuse_compressed(request.headers)
        found = read_query(scope["query_string"], form.scalars, form.lists, form.required)
        content_type = request.headers.get("content-type", "")
        if not form.streamed and (form.scalars or form.lists):
            beside = await _read(parameters_in, await _body_of(request), content_type, form)
            found = merged(found, beside, form.scalars)
            receive = _replayed(b"", receive)
        scope["query_string"] = urlencode(found, doseq=True).encode()
        if form.body is not None:
            body = await _read(_as_json, await _body_of(request), content_type, form)
            scope["headers"] = _headers(scope, body)
            receive = _replayed(body, receive)
    except (ServingError, ServiceError) as error:
        scope["state"][REFUSAL] = ServiceError(error.code, str(error), status=error.status)
        scope["query_string"], scope["headers"] = b"", _headers(scope, b"")
        receive = _replayed(b"", request.receive)
    return Request(scope, receive)


async def _read(
    reader: Callable[[bytes, str, Form], _Found], body: bytes, content_type: str, form: Form
) -> _Found:
    if len(body) <= _AT_ONCE:
        return reader(body, content_type, form)
    return await run_in_threadpool(reader, body, content_type, form)


async def _body_of(request: Request) -> bytes:
    try:
        return await request.body()
    except ClientDisconnect:
        raise ServiceError("BadRequestInvalid", "The client went away before its body had come.") from None


def _as_json(body: bytes, content_type: str, form: Form) -> bytes:
    if form.optional and body.strip() == _PLACEHOLDER:
        return b""
    if form.body in _IMAGES:
        refuse_image(body, content_type, _IMAGES[form.body])
    try:
        document = read_document(body, content_type)
    except MalformedDocument:
        if form.optional and body.lstrip()[:1] not in (b"{", b"[", b"<"):
            return b""
        raise
    content = document.content if document.typed else fitted(form.body, document.content)
    if content is None or (form.optional and isinstance(content, str)):
        return b""
    return json.dumps(content).encode()


def parameters_in(body: bytes, content_type: str, form: Form) -> dict[str, list[str]]:
    """The parameters of the query that a client put into the body, where they mean nothing else."""
    own = _fields_of(form.body)
    if own is None or not body.strip() or body.strip() == _PLACEHOLDER:
        return {}
    try:
        content = read_document(body, content_type).content
    except MalformedDocument:
        return {}
    names = names_of(form.scalars, form.lists)
    found: dict[str, list[str]] = {}
    for written, value in content.items() if isinstance(content, dict) else ():
        name = names.match(written)
        if name and plain_name(written) not in own and (texts := _texts(value, is_list=name in form.lists)):
            found.setdefault(name, []).extend(texts)
    return found


def merged(
    query: dict[str, list[str]], body: dict[str, list[str]], scalars: Collection[str]
) -> dict[str, list[str]]:
    """The parameters of a query, and those of a body that it lacks.

    Raises:
        ServiceError: both have one, with different values.
    """
    for name, values in body.items():
        different = query.get(name, [""]) not in ([""], values)
        if different or (name in scalars and len(values) > 1):
            raise ServiceError(
                "BadRequestInvalid",
                f"Expected the parameter {name} once, received several values in query and body. Send one, "
                "in the query.",
            )
    return {**query, **body}


def _fields_of(kind: Any) -> frozenset[str] | None:
    """The names of a body's own fields; None where any name is one."""
    models = [
        one
        for one in (kind, *get_args(kind))
        if isinstance(one, type) and get_origin(one) is None and issubclass(one, BaseModel)
    ]
    if kind is not None and not models:
        return None
    return frozenset(
        plain_name(field.alias or name) for model in models for name, field in model.model_fields.items()
    )


def _texts(value: Any, *, is_list: bool) -> list[str]:
    """A value of JSON or a form as the texts of a query; none for null and objects."""
    values = value if isinstance(value, list) else [value]
    texts = [
        str(one).lower() if isinstance(one, bool) else str(one)
        for one in values
        if isinstance(one, str | int | float)
    ]
    if is_list:
        return [item for text in texts for item in items_of(text)]
    return [text for text in texts if text]


def _headers(scope: Scope, body: bytes) -> list[tuple[bytes, bytes]]:
    kept = [pair for pair in scope["headers"] if pair[0] not in _OF_THE_BODY]
    own = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    return kept + own


def _replayed(body: bytes, receive: Receive) -> Receive:
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return waiting.pop() if waiting else await receive()

    return again


def _query_fields(dependant: Dependant) -> Iterator[Any]:
    yield from dependant.query_params
    for other in dependant.dependencies:
        yield from _query_fields(other)


def _is_list(kind: Any) -> bool:
    return any(get_origin(one) is list for one in (kind, *get_args(kind)))
