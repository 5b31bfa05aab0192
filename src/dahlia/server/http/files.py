"""Files of the storage as answers."""

from __future__ import annotations

import logging
from pathlib import PurePosixPath

from fastapi import Request
from sqlalchemy import select
from starlette.responses import Response, StreamingResponse

from dahlia.errors import ServiceError
from dahlia.server.context import Server
from dahlia.server.database.tables import ImageRow
from dahlia.server.database.work_tables import PredictionRow
from dahlia.server.http.middleware import wants_no_body
from dahlia.server.images.validation import resized
from dahlia.server.storage.backend import NotThere, StorageError
from dahlia.server.storage.names import RESIZED, image_key, sha256_of_key

_TYPES = {
    ".jpg": "image/jpeg",
    ".png": "image/png",
    ".bmp": "image/bmp",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".zip": "application/zip",
    ".html": "text/html; charset=utf-8",
}
_REPORT = {
    # A report shows what users uploaded: it runs nothing, loads nothing, and is no part of this site.
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'; sandbox",
    "referrer-policy": "no-referrer",
}
_KINDS = {".zip": "an export", ".html": "a report"}
_DAY = 24 * 3600

_logger = logging.getLogger("dahlia.server")


def file_answer(server: Server, request: Request, key: str, media_type: str | None = None) -> Response:
    """A file, streamed; 304 where the client has it already. A scaled-down image is made on first use.

    Args:
        server: has the storage.
        request: what was asked.
        key: of the file.
        media_type: by the key's suffix where it is left out.

    Raises:
        ServiceError: there is no such file.
        StorageError: the storage cannot be used.
    """
    headers = _headers(key)
    if headers.get("etag") in _known_to(request):
        return Response(status_code=304, headers=headers)
    media_type = media_type or _TYPES.get(PurePosixPath(key).suffix, "application/octet-stream")
    size = server.storage.size(key)
    if size is None:
        return Response(_make(server, key), headers=headers, media_type=media_type)
    headers["content-length"] = str(size)
    if wants_no_body(request):
        return Response(headers=headers, media_type=media_type)
    try:
        return StreamingResponse(server.storage.stream(key), headers=headers, media_type=media_type)
    except NotThere:
        raise _missing(key) from None


def stored_bytes(server: Server, key: str, most: int) -> bytes | None:
    """A file of at most `most` bytes, made where it is a scaled-down image; None for a larger one.

    Raises:
        ServiceError: there is no such file.
        StorageError: the storage cannot be used.
    """
    size = server.storage.size(key)
    if size is None:
        made = _make(server, key)
        return made if len(made) <= most else None
    try:
        return server.storage.get(key) if size <= most else None
    except NotThere:
        raise _missing(key) from None


def _headers(key: str) -> dict[str, str]:
    name = PurePosixPath(key).name
    content = sha256_of_key(key)
    if content:
        # Named by its content: it never changes, and its address is valid for about a day.
        return {"etag": f'"{content}"', "cache-control": f"private, max-age={_DAY}, immutable"}
    headers = {"cache-control": "private, no-store"}
    if name.endswith(".html"):
        headers |= _REPORT
    if name.endswith(".zip"):
        plain = name.replace('"', "").encode("ascii", "replace").decode()
        headers["content-disposition"] = f'attachment; filename="{plain}"'
    return headers


def _known_to(request: Request) -> set[str]:
    given = request.headers.get("if-none-match", "")
    return {part.strip().removeprefix("W/") for part in given.split(",") if part.strip()}


def _make(server: Server, key: str) -> bytes:
    """Scale an image down, and store it where that can be done."""
    content = sha256_of_key(key)
    if not content or not key.startswith(f"{RESIZED}/"):
        raise _missing(key)
    with server.database.read() as session:
        suffix = session.scalar(select(ImageRow.suffix).where(ImageRow.sha256 == content).limit(1))
        suffix = suffix or session.scalar(
            select(PredictionRow.suffix).where(PredictionRow.sha256 == content).limit(1)
        )
    if suffix is None:
        raise _missing(key)
    try:
        small = resized(server.storage.get(image_key(content, suffix)))
    except NotThere:
        raise _missing(key) from None
    try:
        server.storage.put(key, small)
    except StorageError as error:
        _logger.warning("A scaled-down image is answered and not kept. %s", error)
    return small


def _missing(key: str) -> ServiceError:
    kind = _KINDS.get(PurePosixPath(key).suffix, "an image")
    return ServiceError(
        "NotFoundImage" if kind == "an image" else "NotFound",
        f"Expected the file of {kind} that is still here, and it was deleted. Ask for {kind} again.",
    )
