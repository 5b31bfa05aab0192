"""Bodies with images, which their operations read themselves: JSON with base64, however large, and forms.

Long texts of JSON are kept from the parser, which would stop every other request meanwhile.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError

from dahlia.errors import ServiceError
from dahlia.http.documents import Document, read_document, utf8
from dahlia.http.form_images import TO_IMAGES, TO_URL, Form, read_form, refuse_image
from dahlia.server.http.requests import fitted

SMALL = 4 * 1024 * 1024  # bytes of a body that is parsed as it is
LONG = 4 * 1024  # bytes of a text that is kept from the parser
MAX_REST = 16 * 1024 * 1024  # bytes of what is left; 64 images with 300 regions each have 3 MB
MAX_DELIMITERS = 500_000  # quotes, or tags; those regions have 250,000
MAX_MARKS = 250_000  # twice those of 64 images with 300 regions each
_LOOSE = 4 * 1024 * 1024  # bytes of JSON that are read once more where it is not strict

_Body = TypeVar("_Body", bound=BaseModel)


TO_FILES = "POST images in base64 to images/files in place of images, and addresses to images/urls."


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
    refuse_image(body, content_type, TO_IMAGES, "JSON with images in base64")
    texts = LongTexts(utf8(body))
    content = _content(model, texts.rest, content_type)
    texts.refuse_in(repr(content))
    return content, texts


def json_body(model: type[BaseModel]) -> dict[str, Any]:
    """How the API's page describes a body that `parsed` reads."""
    schema = model.model_json_schema(by_alias=True)
    definitions = schema.pop("$defs", {})
    content = {"application/json": {"schema": _inlined(schema, definitions)}}
    return {"requestBody": {"required": True, "content": content}}


class LongTexts:
    """Takes the long texts out of a body in JSON or XML; the body itself is not copied.

    Args:
        body: the whole body in UTF-8. One that is small stays as it is.

    Attributes:
        rest: the body, with a placeholder in place of every long text.

    Raises:
        ServiceError: what is left is too large for a parser.
    """

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._token = secrets.token_hex(16)
        self._places: dict[str, tuple[int, int]] = {}
        self.rest = body if len(body) <= SMALL else self._without_long_texts()

    def read(self, text: str, most: int) -> str | None:
        """The text that a placeholder stands for, without escapes; any other text as it is.

        Args:
            text: from `rest`, parsed.
            most: bytes that a long text may have.

        Returns:
            None where the long text has more bytes.
        """
        start, end = self._places.get(text, (0, 0))
        if not end:
            return text
        if end - start > most:
            return None
        raw = self._body[start:end].decode("utf-8", "replace")
        if "\\" not in raw:
            return raw
        try:
            return str(json.loads(f'"{raw}"', strict=False))
        except ValueError:
            return raw  # the backslash is no base64 either

    def refuse_in(self, texts: str) -> None:
        """Let texts pass that hold no placeholder.

        Raises:
            ServiceError: they do; a text is long where none may be.
        """
        if self._token in texts:
            raise ServiceError(
                "BadRequestInvalid",
                f"Expected texts of at most {LONG:,} bytes beside the contents of images, received a longer "
                "one. Shorten it.",
            )

    def _without_long_texts(self) -> bytes:
        body, kept, size = memoryview(self._body), 0, 0
        pieces: list[bytes | memoryview] = []
        is_xml = self._body[:LONG].lstrip()[:1] == b"<"
        for start, end in _between_tags(self._body) if is_xml else _between_quotes(self._body):
            name = f"text {len(self._places)} {self._token}"
            self._places[name] = (start, end)
            pieces += [body[kept:start], name.encode()]
            size += start - kept
            kept = end
        if size + len(body) - kept > MAX_REST:
            raise _too_much(f"{MAX_REST // 1024 // 1024} MB beside the contents of images")
        return b"".join([*pieces, body[kept:]])


def read_images(content_type: str, body: bytes) -> Form:
    """The images of an upload.

    Args:
        content_type: the request's header; empty where it has none.
        body: the whole body.

    Returns:
        At least one; empty ones included, so that their places tell which they are.

    Raises:
        ServiceError: the form cannot be parsed or has too many parts, or there is no image.
    """
    return read_form(body, content_type, otherwise=TO_FILES, lists=("tagIds",))


def read_one_image(content_type: str, body: bytes, most: int) -> bytes:
    """The one image of a quick test; see `read_images`.

    Args:
        content_type: the request's header; empty where it has none.
        body: the whole body.
        most: bytes that it may have.
    """
    form = read_form(body, content_type, otherwise=TO_URL)
    form.refuse_texts(("iterationId", "store", "application"))
    return form.only_image(most)


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


def _inlined(schema: Any, definitions: dict[str, Any]) -> Any:
    if isinstance(schema, list):
        return [_inlined(part, definitions) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _inlined(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    return {name: _inlined(part, definitions) for name, part in schema.items()}


def _between_quotes(body: bytes) -> Iterator[tuple[int, int]]:
    start, at = 0, -1
    for _ in range(MAX_DELIMITERS):
        at = body.find(b'"', at + 1)
        if at < 0:
            return
        if not start:
            start = at + 1
        elif not _is_escaped(body, start, at):
            if at - start >= LONG:
                yield start, at
            start = 0
    raise _too_much(f"{MAX_DELIMITERS:,} quotes")


def _is_escaped(body: bytes, start: int, at: int) -> bool:
    """Whether an odd number of backslashes stands before a place."""
    run = 0
    while block := body[max(start, at - run - LONG) : at - run]:
        others = len(block.rstrip(b"\\"))
        run += len(block) - others
        if others:
            break
    return run % 2 == 1


def _between_tags(body: bytes) -> Iterator[tuple[int, int]]:
    tag = body.find(b"<")
    for _ in range(MAX_DELIMITERS):
        if tag < 0:
            return
        start, end = body.find(b">", tag, tag + LONG) + 1, body.find(b"<", tag + 1)
        if start and end - start >= LONG and body.find(b"&", start, end) < 0:
            yield start, end
        tag = end
    raise _too_much(f"{MAX_DELIMITERS:,} tags")


def _too_much(most: str) -> ServiceError:
    return ServiceError(
        "BadRequestExceededBatchSize",
        f"Expected a body with at most {most}, received more. Send it in several calls.",
    )
