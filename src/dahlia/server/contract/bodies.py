"""What clients send as JSON."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, ClassVar

from pydantic import Field, model_validator

from dahlia.server.contract.enums import Classifier, OrderBy, SortBy, TagType
from dahlia.server.contract.fields import Body, Listed, Number, WholeNumber

Metadata = dict[str, str]


class CreateProjectOptions(Body):
    """Where a project's exports and notices go."""

    export_model_container_uri: str | None = None
    notification_queue_uri: str | None = None


class ImageProcessingChange(Body):
    """How training should vary images."""

    augmentation_methods: dict[str, bool] | None = None


class SettingsChange(Body):
    """Settings of a project; absent fields stay as they are.

    SDKs have `useNegativeSet` as read-only and never send it: it is there for requests by hand.
    """

    read_only: ClassVar[frozenset[str]] = frozenset(
        {
            "detectionParameters",
            "exportModelContainerUri",
            "notificationQueueUri",
        }
    )
    domain_id: str | None = None
    classification_type: Classifier | None = None
    target_export_platforms: tuple[str, ...] | None = None
    use_negative_set: bool | None = None
    image_processing_settings: ImageProcessingChange | None = None


class ProjectChange(Body):
    """Changes of a project; absent fields stay as they are."""

    read_only: ClassVar[frozenset[str]] = frozenset(
        {"id", "created", "lastModified", "thumbnailUri", "drModeEnabled", "status"}
    )
    name: str | None = None
    description: str | None = None
    settings: SettingsChange | None = None


class TagChange(Body):
    """Changes of a tag; absent fields stay as they are."""

    read_only: ClassVar[frozenset[str]] = frozenset({"id", "imageCount"})
    name: str | None = None
    description: str | None = None
    type: TagType | None = None


class IterationChange(Body):
    """Changes of an iteration; `isDefault` is of versions 1 and 2."""

    read_only: ClassVar[frozenset[str]] = frozenset(
        {"id", "status", "created", "lastModified", "trainedAt", "projectId", "exportable", "exportableTo"}
        | {"domainId", "classificationType", "trainingType", "reservedBudgetInHours", "customBaseModelInfo"}
        | {"trainingTimeInMinutes", "originalPublishResourceId", "publishName", "trainingErrorDetails"}
    )
    name: str | None = None
    is_default: bool | None = None


class RegionBody(Body):
    """A region; fractions of width and height, origin at the top left."""

    read_only: ClassVar[frozenset[str]] = frozenset({"regionId", "imageId", "tagName", "created"})
    tag_id: str
    left: Number
    top: Number
    width: Number
    height: Number


class _Entry(Body):
    tag_ids: Annotated[tuple[str, ...], Listed] = ()
    regions: Annotated[tuple[RegionBody, ...], Listed] = ()


class ImageFileEntry(_Entry):
    """An image in base64."""

    name: str | None = None
    contents: str = Field(repr=False)


class ImageUrlEntry(_Entry):
    """An image at an address."""

    url: str


class ImageIdEntry(_Entry):
    """A stored prediction that becomes a training image."""

    id: str


class _Batch(Body):
    tag_ids: Annotated[tuple[str, ...], Listed] = ()
    metadata: Metadata | None = None


class ImageFileBatch(_Batch):
    """Images in base64."""

    images: Annotated[tuple[ImageFileEntry, ...], Listed] = ()


class ImageUrlBatch(_Batch):
    """Images at addresses; version 1.0 sent `Urls` alone."""

    images: Annotated[tuple[ImageUrlEntry, ...], Listed] = ()

    @model_validator(mode="before")
    @classmethod
    def _entries(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        named = {str(name).lower(): given for name, given in value.items()}
        if "images" in named or not isinstance(named.get("urls"), list):
            return value
        return {**value, "images": [{"url": url} for url in named["urls"]]}


class ImageIdBatch(_Batch):
    """Stored predictions."""

    images: Annotated[tuple[ImageIdEntry, ...], Listed] = ()


class ImageTagPair(Body):
    """An image and a tag for it."""

    image_id: str
    tag_id: str


class ImageTagBatch(Body):
    """Images and tags for them."""

    tags: Annotated[tuple[ImageTagPair, ...], Listed] = ()


class ImageRegionEntry(RegionBody):
    """A region for an image."""

    image_id: str


class ImageRegionBatch(Body):
    """Regions for images."""

    regions: Annotated[tuple[ImageRegionEntry, ...], Listed] = ()


class BaseModelBody(Body):
    """The iteration to start from."""

    project_id: str
    iteration_id: str


class TrainingParameters(Body):
    """What to train on and from."""

    selected_tags: Annotated[tuple[str, ...], Listed] = ()
    custom_base_model_info: BaseModelBody | None = None


class ImageUrl(Body):
    """The address of an image."""

    url: str


class TagFilter(Body):
    """Suggestions by tags and probability."""

    tag_ids: Annotated[tuple[str, ...], Listed] = ()
    threshold: Number | None = None


class SuggestionQuery(TagFilter):
    """Which suggestions, in which order, from where on."""

    session: str | None = None
    continuation: str | None = None
    max_count: WholeNumber | None = None
    sort_by: SortBy | None = None


class PredictionQueryTag(Body):
    """Predictions by the probability of a tag."""

    id: str
    min_threshold: Number | None = None
    max_threshold: Number | None = None


class PredictionQuery(Body):
    """Which stored predictions, in which order, from where on."""

    session: str | None = None
    continuation: str | None = None
    max_count: WholeNumber | None = None
    order_by: OrderBy | None = None
    tags: Annotated[tuple[PredictionQueryTag, ...], Listed] = ()
    iteration_id: str | None = None
    start_time: datetime | None = None
    end_time: datetime | None = None
    application: str | None = None
