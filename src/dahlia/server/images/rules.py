"""Which labels an image of a project may carry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.orm import Session

from dahlia.kinds import Kind
from dahlia.server.contract.enums import ImageCreateStatus, TagType
from dahlia.server.contract.errors import ServiceError
from dahlia.server.database.tables import ProjectRow, TagRow
from dahlia.server.images.labels import Labels

if TYPE_CHECKING:
    from dahlia.server.sections import LimitsSection

_HAS_REGIONS: dict[Kind, bool] = {"multiclass": False, "multilabel": False, "detection": True}


@dataclass(frozen=True, slots=True)
class Rules:
    """What holds for every image of a project.

    Attributes:
        max_tags: on an image; None in detection, where regions count.
        max_regions: on an image.
        detects: whether images have regions.
        negative: the key of the tag that says that no other applies; None where there is none.
    """

    max_tags: int | None
    max_regions: int
    detects: bool
    negative: int | None

    @classmethod
    def of(cls, session: Session, project: ProjectRow, limits: LimitsSection) -> Rules:
        """The rules of a project."""
        negative = session.scalar(
            select(TagRow.key).where(
                TagRow.project_key == project.key, TagRow.removed.is_(None), TagRow.type == TagType.NEGATIVE
            )
        )
        detects = _HAS_REGIONS[project.kind]
        # Multiclass too: the original takes several tags there, and samples of its makers send them.
        max_tags = None if detects else limits.tags_per_image
        return cls(max_tags, limits.regions_per_image, detects, negative)

    def broken_by(self, labels: Labels) -> ImageCreateStatus | None:
        """What is wrong with an image that carries these labels; None if it may."""
        if self.negative in labels.tags and len(labels.tags) > 1:
            return ImageCreateStatus.ERROR_NEGATIVE
        if self.max_tags is not None and len(labels.tags) > self.max_tags:
            return ImageCreateStatus.ERROR_TAG_LIMIT
        if len(labels.regions) > self.max_regions:
            return ImageCreateStatus.ERROR_REGION_LIMIT
        return None


def check_takes_regions(project: ProjectRow) -> None:
    """Let regions pass in projects that find objects.

    Raises:
        ServiceError: the project is a classifier.
    """
    if not _HAS_REGIONS[project.kind]:
        raise ServiceError(
            "BadRequestUnsupportedDomain",
            "Expected images without regions, since the project is a classifier; received regions. Tag the "
            "images as a whole, or make a project of the domain General of type ObjectDetection.",
        )
