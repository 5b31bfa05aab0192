"""Exports of iterations: asking for them, and how they stand."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from dahlia.errors import ConfigError, ServiceError
from dahlia.export.formats import flavors_of, form_of
from dahlia.imports import require_formats
from dahlia.server.context import Server
from dahlia.server.contract.domains import domain_of
from dahlia.server.contract.enums import ExportPlatform, ExportStatus, IterationStatus
from dahlia.server.contract.iterations import Export
from dahlia.server.database.changes import locked
from dahlia.server.database.types import new_id
from dahlia.server.database.work_tables import ExportRow, IterationRow
from dahlia.server.http.addresses import Addresses
from dahlia.server.iterations.iterations import iteration_of, trained
from dahlia.server.jobs.job import EXPORT, JobKind
from dahlia.server.jobs.queue import enqueue
from dahlia.server.jobs.waiting import form
from dahlia.server.keys.audit import record
from dahlia.server.keys.keys import Access

INVALID = "BadRequestExportValidationFailed"


def exports_of(session: Session, project_id: str, iteration_id: str) -> list[ExportRow]:
    """The exports of an iteration, the oldest first.

    Raises:
        ServiceError: there is no such iteration.
    """
    row = iteration_of(session, project_id, iteration_id)
    chosen = select(ExportRow).where(ExportRow.iteration_key == row.key)
    return list(session.scalars(chosen.order_by(ExportRow.key)))


def start_export(
    session: Session,
    server: Server,
    access: Access,
    project_id: str,
    iteration_id: str,
    platform: ExportPlatform,
    flavor: str | None,
) -> ExportRow:
    """Queue an export; one that failed is tried again.

    Args:
        session: to write with.
        server: has the time.
        access: of the caller.
        project_id: of the project.
        iteration_id: of the iteration.
        platform: what it is to run on.
        flavor: which form of that, in any case of letters.

    Raises:
        ServiceError: the iteration is not trained, cannot be exported so, or was already.
    """
    project = locked(session, project_id, server.now())
    iteration = _exportable(iteration_of(session, project_id, iteration_id))
    flavor = next(
        (one for one in flavors_of(platform) if one and flavor and one.lower() == flavor.lower()), flavor
    )
    _check_form(platform, flavor)
    if server.settings.jobs.workers:
        _check_packages(platform, flavor)
    row = _row(session, server, iteration, platform, flavor)
    enqueue(session, JobKind.EXPORT, project, iteration, {EXPORT: row.id} | form(platform, flavor))
    details = {"iteration": iteration_id, "platform": platform, "flavor": flavor}
    record(session, server, access, "export_iteration", project_id, **details)
    return row


def export_answer(row: ExportRow, addresses: Addresses) -> Export:
    """An export as it goes over the wire; its link is valid for a day."""
    done = row.status == ExportStatus.DONE and row.file_key is not None
    return Export(
        platform=ExportPlatform(row.platform),
        status=ExportStatus(row.status),
        download_uri=addresses.file(row.file_key) if done and row.file_key else None,
        flavor=row.flavor,
        newer_version_available=False,
    )


def _exportable(row: IterationRow) -> IterationRow:
    if row.status == IterationStatus.TRAINING:
        raise ServiceError(
            "BadRequestExportWhileTraining",
            f"Expected an iteration that is Completed, received {row.name}, which is still being trained. "
            "Export it when its status is Completed.",
        )
    trained(row)
    domain = domain_of(row.domain_id)
    if not domain.exportable:
        raise ServiceError(
            INVALID,
            f"Expected an iteration of a compact domain, received one of {domain.name}, which is served "
            "only. Give the project a compact domain with update_project, and train it again.",
        )
    return row


def _check_form(platform: ExportPlatform, flavor: str | None) -> None:
    flavors = flavors_of(platform)
    if not flavors:
        raise ServiceError(
            "BadRequestNotSupported",
            f"Expected a platform that this server exports to, received {platform}, which it "
            f"does not. Take one of {', '.join(one for one in ExportPlatform if flavors_of(one))}.",
        )
    if flavor not in flavors:
        offered = ", ".join(sorted(one for one in flavors if one)) or "none"
        raise ServiceError(
            INVALID,
            f"Expected a flavor of {platform} that this server exports, received "
            f"{(flavor or 'none')[:80]!r}. Take "
            f"one of {offered}" + (", or omit it." if None in flavors else "."),
        )


def _check_packages(platform: ExportPlatform, flavor: str | None) -> None:
    """Refuse what the workers of this machine cannot write; those elsewhere refuse for themselves."""
    form = form_of(platform, flavor)
    try:
        require_formats([form.name] if form else [])
    except ConfigError as error:
        raise ServiceError("BadRequestNotSupported", str(error)) from None


def _row(
    session: Session, server: Server, iteration: IterationRow, platform: ExportPlatform, flavor: str | None
) -> ExportRow:
    row = session.scalar(
        select(ExportRow).where(
            ExportRow.iteration_key == iteration.key,
            ExportRow.platform == platform,
            ExportRow.flavor == flavor,
        )
    )
    if row is None:
        row = ExportRow(id=new_id(), iteration_key=iteration.key, platform=platform, flavor=flavor)
        session.add(row)
    elif row.status != ExportStatus.FAILED:
        raise ServiceError(
            "BadRequestExportAlreadyInProgress",
            f"Expected a platform and flavor that {iteration.name} was not exported to, received "
            f"{platform} and {flavor or 'none'}, whose export is {row.status}. Read its downloadUri with "
            "get_exports.",
        )
    row.status, row.file_key, row.error, row.created = ExportStatus.EXPORTING, None, None, server.now()
    session.flush()
    return row
