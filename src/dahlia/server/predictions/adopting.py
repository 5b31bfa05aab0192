"""Stored predictions that become training images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sqlalchemy.orm import Session

from dahlia.server.contract.enums import ImageCreateStatus
from dahlia.server.contract.errors import ServiceError
from dahlia.server.database.tables import ProjectRow
from dahlia.server.database.work_tables import PredictionRow
from dahlia.server.images.adding import Rejected, StoredImage
from dahlia.server.predictions.queries import delete_predictions, stored_predictions

if TYPE_CHECKING:
    from dahlia.settings.sections import LimitsSection


def training_files(
    session: Session, project: ProjectRow, identities: Sequence[str], limits: LimitsSection
) -> list[StoredImage | Rejected]:
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


def _file(row: PredictionRow | None, limits: LimitsSection) -> StoredImage | Rejected:
    if row is None:
        return Rejected(
            ImageCreateStatus.ERROR_SOURCE,
            "Expected a stored prediction, received one that is not here. Query the predictions again.",
        )
    shorter, longer = sorted((row.width, row.height))
    if longer > limits.max_edge or longer > limits.max_aspect * shorter:
        return Rejected(
            ImageCreateStatus.ERROR_DIMENSIONS,
            f"Expected edges of at most {limits.max_edge:,} pixels, one at most {limits.max_aspect:g} times "
            f"the other, received {row.width}x{row.height} pixels. Scale it down, or cut it in pieces.",
        )
    if row.size > limits.max_image_mb * 1024 * 1024:
        return Rejected(
            ImageCreateStatus.ERROR_SIZE,
            f"Expected an image of at most {limits.max_image_mb:g} MB, received a larger one. Scale it down.",
        )
    return StoredImage(row.sha256, row.suffix, row.width, row.height, row.size)
