"""The images in the body of an upload."""

from __future__ import annotations

from python_multipart.multipart import parse_options_header

from dahlia.errors import ServingError
from dahlia.server.contract.errors import ServiceError
from dahlia.serving.http.body import is_multipart, parts_of

FIELD = "imageData"


def read_image_parts(content_type: str, body: bytes) -> list[bytes]:
    """The images of a request: all fields `imageData` of a form, or else the body itself.

    SDKs send fields with and without file names and content types; neither counts. Names count in any case.

    Args:
        content_type: the request's header; empty where it has none.
        body: the whole body.

    Returns:
        At least one; empty ones included, so that their places tell which they are.

    Raises:
        ServiceError: the form cannot be parsed, has too many parts or no such field, or the body is empty.
    """
    if not is_multipart(content_type):
        if not body:
            raise _no_image("an empty body")
        return [body]
    _check_end(body, content_type)
    try:
        parts = parts_of(body, content_type)
    except ServingError as error:
        raise ServiceError(error.code, str(error), status=error.status) from error
    images = [part.data for part in parts if part.name.lower() == FIELD.lower()]
    if not images:
        raise _no_image(f"a form with {_names([part.name for part in parts])}")
    return images


def _check_end(body: bytes, content_type: str) -> None:
    boundary = parse_options_header(content_type)[1].get(b"boundary", b"")
    end = b"--" + boundary + b"--"
    if not body[-len(end) - 4 :].rstrip().endswith(end):
        raise ServiceError(
            "BadRequestImageStream",
            "Expected a whole multipart body, received one that stops before its last boundary, or misnames "
            "it. Let an HTTP library write it, as `curl --form` does, and send it again.",
        )


def _names(names: list[str]) -> str:
    return f"the fields {', '.join(repr(name[:40]) for name in names[:5])}" if names else "no field"


def _no_image(received: str) -> ServiceError:
    return ServiceError(
        "BadRequestImageStream",
        f"Expected images in the multipart field {FIELD}, or one as the body itself; received {received}. "
        "Send the bytes of JPEG, PNG, BMP or GIF files.",
    )
