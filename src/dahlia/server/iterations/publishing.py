"""Publishing: a name under which predictions are asked for. One row, one transaction."""

from __future__ import annotations

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from dahlia.errors import ServiceError
from dahlia.server.context import Server
from dahlia.server.database.changes import locked
from dahlia.server.database.work_tables import IterationRow
from dahlia.server.iterations.finding import iteration_of, trained
from dahlia.server.keys.audit import record
from dahlia.server.keys.scopes import Access
from dahlia.tracking.names import normalise

LONGEST_NAME = 128
LONGEST_RESOURCE = 1024

_DEFAULT = "default"


def publish(
    session: Session,
    server: Server,
    access: Access,
    project_id: str,
    iteration_id: str,
    name: str,
    resource: str,
    *,
    overwrite: bool,
) -> None:
    """Publish an iteration under a name.

    A repeated call changes nothing.

    Args:
        session: to write with.
        server: has the time.
        access: of the caller.
        project_id: of the project.
        iteration_id: of the iteration.
        name: any printable text; predictions name it in their path.
        resource: what the client calls the prediction resource; any text, kept as it is.
        overwrite: whether to take the name from another iteration, and this one from another name.

    Raises:
        ServiceError: the iteration is not there or not trained, has another name, or the name is another's.
    """
    name = _checked_name(name)
    _check_resource(resource)
    locked(session, project_id, server.now())
    row = trained(iteration_of(session, project_id, iteration_id))
    if row.publish_name == name and row.publish_resource == resource:
        return
    if not overwrite:
        _check_unpublished(row, name)
    _take_name(session, row, name, overwrite)
    row.publish_name, row.publish_resource, row.modified = name, resource, server.now()
    details = {"iteration": iteration_id, "name": name, "overwrite": overwrite}
    record(session, server, access, "publish_iteration", project_id, **details)


def make_default(
    session: Session, server: Server, access: Access, project_id: str, iteration_id: str, *, wanted: bool
) -> None:
    """Make an iteration the one that predictions of versions 1 and 2 ask, which know no names; or no longer.

    Raises:
        ServiceError: it is not there, or not trained.
    """
    if wanted:
        publish(session, server, access, project_id, iteration_id, _DEFAULT, _DEFAULT, overwrite=True)
    elif iteration_of(session, project_id, iteration_id).publish_name == _DEFAULT:
        unpublish(session, server, access, project_id, iteration_id)


def unpublish(session: Session, server: Server, access: Access, project_id: str, iteration_id: str) -> None:
    """Remove an iteration's publish name.

    Raises:
        ServiceError: there is no such iteration, or it is not published.
    """
    locked(session, project_id, server.now())
    row = iteration_of(session, project_id, iteration_id)
    if row.publish_name is None:
        raise ServiceError(
            "BadRequestIterationNotPublished",
            f"Expected an iteration that is published, received {row.name}, which is not. There is nothing "
            "to do.",
        )
    name = row.publish_name
    row.publish_name, row.publish_resource, row.modified = None, None, server.now()
    record(session, server, access, "unpublish_iteration", project_id, iteration=iteration_id, name=name)


def _check_unpublished(row: IterationRow, name: str) -> None:
    if row.publish_name not in (None, name):
        raise ServiceError(
            "BadRequestIterationIsPublished",
            f"Expected an iteration that is not published, received {row.name}, published as "
            f"{row.publish_name!r}. Unpublish it first, or send overwrite=true.",
        )


def _take_name(session: Session, row: IterationRow, name: str, overwrite: bool) -> None:
    holder = (
        IterationRow.project_key == row.project_key,
        IterationRow.publish_name == name,
        IterationRow.key != row.key,
    )
    if overwrite:
        session.execute(update(IterationRow).where(*holder).values(publish_name=None, publish_resource=None))
    elif (other := session.scalar(select(IterationRow.name).where(*holder))) is not None:
        raise ServiceError(
            "BadRequestInvalidPublishName",
            f"Expected a publish name that is free, received {name!r}, which {other} has. Choose another, "
            "or send overwrite=true to take it over.",
        )


def _checked_name(name: str) -> str:
    name = normalise(name)
    # Clients resolve `.` and `..` in a path before they send it.
    usable = name.isprintable() and name == name.strip() and name not in (".", "..")
    if not usable or not 0 < len(name) <= LONGEST_NAME:
        raise ServiceError(
            "BadRequestInvalidPublishName",
            f"Expected a publish name of 1 to {LONGEST_NAME} printable characters without spaces at its "
            f"ends, received {name[:80]!r}. Choose another, such as production.",
        )
    return name


def _check_resource(resource: str) -> None:
    if not resource.strip() or not resource.isprintable() or len(resource) > LONGEST_RESOURCE:
        raise ServiceError(
            "BadRequestInvalidPublishTarget",
            f"Invalid iteration publish target: expected a predictionId of 1 to {LONGEST_RESOURCE} printable "
            f"characters, received {resource[:80]!r}. Any text will do here, such as local.",
        )
