"""Iterations as they go over the wire."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from dahlia.server.contract.domains import domain_of
from dahlia.server.contract.enums import CLASSIFIERS, IterationStatus, TrainingType
from dahlia.server.contract.iterations import CustomBaseModelInfo, Iteration
from dahlia.server.database.work_tables import IterationRow

# Their clients get an empty list where later ones get null.
_LISTS_PLATFORMS = ("v1.2", "v2.2", "v3.0", "v3.1", "v3.2")


def iteration_answer(row: IterationRow, project_id: str, version: str) -> Iteration:
    """An iteration; while it is trained, what will have come of it is null, and `trainedAt` is absent."""
    under_way = row.status == IterationStatus.TRAINING
    platforms = domain_of(row.domain_id).platforms if row.status == IterationStatus.COMPLETED else ()
    return Iteration(
        id=row.id,
        name=row.name,
        status=row.status,
        created=row.created,
        last_modified=row.modified,
        project_id=project_id,
        exportable=bool(platforms),
        exportable_to=platforms or (() if version in _LISTS_PLATFORMS and not under_way else None),
        domain_id=None if under_way else row.domain_id,
        classification_type=None if under_way else CLASSIFIERS[row.kind],
        training_type=TrainingType(row.training_type),
        reserved_budget_in_hours=row.budget_hours,
        training_time_in_minutes=row.minutes,
        publish_name=row.publish_name,
        original_publish_resource_id=row.publish_resource,
        custom_base_model_info=_base(row),
        training_error_details=row.error,
        **_moment(row.trained),
        **_default(row, version),
    )


def _base(row: IterationRow) -> CustomBaseModelInfo | None:
    if row.base_project_id is None or row.base_iteration_id is None:
        return None
    return CustomBaseModelInfo(project_id=row.base_project_id, iteration_id=row.base_iteration_id)


def _default(row: IterationRow, version: str) -> dict[str, Any]:
    return {"is_default": row.publish_name is not None} if version < "v3" else {}


def _moment(trained: datetime | None) -> dict[str, Any]:
    return {} if trained is None else {"trained_at": trained}
