"""Starting a training: everything is checked, then iteration and job are made in one transaction."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from dahlia.errors import ServiceError
from dahlia.server.context import Server
from dahlia.server.contract.domains import DomainRecord, domain_of
from dahlia.server.contract.enums import IterationStatus, TrainingType
from dahlia.server.database.changes import locked
from dahlia.server.database.tables import ProjectRow
from dahlia.server.database.types import new_id
from dahlia.server.database.work_tables import IterationRow, JobRow
from dahlia.server.iterations.iterations import iteration_of
from dahlia.server.iterations.training_request import TrainingRequest
from dahlia.server.iterations.training_tags import CountedTag, TrainedTags, tags_to_train
from dahlia.server.jobs.job import OPEN, JobKind
from dahlia.server.jobs.order import training_lane
from dahlia.server.jobs.queue import enqueue
from dahlia.server.keys.audit import record
from dahlia.server.keys.keys import Access
from dahlia.server.workspaces.progress import estimate_seconds
from dahlia.server.workspaces.snapshot import spelling


def start_training(
    session: Session, server: Server, access: Access, project_id: str, request: TrainingRequest
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
    check_base(session, request, domain)
    check_news(session, project, request)
    check_iteration_limit(session, project, limits.iterations_per_project)
    trained = tags_to_train(session, project, request, limits)
    row = _iteration(session, server, project, request, trained.tags)
    project.epoch += 1
    project.iterations_made += 1
    session.add(row)
    session.flush()
    expected = expected_seconds(trained, request, domain)
    lane = training_lane(request.type, expected, server.settings.jobs)
    enqueue(session, JobKind.TRAIN, project, row, lane=lane, expected=expected)
    record(session, server, access, "train_project", project.id, iteration=row.id, type=request.type)
    return row


def expected_seconds(trained: TrainedTags, request: TrainingRequest, domain: DomainRecord) -> float:
    """Seconds that a training is thought to take, as if all images were new to the workspace."""
    advanced = request.type is TrainingType.ADVANCED
    return estimate_seconds(
        trained.images,
        len(trained.tags),
        "advanced" if advanced else "quick",
        60.0 * request.budget_hours if request.budget_hours else None,
        warm=not advanced,
        domain=domain.params,
    )


def check_idle(session: Session, project: ProjectRow) -> None:
    """Refuse while a training is waiting, running or being cancelled.

    Raises:
        ServiceError: one is.
    """
    under_way = session.scalar(
        select(JobRow.cancel).where(
            JobRow.project_key == project.key,
            JobRow.kind == JobKind.TRAIN,
            JobRow.state.in_(OPEN),
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
    if domain.pipeline is None:
        raise ServiceError(
            "BadRequestRetiredDomainNotSupportedForTraining",
            f"Expected a domain that is still trained; {domain.name} was withdrawn. Give the project "
            "another with update_project, such as General.",
        )
    return domain


def check_iteration_limit(session: Session, project: ProjectRow, most: int) -> None:
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


def check_base(session: Session, request: TrainingRequest, domain: DomainRecord) -> None:
    """Refuse an iteration that this training cannot start from.

    Domains are compatible that train the same kind of network: the compact ones, or the others.

    Raises:
        ServiceError: there is no such iteration, or it does not fit.
    """
    if request.base is None:
        return
    row = iteration_of(session, *request.base)
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


def check_news(session: Session, project: ProjectRow, request: TrainingRequest) -> None:
    """Refuse to train what was trained already, unless it is forced.

    Raises:
        ServiceError: an iteration was made of the same images, tags and settings.
    """
    if request.force:
        return
    base_project, base_iteration = request.base or (None, None)
    alike = session.execute(
        select(IterationRow.name, IterationRow.chosen_tags)
        .where(
            IterationRow.project_key == project.key,
            IterationRow.status == IterationStatus.COMPLETED,
            IterationRow.revision == project.revision,
            IterationRow.domain_id == project.domain_id,
            IterationRow.classification == project.classification,
            IterationRow.use_negative_set == project.use_negative_set,
            IterationRow.training_type == request.type,
            IterationRow.budget_hours == request.budget_hours,
            IterationRow.base_project_id == base_project,
            IterationRow.base_iteration_id == base_iteration,
        )
        .order_by(IterationRow.key.desc())
    )
    for name, chosen in alike:
        if set(chosen) == set(request.tags):
            raise ServiceError(
                "BadRequestTrainingNotNeeded",
                f"Nothing changed since last training: {name} was trained on the same images, tags and "
                "settings. Change something, or send forceTrain=true.",
            )


def _iteration(
    session: Session,
    server: Server,
    project: ProjectRow,
    request: TrainingRequest,
    tags: tuple[CountedTag, ...],
) -> IterationRow:
    now = server.now()
    number = project.iterations_made + 1
    base_project, base_iteration = request.base or (None, None)
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
        use_negative_set=project.use_negative_set,
        training_type=request.type,
        budget_hours=request.budget_hours,
        minutes=0,
        chosen_tags=list(request.tags),
        # As they are called now: a tag that is renamed during the training keeps its name in the model.
        tag_ids={spelling(tag.name): tag.id for tag in tags},
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
