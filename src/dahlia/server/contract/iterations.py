"""Answers about iterations, exports, predictions and suggestions; see `Answer` for null and absent."""

from __future__ import annotations

from pydantic import Field

from dahlia.server.contract.enums import (
    Classifier,
    ExportPlatform,
    ExportStatus,
    OrderBy,
    SortBy,
    TagType,
    TrainingType,
)
from dahlia.server.contract.fields import Answer, Moment
from dahlia.server.contract.models import BoundingBox, ImageRegion, ImageTag


class CustomBaseModelInfo(Answer):
    """The iteration that a training starts from."""

    project_id: str
    iteration_id: str


class Iteration(Answer):
    """A training and its result; `trainedAt` is absent until it is trained."""

    id: str
    name: str
    status: str = Field(description="Training, Completed or Failed")
    created: Moment
    last_modified: Moment
    trained_at: Moment | None = None
    project_id: str
    exportable: bool
    exportable_to: tuple[str, ...] | None
    domain_id: str | None
    classification_type: Classifier | None
    training_type: TrainingType
    reserved_budget_in_hours: int
    training_time_in_minutes: int
    publish_name: str | None
    original_publish_resource_id: str | None
    custom_base_model_info: CustomBaseModelInfo | None
    training_error_details: str | None
    is_default: bool = Field(default=False, description="only in versions 1 and 2")


class TagPerformance(Answer):
    """How good a tag is."""

    id: str
    name: str
    precision: float
    precision_std_deviation: float
    recall: float
    recall_std_deviation: float
    average_precision: float


class IterationPerformance(Answer):
    """How good an iteration is, by images that were held out."""

    per_tag_performance: tuple[TagPerformance, ...]
    precision: float
    precision_std_deviation: float
    recall: float
    recall_std_deviation: float
    average_precision: float


class Prediction(Answer):
    """A tag and how probable it is; the box is there in detection only."""

    probability: float
    tag_id: str
    tag_name: str
    bounding_box: BoundingBox | None = None
    tag_type: TagType


class ImagePerformance(Answer):
    """An image with its tags, and its held-out predictions."""

    predictions: tuple[Prediction, ...]
    id: str
    created: Moment
    width: int
    height: int
    image_uri: str
    thumbnail_uri: str
    tags: tuple[ImageTag, ...] = ()
    regions: tuple[ImageRegion, ...] = ()


class Export(Answer):
    """An iteration in a format."""

    platform: ExportPlatform
    status: ExportStatus
    download_uri: str | None
    flavor: str | None
    newer_version_available: bool


class ImagePrediction(Answer):
    """An iteration's prediction of an image."""

    id: str
    project: str
    iteration: str
    created: Moment
    predictions: tuple[Prediction, ...]


class StoredImagePrediction(ImagePrediction):
    """A stored prediction."""

    resized_image_uri: str
    thumbnail_uri: str
    original_image_uri: str
    domain: str


class SuggestedTagAndRegion(ImagePrediction):
    """An iteration's suggestion for an untagged image; `id` is the image's."""

    prediction_uncertainty: float


class StoredSuggestedTagAndRegion(StoredImagePrediction):
    """A stored suggestion."""

    width: int
    height: int
    prediction_uncertainty: float


class PredictionQueryTag(Answer):
    """Predictions by the probability of a tag."""

    id: str
    min_threshold: float | None
    max_threshold: float | None


class PredictionQueryToken(Answer):
    """The query, and where to continue; `continuation` is null at the end."""

    session: str
    continuation: str | None
    max_count: int
    order_by: OrderBy
    tags: tuple[PredictionQueryTag, ...]
    iteration_id: str | None
    start_time: Moment | None
    end_time: Moment | None
    application: str | None


class PredictionQueryResult(Answer):
    """A page of stored predictions."""

    token: PredictionQueryToken
    results: tuple[StoredImagePrediction, ...]


class SuggestionQueryToken(Answer):
    """The query, and where to continue; `continuation` is null at the end."""

    tag_ids: tuple[str, ...]
    threshold: float
    session: str
    continuation: str | None
    max_count: int
    sort_by: SortBy


class SuggestionQueryResult(Answer):
    """A page of suggestions."""

    token: SuggestionQueryToken
    results: tuple[StoredSuggestedTagAndRegion, ...]
