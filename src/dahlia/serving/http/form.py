"""The forms of `/predict` and `/predict_batch`: read once, and written anew for BentoML.

BentoML reads a form by rules of its own. It fetches the address that stands where a file should be, decodes
the names of fields as the client bids it, and takes texts for JSON. So it sees only forms that were read and
written here.
"""

from __future__ import annotations

import json
import uuid

from dahlia.errors import ServingError
from dahlia.serving.http.body import Part, as_text, image_among, is_multipart, parts_of

_TEXTS = ("name", "project")  # what BentoML is to see besides files


def read_form(body: bytes, content_type: str, field: str) -> list[Part]:
    """The parts of a form with at least one file.

    Args:
        body: the whole body.
        content_type: the request's header.
        field: the name of the field with the file, in any case.

    Raises:
        ServingError: it is no form, has no such field, or the field holds something else than files.
    """
    if not is_multipart(content_type):
        raise ServingError(
            f"Expected multipart/form-data with the file in the field {field}, received {content_type!r}.",
            code="UnsupportedMediaType",
            status=415,
        )
    parts = parts_of(body, content_type)
    image_among(parts, field, as_file=True)
    return parts


def texts_of(parts: list[Part]) -> dict[str, str]:
    """The texts of a form, by their names; of several with one name the last."""
    texts = {part.name: _text(part) for part in parts if not part.is_file}
    return {name: text for name, text in texts.items() if text is not None}


def write_form(parts: list[Part], field: str) -> tuple[bytes, str]:
    """A form with the files of one field, and the texts that BentoML asks for.

    Returns:
        The body and its content type.
    """
    boundary = uuid.uuid4().hex
    texts = texts_of(parts)
    pieces = [_head(boundary, name) + json.dumps(texts[name]).encode() for name in _TEXTS if name in texts]
    for part in parts:
        if part.is_file and part.name.lower() == field:
            pieces.append(_head(boundary, f'{field}"; filename="{field}') + part.data)
    end = f"\r\n--{boundary}--\r\n".encode()
    return b"\r\n".join(pieces) + end, f"multipart/form-data; boundary={boundary}"


def _head(boundary: str, name: str) -> bytes:
    return f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'.encode()


def _text(part: Part) -> str | None:
    """The text; BentoML's own client sends it as JSON, and null for none."""
    text = as_text(part.data)
    try:
        given = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return given if given is None or isinstance(given, str) else text
