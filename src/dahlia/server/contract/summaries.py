"""Projects and iterations at a glance. Not of Custom Vision."""

from __future__ import annotations

from pydantic import Field

from dahlia.server.contract.administration import Continuation
from dahlia.server.contract.enums import TrainingType
from dahlia.server.contract.fields import Answer, Moment
from dahlia.server.contract.models import Project


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
