"""Metadata of images: texts by their names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.orm import Session

from dahlia.server.contract.enums import MetadataStatus
from dahlia.server.contract.errors import ServiceError
from dahlia.server.contract.models import ImageMetadataUpdateEntry
from dahlia.server.database.tables import ImageRow, ProjectRow

if TYPE_CHECKING:
    from dahlia.server.sections import LimitsSection


def check_metadata(metadata: Mapping[str, str], limits: LimitsSection) -> None:
    """Let metadata pass that an image may have.

    Raises:
        ServiceError: there are too many entries, or one has a name or value that is too long or cannot be
            stored.
    """
    if len(metadata) > limits.metadata_pairs:
        raise ServiceError(
            "BadRequestImageMetadataKey",
            f"Expected at most {limits.metadata_pairs} metadata entries, received {len(metadata)}. Leave "
            "some out.",
        )
    for key, value in metadata.items():
        if not 0 < len(key) <= limits.metadata_key or not is_storable(key):
            raise _refusal("BadRequestImageMetadataKey", "keys", f"1 to {limits.metadata_key}", key)
        if len(value) > limits.metadata_value or not is_storable(value):
            raise _refusal("BadRequestImageMetadataValue", "values", f"0 to {limits.metadata_value}", value)


def is_storable(text: str) -> bool:
    """Whether a text is one for both databases: no zero character, no half of a surrogate pair."""
    return not any(letter == "\0" or "\ud800" <= letter <= "\udfff" for letter in text)


def update_metadata(
    session: Session,
    project: ProjectRow,
    identities: Sequence[str],
    metadata: Mapping[str, str],
    limits: LimitsSection,
) -> list[ImageMetadataUpdateEntry]:
    """Set entries of images' metadata; entries of other names stay.

    Args:
        session: that locked the project.
        project: of the images.
        identities: of the images.
        metadata: the entries, checked.
        limits: of the settings.

    Returns:
        What became of each image, in the order of the ids.
    """
    live = ImageRow.project_key == project.key, ImageRow.removed.is_(None)
    rows = session.scalars(select(ImageRow).where(*live, ImageRow.id.in_(identities)))
    found = {row.id: row for row in rows}
    return [_updated(identity, found.get(identity), metadata, limits) for identity in identities]


def _updated(
    identity: str, row: ImageRow | None, metadata: Mapping[str, str], limits: LimitsSection
) -> ImageMetadataUpdateEntry:
    if row is None:
        return ImageMetadataUpdateEntry(image_id=identity, status=MetadataStatus.NOT_FOUND, metadata=None)
    merged = {**row.details, **metadata}
    if len(merged) > limits.metadata_pairs:
        return ImageMetadataUpdateEntry(
            image_id=identity, status=MetadataStatus.ERROR_LIMIT, metadata=row.details
        )
    row.details = merged
    return ImageMetadataUpdateEntry(image_id=identity, status=MetadataStatus.OK, metadata=merged)


def _refusal(code: str, what: str, length: str, received: str) -> ServiceError:
    return ServiceError(
        code,
        f"Expected metadata {what} of {length} characters, without zero characters; received one of "
        f"{len(received):,}. Shorten or correct it.",
    )
