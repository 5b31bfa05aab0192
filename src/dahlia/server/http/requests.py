"""Requests in one form: an operation sees each parameter once and its body as JSON, however they came.

XML and forms tell neither one from several nor a text from nothing: they take the shape of the body's model.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from types import NoneType
from typing import Annotated, Any, get_args, get_origin
from urllib.parse import urlencode

from fastapi import Request
from fastapi.dependencies.models import Dependant
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.types import Scope

from dahlia.errors import ServiceError
from dahlia.http.body import refuse_compressed, with_body
from dahlia.http.documents import MalformedDocument, read_document
from dahlia.http.form_images import TO_IMAGE, TO_IMAGES, refuse_image
from dahlia.http.parameters import items_of, names_of, plain_name, read_query
from dahlia.server.contract.bodies import ImageUrl, ImageUrlBatch

REFUSAL = "refusal"
"""The name in a request's state of a ServiceError that is raised once its key has been checked."""
SENT_QUERY = "sent_query"
"""The name in a request's state of its query as it came, in which a key may be that belongs into a header."""
_AT_ONCE = 16 * 1024  # bytes of a body that are read within a millisecond or two, on the loop
_PLACEHOLDER = b"{body}"  # what the samples of the original's console send where there is no body
_IMAGES = {ImageUrl: TO_IMAGE, ImageUrlBatch: TO_IMAGES}  # where images belong that are sent for addresses
_JSON = "application/json"


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
        if form.body is not None or (not form.streamed and (form.scalars or form.lists)):
            beside, body = await _read(await _body_of(request), request.headers.get("content-type", ""), form)
            found = merged(found, beside, form.scalars)
            scope, receive = with_body(scope, receive, body, _JSON)
        scope["query_string"] = urlencode(found, doseq=True).encode()
    except ServiceError as error:
        error.unread = False  # the connection goes on: what is left of the body is taken after the answer
        scope["state"][REFUSAL] = error
        scope["query_string"] = b""
        scope, receive = with_body(scope, request.receive, b"", _JSON)
    return Request(scope, receive)


def parts_of(sent: bytes, content_type: str, form: Form) -> tuple[dict[str, list[str]], bytes]:
    """What a client put into the body: parameters of the query, and the operation's body in JSON.

    Args:
        sent: the body as it came.
        content_type: the request's header.
        form: what the operation takes.

    Raises:
        ServiceError: the operation takes a body, and this is none.
    """
    if sent.strip() == _PLACEHOLDER and (form.body is None or form.optional):
        return {}, b""
    if form.body in _IMAGES:
        refuse_image(sent, content_type, _IMAGES[form.body])
    try:
        document = read_document(sent, content_type)
    except MalformedDocument:
        if form.body is None or (form.optional and sent.lstrip()[:1] not in (b"{", b"[", b"<")):
            return {}, b""
        raise
    content, parameters = document.content, _parameters_in(document.content, form)
    if form.body is not None and not document.typed:
        content = fitted(form.body, content)
    if form.body is None or content is None or (form.optional and isinstance(content, str)):
        return parameters, b""
    return parameters, json.dumps(content).encode()


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


def fitted(kind: Any, tree: Any) -> Any:
    """What a model takes in place of what XML or a form held.

    A list is elements that are repeated, or one element around its items, as .NET's data contracts write it,
    or numbered fields; a dictionary is elements by their names, or elements with a key and a value.

    Args:
        kind: the model, or the annotation of a field.
        tree: dictionaries, lists, texts and None, as `read_document` gives them.
    """
    kind = _present(kind)
    origin = get_origin(kind)
    if origin is Annotated:
        return fitted(get_args(kind)[0], tree)
    if kind in (float, int) and isinstance(tree, str):
        return _number(tree)
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return _model(kind, tree)
    if origin in (tuple, list):
        item = get_args(kind)[0]
        return [fitted(item, one) for one in _items(tree, item)]
    if origin is dict:
        return _entries(tree)
    return None if tree == "" and kind is not str else tree


def _number(text: str) -> Any:
    """What a text says as a number; None where it is empty, and the text itself where it is none."""
    for kind in (int, float):
        with suppress(ValueError, OverflowError):
            number = kind(text)
            return number if math.isfinite(number) else text
    return text or None


async def _read(sent: bytes, content_type: str, form: Form) -> tuple[dict[str, list[str]], bytes]:
    if len(sent) <= _AT_ONCE:
        return parts_of(sent, content_type, form)
    return await run_in_threadpool(parts_of, sent, content_type, form)


async def _body_of(request: Request) -> bytes:
    try:
        return await request.body()
    except ClientDisconnect:
        raise ServiceError("BadRequestInvalid", "The client went away before its body had come.") from None


def _parameters_in(content: Any, form: Form) -> dict[str, list[str]]:
    """The parameters of the query among the fields of a body, where they mean nothing else."""
    own = _fields_of(form.body)
    if own is None or not isinstance(content, dict):
        return {}
    names = names_of(form.scalars, form.lists)
    found: dict[str, list[str]] = {}
    for written, value in content.items():
        name = names.match(written)
        if name and plain_name(written) not in own and (texts := _texts(value, is_list=name in form.lists)):
            found.setdefault(name, []).extend(texts)
    return found


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


def _query_fields(dependant: Dependant) -> Iterator[Any]:
    yield from dependant.query_params
    for other in dependant.dependencies:
        yield from _query_fields(other)


def _is_list(kind: Any) -> bool:
    return any(get_origin(one) is list for one in (kind, *get_args(kind)))


def _present(kind: Any) -> Any:
    """An annotation without None."""
    others = [one for one in get_args(kind) if one is not NoneType]
    return others[0] if len(others) == 1 and NoneType in get_args(kind) else kind


def _model(kind: type[BaseModel], tree: Any) -> Any:
    if not isinstance(tree, dict):
        return tree or {}
    fields = _fields(kind)
    return {
        name: fitted(fields[name.lower()], value) if name.lower() in fields else value
        for name, value in tree.items()
    }


def _fields(kind: type[BaseModel]) -> dict[str, Any]:
    return {(field.alias or name).lower(): field.annotation for name, field in kind.model_fields.items()}


def _items(tree: Any, item: Any) -> list[Any]:
    if not tree:
        return []
    if isinstance(tree, list):
        return tree
    if not isinstance(tree, dict) or _is_one(tree, item):
        return [tree]
    if all(name.isdecimal() for name in tree):
        return [tree[name] for name in sorted(tree, key=lambda name: (len(name), name))]
    return [one for value in tree.values() for one in (value if isinstance(value, list) else [value])]


def _is_one(tree: dict[str, Any], item: Any) -> bool:
    is_model = isinstance(item, type) and issubclass(item, BaseModel)
    return is_model and not _fields(item).keys().isdisjoint(name.lower() for name in tree)


def _entries(tree: Any) -> Any:
    if not isinstance(tree, dict):
        return tree or {}
    pairs = [
        {name.lower(): value for name, value in one.items()}
        for name, value in tree.items()
        if name.startswith("KeyValue")
        for one in (value if isinstance(value, list) else [value])
        if isinstance(one, dict)
    ]
    return {str(pair.get("key")): pair.get("value") for pair in pairs} if pairs else tree
