"""A project at one moment, as a workspace needs to know it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from dahlia.dataset.records import Region
from dahlia.kinds import Kind


@dataclass(frozen=True)
class Photo:
    """An image of the project.

    Attributes:
        sha256: of its bytes, 64 lower-case hexadecimal digits.
        suffix: `.jpg`, `.png`, ...
        tags: names; an image without any is not in the workspace.
        regions: tagged rectangles.
    """

    sha256: str
    suffix: str
    tags: tuple[str, ...]
    regions: tuple[Region, ...] = ()

    @property
    def name(self) -> str:
        """Of its file in a workspace."""
        return self.sha256 + self.suffix


@dataclass(frozen=True)
class Snapshot:
    """What one training sees.

    Attributes:
        project: the pipeline's name of the project (see `pipeline_name`).
        kind: what its model is to say of a photo.
        negative_tag: the name of the project's negative tag, if it has one.
        domain: a choice of `conf/domain`, such as `general_compact`.
        recipe: quick, or advanced within a budget.
        budget_minutes: of the advanced recipe; None: what `conf/training/advanced.yaml` ships.
        photos: all images, in any order.
    """

    project: str
    kind: Kind
    negative_tag: str | None
    domain: str
    recipe: Literal["quick", "advanced"]
    budget_minutes: float | None
    photos: tuple[Photo, ...]
