"""The forms of `/predict` and `/predict_batch`: read once, and written again for BentoML.

BentoML reads a form by rules of its own. It fetches the address that stands where a file should be, decodes
the names of fields as the client bids it, and takes texts for JSON. So it sees only forms that were read and
written here.
"""

from __future__ import annotations

import json
import uuid

from dahlia.errors import ServiceError
from dahlia.http.body import MAX_IMAGE
from dahlia.http.form_images import Form, form_of
from dahlia.http.form_parts import read_parts

_TEXTS = ("name", "project")  # what BentoML is to see besides files


def read_form(body: bytes, content_type: str, field: str, *, several: bool = False) -> Form:
    """The images of a body, and the texts beside them.

    Args:
        body: the whole body.
        content_type: the request's header.
        field: the usual name of the field with the file, in any case.
        several: whether there may be more than one.

    Raises:
        ServiceError: it is no form, there is no image in it, or there are several and one is expected.
    """
    parts = read_parts(body, content_type)
    if parts is None:
        says_form = content_type.strip().lower().startswith("multipart/form-data")
        received = "a body that is no form" if says_form else repr(content_type)
        raise ServiceError(
            "BadRequestImageStream" if says_form else "UnsupportedMediaType",
            f"Expected multipart/form-data with the file in the field {field}, received {received}.",
            status=400 if says_form else 415,
        )
    form = form_of(parts, field)
    if not several:
        form.only_image(MAX_IMAGE, "Send the image itself.")
    return form


def texts_of(form: Form) -> dict[str, str]:
    """The texts of a form, by their names; of several with one name the last."""
    texts = {name: _text(text) for name, text in form.texts}
    return {name: text for name, text in texts.items() if text is not None}


def write_form(form: Form, field: str) -> tuple[bytes, str]:
    """A form with the images in one field, and the texts that BentoML asks for.

    Returns:
        The body and its content type.
    """
    boundary = uuid.uuid4().hex
    texts = texts_of(form)
    pieces = [_head(boundary, name) + json.dumps(texts[name]).encode() for name in _TEXTS if name in texts]
    pieces += [_head(boundary, f'{field}"; filename="{field}') + image for image in form.images]
    end = f"\r\n--{boundary}--\r\n".encode()
    return b"\r\n".join(pieces) + end, f"multipart/form-data; boundary={boundary}"


def _head(boundary: str, name: str) -> bytes:
    return f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'.encode()


def _text(text: str) -> str | None:
    """The text; BentoML's own client sends it as JSON, and null for none."""
    try:
        given = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return given if given is None or isinstance(given, str) else text
