"""Large bodies in JSON, which their operations read themselves: base64 of many images may be in them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, TypeVar

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError

from dahlia.server.api.long_texts import LongTexts
from dahlia.server.contract.errors import ServiceError
from dahlia.server.contract.fitting import fitted
from dahlia.server.predictions.errors import translated_refusals
from dahlia.serving.http.documents import Document, read_document, utf8
from dahlia.serving.http.form_images import TO_IMAGES, refuse_image

MAX_MARKS = 250_000  # twice those of 64 images with 300 regions each
_LOOSE = 4 * 1024 * 1024  # bytes of JSON that are read once more where it is not strict

_Body = TypeVar("_Body", bound=BaseModel)


def parsed(model: type[_Body], body: bytes, content_type: str = "") -> tuple[_Body, LongTexts]:
    """A body in JSON, however large; in XML or a form where it is not.

    Args:
        model: what it is to hold. Its texts may be long in fields alone that have `repr=False`.
        body: the whole body.
        content_type: the request's header.

    Returns:
        What it holds, and what reads those fields: a long text has a placeholder in its place.

    Raises:
        RequestValidationError: it is something else.
        ServiceError: it has more parts than any batch, or is none of these.
    """
    with translated_refusals():
        refuse_image(body, content_type, TO_IMAGES, "JSON with images in base64")
        texts = LongTexts(utf8(body))
        content = _content(model, texts.rest, content_type)
    texts.refuse_in(repr(content))
    return content, texts


def _content(model: type[_Body], body: bytes, content_type: str) -> _Body:
    # Base64 has none of these. Each may cost a kilobyte once it is parsed, and found wrong.
    if sum(body.count(mark) for mark in (b"{", b"[", b",", b"<")) > MAX_MARKS:
        raise ServiceError(
            "BadRequestExceededBatchSize",
            f"Expected a body with at most {MAX_MARKS:,} brackets and commas, received more. Send it in "
            "several calls.",
        )
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False)
    if found[0]["type"] == "json_invalid" and (len(body) <= _LOOSE or body.lstrip()[:1] == b"<"):
        return _loosely_parsed(model, read_document(body, content_type))
    raise _invalid(found)


def _loosely_parsed(model: type[_Body], document: Document) -> _Body:
    content = document.content if document.typed else fitted(model, document.content)
    try:
        return model.model_validate_json(json.dumps(content))
    except ValidationError as error:
        raise _invalid(error.errors(include_url=False, include_context=False)) from None


def _invalid(found: Sequence[Any]) -> RequestValidationError:
    return RequestValidationError([{**one, "loc": ("body", *one["loc"])} for one in found])


def json_body(model: type[BaseModel]) -> dict[str, Any]:
    """How the API's page describes a body that `parsed` reads."""
    schema = model.model_json_schema(by_alias=True)
    definitions = schema.pop("$defs", {})
    content = {"application/json": {"schema": _inlined(schema, definitions)}}
    return {"requestBody": {"required": True, "content": content}}


def _inlined(schema: Any, definitions: dict[str, Any]) -> Any:
    if isinstance(schema, list):
        return [_inlined(part, definitions) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _inlined(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    return {name: _inlined(part, definitions) for name, part in schema.items()}
