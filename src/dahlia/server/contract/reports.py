"""What a training found out: its evaluation, and what was wrong with its photos. Not of Custom Vision."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from dahlia.evaluation.figures import Evaluation, LabelIssue, Mistake, SetFigures
from dahlia.server.contract.fields import Answer


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
