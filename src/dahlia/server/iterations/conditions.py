"""What must hold before a project is trained."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from dahlia.server.contract.domains import DomainRecord, domain_of
from dahlia.server.contract.enums import IterationStatus
from dahlia.server.contract.errors import ServiceError
from dahlia.server.database.tables import ProjectRow
from dahlia.server.database.work_tables import IterationRow, JobRow
from dahlia.server.iterations.finding import iteration_of
from dahlia.server.iterations.orders import Order
from dahlia.server.iterations.subjects import SUBJECTS
from dahlia.server.jobs.job import JobKind, State


def check_idle(session: Session, project: ProjectRow) -> None:
    """Refuse while a training is waiting, running or being cancelled.

    Raises:
        ServiceError: one is.
    """
    under_way = session.scalar(
        select(JobRow.cancel).where(
            JobRow.project_key == project.key,
            JobRow.kind == JobKind.TRAIN,
            JobRow.state.in_((State.WAITING, State.RUNNING)),
        )
    )
    if under_way is None:
        return
    told = (
        "its training is being cancelled, which takes a few seconds. Ask again in a second."
        if under_way
        else "a training is under way. Wait until its iteration is no longer Training, or cancel it."
    )
    raise ServiceError(
        "BadRequestTrainingAlreadyInProgress", f"Expected a project that is not being trained; {told}"
    )


def trainable_domain(project: ProjectRow) -> DomainRecord:
    """The project's domain.

    Raises:
        ServiceError: it cannot be trained.
    """
    domain = domain_of(project.domain_id)
    if project.kind not in SUBJECTS:
        raise ServiceError(
            "BadRequestNotSupported",
            f"Expected a project that classifies; the domain {domain.name} detects objects, which this "
            "server cannot train yet. Its images, tags and regions are kept.",
        )
    if domain.pipeline is None:
        raise ServiceError(
            "BadRequestRetiredDomainNotSupportedForTraining",
            f"Expected a domain that is still trained; {domain.name} was withdrawn. Give the project "
            "another with update_project, such as General.",
        )
    return domain


def check_room(session: Session, project: ProjectRow, most: int) -> None:
    """Refuse where the project keeps as many iterations as it may.

    Raises:
        ServiceError: it does.
    """
    kept = session.scalar(select(func.count()).where(IterationRow.project_key == project.key)) or 0
    if kept >= most:
        raise ServiceError(
            "BadRequestExceedIterationPerProjectLimit",
            f"Expected fewer than {most} iterations in the project, received {kept}. Delete one that is "
            "not needed.",
        )


def check_base(session: Session, order: Order, domain: DomainRecord) -> None:
    """Refuse an iteration that this training cannot start from.

    Domains are compatible that train the same kind of network: the compact ones, or the others.

    Raises:
        ServiceError: there is no such iteration, or it does not fit.
    """
    if order.base is None:
        return
    row = iteration_of(session, *order.base)
    if row.status != IterationStatus.COMPLETED:
        raise ServiceError(
            "BadRequestCustomBaseModelIterationStatusNotCompleted",
            f"Expected an iteration that is Completed to start from, received {row.name}, which is "
            f"{row.status}. Choose another, or wait.",
        )
    base = domain_of(row.domain_id)
    if (base.type, base.exportable) != (domain.type, domain.exportable):
        raise ServiceError(
            "BadRequestCustomBaseModelDomainNotCompatible",
            f"Expected an iteration of a domain like {domain.name} to start from, received one of "
            f"{base.name}. Compact domains start from compact ones, others from others.",
        )


def check_news(session: Session, project: ProjectRow, order: Order) -> None:
    """Refuse to train what was trained already, unless it is forced.

    Raises:
        ServiceError: an iteration was made of the same images, tags and settings.
    """
    if order.force:
        return
    base_project, base_iteration = order.base or (None, None)
    alike = session.execute(
        select(IterationRow.name, IterationRow.chosen_tags)
        .where(
            IterationRow.project_key == project.key,
            IterationRow.status == IterationStatus.COMPLETED,
            IterationRow.revision == project.revision,
            IterationRow.domain_id == project.domain_id,
            IterationRow.classification == project.classification,
            IterationRow.training_type == order.type,
            IterationRow.budget_hours == order.budget_hours,
            IterationRow.base_project_id == base_project,
            IterationRow.base_iteration_id == base_iteration,
        )
        .order_by(IterationRow.key.desc())
    )
    for name, chosen in alike:
        if set(chosen) == set(order.tags):
            raise ServiceError(
                "BadRequestTrainingNotNeeded",
                f"Nothing changed since last training: {name} was trained on the same images, tags and "
                "settings. Change something, or send forceTrain=true.",
            )
