"""Projects: finding, making, changing and deleting them.

A project that is deleted is out of sight at once; its rows are deleted batch by batch after that.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import CursorResult, delete, func, select
from sqlalchemy.orm import Session

from dahlia.errors import ConfigError, ServiceError
from dahlia.server.context import Server
from dahlia.server.contract.bodies import CreateProjectOptions, ProjectChange, SettingsChange
from dahlia.server.contract.domains import DomainRecord, domain_of
from dahlia.server.contract.enums import ProjectStatus, not_found
from dahlia.server.database.changes import GONE, locked
from dahlia.server.database.tables import DiscardRow, ImageRow, ProjectRow
from dahlia.server.database.types import new_id
from dahlia.server.database.work_tables import IterationRow, JobRow, PredictionRow
from dahlia.server.keys.audit import record
from dahlia.server.keys.keys import Access
from dahlia.server.projects.choices import (
    AUGMENTATION,
    chosen_augmentation,
    chosen_classification,
    chosen_domain,
    chosen_platforms,
    chosen_uri,
    description_of,
    one_line,
)
from dahlia.server.workspaces.snapshot import pipeline_name

_LISTED = 20
_IMAGES = 5_000  # with their tags and regions; a tenth of a second, in which nobody else writes
_PREDICTIONS = 2_000  # with a score for each tag
_PAUSE = 0.005  # seconds, in which those who wait to write get their turn


@dataclass(frozen=True)
class NewProject:
    """What a new project is to be, as the client said it; None where it said nothing."""

    name: str
    description: str | None = None
    domain_id: str | None = None
    classification: str | None = None
    platforms: tuple[str, ...] = ()
    options: CreateProjectOptions | None = None


def projects_of(session: Session, only: str | None) -> list[ProjectRow]:
    """All projects, the oldest first.

    Args:
        session: to read.
        only: the id of the key's only project; None for all.
    """
    chosen = select(ProjectRow).where(ProjectRow.status != GONE).order_by(ProjectRow.key)
    if only is not None:
        chosen = chosen.where(ProjectRow.id == only)
    return list(session.scalars(chosen))


def create_project(session: Session, server: Server, wanted: NewProject) -> ProjectRow:
    """Make a project. Several may have one name: a script that is run twice makes two.

    Raises:
        ServiceError: a name, domain, platform or address cannot be used, or there are too many projects.
    """
    domain = chosen_domain(wanted.domain_id)
    options = wanted.options or CreateProjectOptions()
    return add_project(
        session,
        server,
        name=one_line(wanted.name, "project", "BadRequestProjectName"),
        description=description_of(wanted.description, "project", "BadRequestProjectDescription"),
        domain_id=domain.id,
        classification=chosen_classification(wanted.classification, domain),
        export_platforms=chosen_platforms(wanted.platforms, domain),
        use_negative_set=True,
        augmentation=dict(AUGMENTATION),
        container_uri=chosen_uri(options.export_model_container_uri, "exportModelContainerUri"),
        queue_uri=chosen_uri(options.notification_queue_uri, "notificationQueueUri"),
        status=ProjectStatus.SUCCEEDED,
    )


def add_project(session: Session, server: Server, *, name: str, **columns: object) -> ProjectRow:
    """Add a project's row, unless there are as many as may be.

    Raises:
        ServiceError: there are.
    """
    most = server.settings.limits.projects
    count = session.scalar(select(func.count()).where(ProjectRow.status != GONE)) or 0
    if count >= most:
        raise ServiceError(
            "BadRequestExceedProjectLimit",
            f"Expected at most {most} projects on this server, and there are {count}. Delete one, or raise "
            "limits.projects in the server's settings.",
        )
    identity, now = new_id(), server.now()
    row = ProjectRow(
        id=identity,
        name=name,
        pipeline_name=pipeline_name(name, identity),
        created=now,
        modified=now,
        epoch=1,
        revision=0,
        iterations_made=0,
        **columns,
    )
    session.add(row)
    session.flush()
    return row


def change_project(session: Session, server: Server, identity: str, change: ProjectChange) -> ProjectRow:
    """Change a project; what is left out, or null, stays.

    Images keep their tags, however many, when Multilabel becomes Multiclass. A change of domain,
    classification or negative set makes a new training worth its while.

    Raises:
        ServiceError: there is no such project, or it cannot be changed so.
    """
    row = locked(session, identity, server.now())
    if change.name is not None:
        row.name = one_line(change.name, "project", "BadRequestProjectName")
    if change.description is not None:
        row.description = description_of(change.description, "project", "BadRequestProjectDescription")
    if change.settings is not None:
        _change_settings(row, change.settings)
    session.flush()
    return row


def find_project(session: Session, which: str) -> ProjectRow:
    """The project with an id, or else with a name.

    Raises:
        ConfigError: there is none, or several have the name.
    """
    rows = session.scalars(select(ProjectRow).where(ProjectRow.status != GONE).order_by(ProjectRow.key)).all()
    found = [row for row in rows if row.id == which.lower()] or [row for row in rows if row.name == which]
    if len(found) == 1:
        return found[0]
    known = ", ".join(f"{row.name} ({row.id})" for row in (found or rows)[:_LISTED]) or "none"
    count = "several have it" if found else "there is none"
    raise ConfigError(
        f"Expected the id or the name of a project, received {which!r}: {count}. Known: {known}."
    )


def delete_project(server: Server, access: Access | None, identity: str) -> None:
    """Delete a project with all that belongs to it; what is trained or exported for it is called off.

    Nobody finds it from the first transaction on. Cleaning deletes its files some hours later. Should the
    server be stopped in between, `finish_deletions` goes on.

    Raises:
        ServiceError: there is none, or an iteration of it is published: applications ask for it by its name.
    """
    with server.database.write() as session:
        project = session.scalar(select(ProjectRow).where(ProjectRow.id == identity).with_for_update())
        if project is None:
            raise not_found("Project", identity)
        _refuse_published(session, project)
        # A worker whose job is gone stops what it does.
        session.execute(delete(JobRow).where(JobRow.project_key == project.key))
        # Under an id of its own no request and no worker finds it.
        project.id, project.status = new_id(), GONE
        session.merge(DiscardRow(kind="history", name=identity, moment=server.now()))
        record(session, server, access, "delete_project", identity, name=project.name)
        key = project.key
    _delete_rows(server, key)


def finish_deletions(server: Server) -> int:
    """Delete what is left of projects whose deletion was cut off; returns how many there were."""
    with server.database.read() as session:
        keys = list(session.scalars(select(ProjectRow.key).where(ProjectRow.status == GONE)))
    for key in keys:
        _delete_rows(server, key)
    return len(keys)


def _change_settings(row: ProjectRow, change: SettingsChange) -> None:
    domain = _changed_domain(row, change.domain_id)
    classification = row.classification
    if change.classification_type is not None:
        classification = chosen_classification(change.classification_type, domain)
    negatives = row.use_negative_set if change.use_negative_set is None else change.use_negative_set
    chosen = domain.id, classification, negatives
    if chosen != (row.domain_id, row.classification, row.use_negative_set):
        row.revision += 1
    platforms = (
        row.export_platforms if change.target_export_platforms is None else change.target_export_platforms
    )
    row.export_platforms = chosen_platforms(platforms, domain)
    row.domain_id, row.classification, row.use_negative_set = chosen
    processing = change.image_processing_settings
    if processing is not None and processing.augmentation_methods is not None:
        row.augmentation = chosen_augmentation(processing.augmentation_methods, row.augmentation)


def _changed_domain(row: ProjectRow, wanted: str | None) -> DomainRecord:
    present = domain_of(row.domain_id)
    if wanted is None or wanted.lower() == present.id:
        return present
    domain = chosen_domain(wanted)
    if domain.type is not present.type:
        raise ServiceError(
            "BadRequestProjectUnsupportedDomainTypeChange",
            f"Expected a domain of type {present.type}, as the project has, received {domain.name} of type "
            f"{domain.type}. Make a new project for it.",
        )
    return domain


def _refuse_published(session: Session, project: ProjectRow) -> None:
    names = session.scalars(
        select(IterationRow.publish_name).where(
            IterationRow.project_key == project.key, IterationRow.publish_name.is_not(None)
        )
    ).all()
    if names:
        raise ServiceError(
            "BadRequestIterationIsPublished",
            f"Expected a project without published iterations, received one that publishes "
            f"{', '.join(map(repr, names))}. Unpublish with unpublish_iteration (in versions 1 and "
            "2: update_iteration with isDefault=false), then delete the project.",
        )


def _delete_rows(server: Server, project: int) -> None:
    for table, batch in ((PredictionRow, _PREDICTIONS), (ImageRow, _IMAGES)):
        while _delete_some(server, table, project, batch):
            time.sleep(_PAUSE)
    with server.database.write() as session:
        session.execute(delete(ProjectRow).where(ProjectRow.key == project))


def _delete_some(
    server: Server, table: type[PredictionRow] | type[ImageRow], project: int, batch: int
) -> bool:
    with server.database.write() as session:
        some = select(table.key).where(table.project_key == project).limit(batch)
        statement = delete(table).where(table.key.in_(some)).execution_options(synchronize_session=False)
        return cast("CursorResult[Any]", session.execute(statement)).rowcount == batch
