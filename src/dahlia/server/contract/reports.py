"""What the server sends of projects and iterations beyond Custom Vision: summaries, reports, heat maps."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from dahlia.evaluation.figures import Evaluation, LabelIssue, Mistake, SetFigures
from dahlia.server.contract.administration import Continuation
from dahlia.server.contract.enums import TrainingType
from dahlia.server.contract.fields import Answer, Moment
from dahlia.server.contract.iterations import ImagePrediction
from dahlia.server.contract.models import Project


class MistakenImage(Mistake):
    """An image that was judged wrong; `image` is the SHA-256 of its file."""

    image_id: str | None = Field(default=None, description="null if it was deleted")
    thumbnail_uri: str | None = None


class SuspectImage(LabelIssue):
    """An image whose tags are likely wrong; `image` is the SHA-256 of its file."""

    image_id: str | None = Field(default=None, description="null if it was deleted")
    thumbnail_uri: str | None = None


class JudgedSet(SetFigures):
    """All figures of one set of images."""

    mistakes: tuple[MistakenImage, ...]


class IterationEvaluation(Evaluation):
    """Everything that the evaluation of a training found."""

    held_out: JudgedSet
    test: JudgedSet | None
    label_issues: tuple[SuspectImage, ...]
    report_uri: str = Field(default="", description="the same as a page; a signed link, which needs no key")


class ReportedFile(Answer):
    """An image that a finding is about."""

    name: str
    image_id: str | None = Field(description="null if it was deleted")
    thumbnail_uri: str | None


class ExcludedImage(ReportedFile):
    """An image that training set aside."""

    code: str = Field(description="of the finding that is the reason")


class Finding(Answer):
    """Something that is wrong, or could be better, with some images or tags."""

    code: str
    severity: Literal["error", "warning", "advice"]
    expected: str
    found: str
    what_to_do: str
    tags: tuple[str, ...]
    images: tuple[ReportedFile, ...]


class TagCounts(Answer):
    """Images of a tag."""

    tag: str
    train: int
    test: int


class IterationValidation(Answer):
    """The findings about images and tags before a training."""

    stops: bool = Field(description="whether training could not start")
    files: int
    images: int = Field(description="that were used")
    counts: dict[str, int] = Field(description="findings by severity")
    tags: tuple[TagCounts, ...]
    findings: tuple[Finding, ...]
    excluded: tuple[ExcludedImage, ...]
    report_uri: str = Field(description="the same as a page; a signed link, which needs no key")


class Interval(Answer):
    """A figure from 0 to 1 with its interval; null where it is not defined."""

    value: float | None
    low: float | None
    high: float | None


class MainFigures(Answer):
    """How good an iteration is on images that were held out."""

    images: int
    threshold: float
    accuracy: Interval
    precision: Interval
    recall: Interval
    average_precision: Interval


class IterationSummary(Answer):
    """An iteration at a glance."""

    id: str
    name: str
    status: str = Field(description="Training, Completed or Failed")
    created: Moment
    trained_at: Moment | None
    training_type: TrainingType
    publish_name: str | None
    performance: MainFigures | None = Field(description="of one that is Completed")


class PublishedName(Answer):
    """What predictions name in their path, and what it stands for."""

    publish_name: str
    iteration_id: str
    iteration_name: str


class ProjectSummary(Project):
    """A project with what its page shows first."""

    image_count: int
    tagged_image_count: int
    untagged_image_count: int
    tag_count: int
    region_count: int
    iteration_count: int
    is_training: bool
    last_iteration: IterationSummary | None = Field(description="the newest, whatever its status")
    last_trained_iteration: IterationSummary | None = Field(description="the newest that is Completed")
    published: tuple[PublishedName, ...]


class ProjectPage(Answer):
    """Projects, the oldest first."""

    results: tuple[ProjectSummary, ...]
    continuation: Continuation


class ActivationMap(Answer):
    """How much each part of an image supports a tag."""

    tag_id: str
    tag_name: str
    map: tuple[tuple[float, ...], ...] = Field(
        description="rows from top to bottom, in logits; values above the mean support the tag"
    )


class ExplainedPrediction(ImagePrediction):
    """An iteration's prediction of an image, and its explanation."""

    activation: ActivationMap
