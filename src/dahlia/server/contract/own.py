"""What the server sends and takes beyond Custom Vision.

Of itself: keys, audit log, jobs, workers, limits. Of projects and iterations: summaries, reports, heat maps.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from dahlia.server.contract.enums import JobKind, JobLane, JobState, TrainingType
from dahlia.server.contract.fields import Answer, Body, Moment, Number
from dahlia.server.contract.iterations import ImagePrediction
from dahlia.server.contract.models import Project
from dahlia.server.keys.keys import Scope

SHORTEST_LIFE, LONGEST_LIFE = 1 / 1440, 36_500  # days
Continuation = Annotated[str | None, Field(description="send it to get the next page; null at the end")]


class Key(Answer):
    """A key without its secret."""

    id: str
    name: str
    hint: str = Field(description="its last four characters")
    scope: Scope
    project_id: str | None = Field(description="the only project that it opens; null for all")
    created: Moment
    expires: Moment | None = Field(description="null for never")
    revoked: Moment | None
    is_active: bool = Field(description="neither revoked nor expired")


class NewKey(Key):
    """A new key."""

    key: str = Field(description="the secret, which is shown only once and not stored")


class KeyOptions(Body):
    """The key to create."""

    name: str
    scope: Scope
    project_id: str | None = Field(default=None, description="the only project that it opens")
    days: Number | None = Field(
        default=None,
        ge=SHORTEST_LIFE,
        le=LONGEST_LIFE,
        description="after which it ends, at least a minute (default: never)",
    )


class SignInToken(Body):
    """What a sign-in link has."""

    token: str = Field(description="the last part of the link")


class KeyPage(Answer):
    """Keys, the newest first."""

    results: tuple[Key, ...]
    continuation: Continuation


class AuditLine(Answer):
    """A change, and whose key made it."""

    created: Moment
    action: str = Field(description="the operation, such as `create_project`")
    key_id: str | None = Field(description="null for the server's operator and workers")
    key_name: str | None
    project_id: str | None
    request_id: str = Field(description="the header `apim-request-id` of its answer")
    details: dict[str, Any]


class AuditPage(Answer):
    """Lines of the audit log, the newest first."""

    results: tuple[AuditLine, ...]
    continuation: Continuation


class JobProgress(Answer):
    """How far a job is; see the progress of an iteration."""

    stage: str | None
    share: float = Field(description="0 to 1 of the estimated time")
    seconds_left: int | None
    place: int | None = Field(description="in the queue, 1 for the next; null unless it waits")
    waits_for: str | None
    seconds_until_start: int | None
    error: str | None


class Job(Answer):
    """A training, an export or an import."""

    id: str
    kind: JobKind
    state: JobState
    lane: JobLane
    project_id: str
    project_name: str
    iteration_id: str | None
    iteration_name: str | None
    platform: str | None = Field(description="of an export")
    flavor: str | None
    created: Moment
    started: Moment | None
    ended: Moment | None
    attempts: int
    worker: str | None
    is_being_cancelled: bool
    stage: str | None = Field(description="what its worker reported last")
    share: float
    error: str | None


class JobDetails(Job):
    """A job with its place in the queue, or the remaining time."""

    progress: JobProgress


class JobPage(Answer):
    """Jobs, the newest first."""

    results: tuple[Job, ...]
    continuation: Continuation


class Worker(Answer):
    """An active worker process."""

    name: str
    lane: JobLane
    started: Moment | None
    seen: Moment | None = Field(description="when it last reported")
    job_id: str | None = Field(description="of its current job, or null")


class Lane(Answer):
    """How many jobs of a lane there are, and how many workers take them."""

    lane: JobLane
    workers: int
    waiting: int
    running: int


class ExportChoice(Answer):
    """What iterations of compact domains can be exported to."""

    platform: str
    flavors: tuple[str | None, ...] = Field(description="null is the platform without a flavor")


class Features(Answer):
    """What this server does."""

    url_fetch: str = Field(description="which addresses images are fetched from: public, any or off")
    detection_training: bool
    exports: tuple[ExportChoice, ...]


class Info(Answer):
    """The server."""

    version: str
    time: Moment = Field(description="by the server's clock")
    limits: dict[str, int | float] = Field(description="the settings of the section `limits`, and maxBodyMb")
    features: Features
    lanes: tuple[Lane, ...]
    warnings: tuple[str, ...] = Field(description="why some functions are off; empty if all work")


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
    groups: int | None = Field(
        description="in how many groups of metadata they are; null where there are none"
    )


class IterationValidation(Answer):
    """The findings about images and tags before a training."""

    stops: bool = Field(description="whether training could not start")
    files: int
    images: int = Field(description="that were used")
    counts: dict[str, int] = Field(description="findings by severity")
    groups: int | None = Field(description="that metadata names; null where there are none")
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
    overlap: float | None = Field(
        description="of a detector: least overlap of a box that is right, also for the average precision"
    )
    accuracy: Interval | None = Field(description="null for a detector")
    precision: Interval
    recall: Interval
    average_precision: Interval
    new_scenes_accuracy: Interval | None = Field(
        description="on images of scenes that the model has not seen; null of detectors, and of iterations "
        "of earlier versions"
    )


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

    none_of_these: float = Field(
        alias="none_of_these", description="probability that none of the tags applies, 0 to 1"
    )
    activation: ActivationMap
