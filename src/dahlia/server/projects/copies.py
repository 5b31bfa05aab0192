"""Offering a project to be copied by a signed token, and beginning a copy; `copying` makes it."""

from __future__ import annotations

import base64
import binascii
import uuid
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from dahlia.errors import ServiceError
from dahlia.server.context import Server
from dahlia.server.contract.enums import IterationStatus, ProjectStatus
from dahlia.server.contract.models import ProjectExport
from dahlia.server.database.changes import project_of, visible
from dahlia.server.database.tables import ImageRow, ProjectRow, RegionRow, TagRow
from dahlia.server.database.work_tables import IterationRow
from dahlia.server.jobs.job import JobKind
from dahlia.server.jobs.queue import enqueue
from dahlia.server.projects.choices import MAX_NAME, one_line
from dahlia.server.projects.projects import add_project
from dahlia.server.storage.links import Links

VALID = 24 * 3600
"""Seconds, as in the original."""

_COPIED = " (1)"
_FIRST_MS = 1000.0  # until a worker has looked for jobs
_IMAGE_MS = 0.15  # with its tags
_REGION_MS = 0.05
_ITERATION_MS = 250.0  # its files
_TRAINED = IterationRow.status == IterationStatus.COMPLETED
_PATH = "/copies/"  # signed paths of files begin otherwise, so that none of them is a token


@dataclass(frozen=True)
class Copy:
    """An order to copy a project.

    Attributes:
        source: id of the project that is copied.
        target: id of the project that is to hold the copy.
        epoch: of the source whose workspace is copied.
        revision: of the source then.
    """

    source: str
    target: str
    epoch: int
    revision: int

    def payload(self) -> dict[str, Any]:
        """As a job keeps it."""
        return asdict(self)

    def id_of(self, original: str) -> str:
        """The id that something of the source has in the copy."""
        return str(uuid.uuid5(uuid.UUID(self.target), original))


def offer_copy(session: Session, server: Server, project_id: str) -> ProjectExport:
    """What a copy of a project would hold, and the token with which this server makes one.

    The copy holds what the project holds when it is imported: what was deleted since the token was made does
    not come back.

    Raises:
        ServiceError: there is no such project.
    """
    project = project_of(session, project_id)
    iterations = _count(session, IterationRow.project_key == project.key, _TRAINED)
    images = _count(session, ImageRow.project_key == project.key, visible(ImageRow, None))
    tags = _count(session, TagRow.project_key == project.key, visible(TagRow, None))
    of_project = RegionRow.tag_key.in_(select(TagRow.key).where(TagRow.project_key == project.key))
    regions = _count(session, of_project, visible(RegionRow, None))
    estimate = _FIRST_MS + images * _IMAGE_MS + regions * _REGION_MS + iterations * _ITERATION_MS
    return ProjectExport(
        iteration_count=iterations,
        image_count=images,
        tag_count=tags,
        region_count=regions,
        estimatedImportTimeInMS=round(estimate),
        token=make_token(server.signing.copies, project.id, server.now()),
    )


def begin_copy(session: Session, server: Server, token: str, name: str | None) -> ProjectRow:
    """Make an empty project and a job that fills it from the one that a token names.

    The copy is of this moment: the original's epoch rises, so that the job sees what was there now. Only
    images that are deleted before their turn comes are not in it.

    Args:
        session: to write.
        server: made the token. Another server's tokens are no use here: what they name lies there.
        token: of `offer_copy`.
        name: of the copy; that of the original with ` (1)` where it is left out.

    Raises:
        ServiceError: the token cannot be used, the name is not allowed, or there are too many projects.
    """
    source = _source(session, read_token(server.signing.copies, token, server.now()))
    target = add_project(
        session,
        server,
        name=one_line(name, "project", "BadRequestProjectName") if name else _copied_name(source.name),
        description=source.description,
        domain_id=source.domain_id,
        classification=source.classification,
        export_platforms=list(source.export_platforms),
        use_negative_set=source.use_negative_set,
        augmentation=dict(source.augmentation),
        container_uri=source.container_uri,
        queue_uri=source.queue_uri,
        status=ProjectStatus.IMPORTING,
    )
    copy = Copy(source=source.id, target=target.id, epoch=source.epoch, revision=source.revision)
    source.epoch += 1
    enqueue(session, JobKind.IMPORT, target, payload=copy.payload())
    return target


def make_token(links: Links, project_id: str, now: datetime) -> str:
    """A token that is valid for a day, in letters that URLs take as they are."""
    query = links.sign(_PATH + project_id, int(now.timestamp()) + VALID)
    return base64.urlsafe_b64encode(f"{project_id}?{query}".encode()).rstrip(b"=").decode()


def read_token(links: Links, token: str, now: datetime) -> str:
    """The id of the project that a token names.

    Raises:
        ServiceError: it was not made by this server, or has expired.
    """
    try:
        padded = token + "=" * (-len(token) % 4)
        text = base64.b64decode(padded.encode("ascii"), altchars=b"-_", validate=True).decode("ascii")
        identity, _, query = text.partition("?")
        project_id = str(uuid.UUID(identity))
    except (binascii.Error, ValueError):
        raise invalid_token("one that is cut off, changed, or another server's") from None
    try:
        links.check(_PATH + project_id, query, now)
    except ServiceError:
        raise invalid_token("one that has expired, or another server's") from None
    return project_id


def invalid_token(received: str) -> ServiceError:
    """A token that nothing can be imported with.

    Args:
        received: what it is instead.
    """
    return ServiceError(
        "BadRequestInvalidImportToken",
        f"Expected a token that export_project of this server gave within the last day, received {received}. "
        "Ask for a new one, and percent-encode it where your client does not.",
    )


def _source(session: Session, project_id: str) -> ProjectRow:
    row = session.scalar(
        select(ProjectRow)
        .where(ProjectRow.id == project_id, ProjectRow.status == ProjectStatus.SUCCEEDED)
        .with_for_update()
    )
    if row is None:
        raise invalid_token("one of a project that was deleted, or is not complete itself")
    return row


def _copied_name(name: str) -> str:
    return name[: MAX_NAME - len(_COPIED)].rstrip() + _COPIED


def _count(session: Session, *which: ColumnElement[bool]) -> int:
    return session.scalar(select(func.count()).where(*which)) or 0
