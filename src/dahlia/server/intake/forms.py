"""The images in the body of an upload, and the texts beside them."""

from __future__ import annotations

from dahlia.errors import ServingError
from dahlia.server.contract.errors import ServiceError
from dahlia.serving.http.form_images import FIELD, TO_URL, Form, read_form

__all__ = ["FIELD", "TO_FILES", "read_images", "read_one_image"]

TO_FILES = "POST images in base64 to images/files in place of images, and addresses to images/urls."


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
    try:
        return read_form(body, content_type, otherwise=TO_FILES, lists=("tagIds",))
    except ServingError as error:
        raise ServiceError(error.code, str(error), status=error.status) from error


def read_one_image(content_type: str, body: bytes, most: int) -> bytes:
    """The one image of a quick test; see `read_images`.

    Args:
        content_type: the request's header; empty where it has none.
        body: the whole body.
        most: bytes that it may have.
    """
    try:
        form = read_form(body, content_type, otherwise=TO_URL)
        form.refuse_texts(("iterationId", "store", "application"))
        return form.only_image(most)
    except ServingError as error:
        raise ServiceError(error.code, str(error), status=error.status) from error
