"""Which file of the storage a client means, and whether it is its project's."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from dahlia.errors import ServiceError
from dahlia.server.database.tables import ImageRow, ProjectRow
from dahlia.server.database.work_tables import ExportRow, IterationRow, PredictionRow
from dahlia.server.http.middleware import FILES
from dahlia.server.storage.names import image_key, resized_key, sha256_of_key, thumbnail_key

_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
# As the original names an image's files within its storage: `/i-<project>/i-<image>`, `t-` for thumbnails.
_ORIGINALS = re.compile(rf"/?(?P<kind>[it])-(?P<project>{_UUID})/(?P=kind)-(?P<image>{_UUID})", re.IGNORECASE)


def artifact_key(session: Session, project: ProjectRow, path: str) -> str:
    """The key of a project's file.

    Args:
        session: to read.
        project: whose file it must be.
        path: an address from an answer, with or without host and signature; or `/i-<project>/i-<image>`.

    Raises:
        ServiceError: it names no file of the project.
    """
    key = _of_original(session, project, path) or _of_address(path)
    if not (_is_image(session, project, key) or _is_export(session, project, key)):
        raise ServiceError(
            "BadRequestInvalidArtifactUri",
            f"Expected the path of a file of this project, received {path[:200]!r}. Take it from an answer, "
            "such as an image's originalImageUri.",
        )
    return key


def _of_original(session: Session, project: ProjectRow, path: str) -> str:
    match = _ORIGINALS.fullmatch(path)
    if not match or match["project"].lower() != project.id:
        return ""
    image = session.scalar(
        select(ImageRow).where(ImageRow.id == match["image"].lower(), ImageRow.project_key == project.key)
    )
    if image is None:
        return ""
    if match["kind"] in "tT":
        return thumbnail_key(image.sha256)
    return image_key(image.sha256, image.suffix)


def _of_address(path: str) -> str:
    try:
        spelled = unquote(urlsplit(path).path)
    except ValueError:
        return ""
    return spelled.partition(FILES)[2] or spelled.lstrip("/")


def _is_image(session: Session, project: ProjectRow, key: str) -> bool:
    content = sha256_of_key(key)
    if not content:
        return False
    for table in (ImageRow, PredictionRow):
        suffix = session.scalar(
            select(table.suffix).where(table.project_key == project.key, table.sha256 == content).limit(1)
        )
        if suffix is not None:
            return key in (image_key(content, suffix), thumbnail_key(content), resized_key(content))
    return False


def _is_export(session: Session, project: ProjectRow, key: str) -> bool:
    known = exists().where(
        ExportRow.file_key == key,
        ExportRow.iteration_key == IterationRow.key,
        IterationRow.project_key == project.key,
    )
    return key.isprintable() and bool(session.scalar(select(known)))
