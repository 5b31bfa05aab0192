"""Two iterations side by side, as the server sends them."""

from __future__ import annotations

from pydantic import Field

from dahlia.server.contract.fields import Answer
from dahlia.server.contract.models import BoundingBox


class SaidTag(Answer):
    """A tag of an image, with its probability and, in detection, its place."""

    tag_name: str
    probability: float
    bounding_box: BoundingBox | None = Field(description="null of a classifier")


class DrawnRegion(Answer):
    """A region of an image, as people drew it."""

    tag_name: str
    bounding_box: BoundingBox


class ComparedImage(Answer):
    """An image that one iteration judged right, and the other wrong."""

    image_id: str | None = Field(description="null if it was deleted, like the addresses")
    thumbnail_uri: str | None
    original_image_uri: str | None
    tags: tuple[str, ...] = Field(description="its tags when the iteration was trained")
    regions: tuple[DrawnRegion, ...] = Field(description="likewise; none of a classifier")
    said: tuple[SaidTag, ...] = Field(
        description="by the iteration: its five most probable tags, or the boxes that reach the threshold"
    )
    other_said: tuple[SaidTag, ...] = Field(description="by the other one")


class ComparedFigures(Answer):
    """How good an iteration is on the images that both have judged."""

    precision: float
    recall: float
    average_precision: float


class BothFigures(Answer):
    """Figures of both."""

    iteration: ComparedFigures
    other: ComparedFigures


class IterationComparison(Answer):
    """What two iterations make of the same images, held against the tags of the first."""

    iteration_id: str
    other_iteration_id: str
    threshold: float
    overlap: float | None = Field(description="the least of a box that is right; null of classifiers")
    images: int = Field(description="that both have judged, while these were held out")
    won: tuple[ComparedImage, ...] = Field(
        description="which the iteration has right and the other wrong, what differs most first; at most 200"
    )
    lost: tuple[ComparedImage, ...] = Field(description="the other way round; at most 200")
    won_count: int = Field(description="how many there are, listed or not")
    lost_count: int
    both_right: int
    both_wrong: int
    figures: BothFigures | None = Field(description="null where no image was judged by both")
