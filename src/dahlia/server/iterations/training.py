"""Starting a training: everything is checked, then iteration and job are made in one transaction."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from dahlia.server.context import Server
from dahlia.server.contract.enums import IterationStatus
from dahlia.server.database.changes import locked
from dahlia.server.database.tables import ProjectRow
from dahlia.server.database.types import new_id
from dahlia.server.database.work_tables import IterationRow
from dahlia.server.iterations.conditions import (
    check_base,
    check_idle,
    check_news,
    check_room,
    trainable_domain,
)
from dahlia.server.iterations.orders import Order
from dahlia.server.iterations.subjects import Subject, expected_seconds, subjects_of
from dahlia.server.jobs.job import JobKind
from dahlia.server.jobs.lanes import training_lane
from dahlia.server.jobs.queue import enqueue
from dahlia.server.keys.audit import record
from dahlia.server.keys.scopes import Access
from dahlia.server.workspaces.spelling import spelling


def start_training(
    session: Session, server: Server, access: Access, project_id: str, order: Order
) -> IterationRow:
    """Queue a training of the workspace as it is now.

    The project is locked first: of two calls at once, the second sees the training of the first.

    Raises:
        ServiceError: the project cannot be trained so, or need not be.
    """
    limits = server.settings.limits
    project = locked(session, project_id, server.now())
    check_idle(session, project)
    domain = trainable_domain(project)
    check_base(session, order, domain)
    check_news(session, project, order)
    check_room(session, project, limits.iterations_per_project)
    subjects = subjects_of(session, project, order, limits)
    row = _iteration(session, server, project, order, subjects)
    project.epoch += 1
    project.iterations_made += 1
    session.add(row)
    session.flush()
    expected = expected_seconds(subjects, order)
    lane = training_lane(order.type, expected, server.settings.jobs)
    enqueue(session, JobKind.TRAIN, project, row, lane=lane, expected=expected)
    record(session, server, access, "train_project", project.id, iteration=row.id, type=order.type)
    return row


def _iteration(
    session: Session, server: Server, project: ProjectRow, order: Order, subjects: tuple[Subject, ...]
) -> IterationRow:
    now = server.now()
    number = project.iterations_made + 1
    base_project, base_iteration = order.base or (None, None)
    return IterationRow(
        id=new_id(),
        project_key=project.key,
        number=number,
        name=_free_name(session, project, f"Iteration {number}"),
        status=IterationStatus.TRAINING,
        created=now,
        modified=now,
        trained=None,
        epoch=project.epoch,
        revision=project.revision,
        domain_id=project.domain_id,
        classification=project.classification,
        training_type=order.type,
        budget_hours=order.budget_hours,
        minutes=0,
        chosen_tags=list(order.tags),
        # As they are called now: a tag that is renamed during the training keeps its name in the model.
        tag_ids={spelling(subject.name): subject.id for subject in subjects},
        base_project_id=base_project,
        base_iteration_id=base_iteration,
        publish_name=None,
        publish_resource=None,
        error=None,
        run_id=None,
        files=False,
    )


def _free_name(session: Session, project: ProjectRow, name: str) -> str:
    taken = set(session.scalars(select(IterationRow.name).where(IterationRow.project_key == project.key)))
    while name in taken:  # somebody renamed another to it
        name += " (1)"
    return name
