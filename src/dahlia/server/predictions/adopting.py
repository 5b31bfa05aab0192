"""Stored predictions that become training images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sqlalchemy.orm import Session

from dahlia.server.contract.enums import ImageCreateStatus
from dahlia.server.contract.errors import ServiceError
from dahlia.server.images.adding import StoredImage
from dahlia.server.predictions.queries import delete_predictions, stored_predictions
from dahlia.server.store.tables import ProjectRow
from dahlia.server.store.work_tables import PredictionRow

if TYPE_CHECKING:
    from dahlia.server.sections import LimitsSection


def training_files(
    session: Session, project: ProjectRow, identities: Sequence[str], limits: LimitsSection
) -> list[StoredImage | ImageCreateStatus]:
    """For each prediction its image, or why there is none to train on."""
    rows = stored_predictions(session, project, identities)
    return [_file(rows.get(identity), limits) for identity in identities]


def take_away(session: Session, project: ProjectRow, identities: Sequence[str]) -> None:
    """Delete the predictions that are training images now, in the transaction that makes them so.

    Raises:
        ServiceError: one was deleted in the meantime, and its files may be gone.
    """
    if delete_predictions(session, project, identities) != set(identities):
        raise ServiceError(
            "Conflict",
            "Expected predictions that are stored, received one that was deleted just now. No image was "
            "added; query the predictions again.",
        )


def _file(row: PredictionRow | None, limits: LimitsSection) -> StoredImage | ImageCreateStatus:
    if row is None:
        return ImageCreateStatus.ERROR_SOURCE
    shorter, longer = sorted((row.width, row.height))
    if longer > limits.max_edge or longer > limits.max_aspect * shorter:
        return ImageCreateStatus.ERROR_DIMENSIONS
    if row.size > limits.max_image_mb * 1024 * 1024:
        return ImageCreateStatus.ERROR_SIZE
    return StoredImage(row.sha256, row.suffix, row.width, row.height, row.size)
