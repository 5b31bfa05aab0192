"""Evaluations of iterations as the server sends them: with its own ids of images."""

from __future__ import annotations

from pydantic import Field

from dahlia.evaluation.detection.figures import BoxEvaluation, BoxLabelIssue, BoxMistake, BoxSetFigures
from dahlia.evaluation.figures import Evaluation, LabelIssue, Mistake, Part, SetFigures
from dahlia.kinds import Kind


class ShownImage(Part):
    """Where a client finds an image; `image` is the SHA-256 of its file."""

    image: str
    image_id: str | None = Field(default=None, description="null if it was deleted")
    thumbnail_uri: str | None = None


class MistakenImage(ShownImage, Mistake):
    """An image that was judged wrong."""


class SuspectImage(ShownImage, LabelIssue):
    """An image whose tags are likely wrong."""


class JudgedSet(SetFigures):
    """All figures of one set of images."""

    mistakes: tuple[MistakenImage, ...]


class IterationEvaluation(Evaluation):
    """Everything that the evaluation of a training found."""

    held_out: JudgedSet
    test: JudgedSet | None
    label_issues: tuple[SuspectImage, ...]
    report_uri: str = Field(default="", description="the same as a page; a signed link, which needs no key")


class MistakenBoxes(ShownImage, BoxMistake):
    """An image in which boxes went wrong."""


class SuspectBox(ShownImage, BoxLabelIssue):
    """A region that is likely missing, or whose tag or place is likely wrong."""


class JudgedBoxes(BoxSetFigures):
    """All figures of one set of images."""

    mistakes: tuple[MistakenBoxes, ...]


class DetectorEvaluation(BoxEvaluation):
    """Everything that the evaluation of a detector's training found."""

    held_out: JudgedBoxes
    test: JudgedBoxes | None
    label_issues: tuple[SuspectBox, ...]
    report_uri: str = Field(default="", description="the same as a page; a signed link, which needs no key")


EVALUATIONS: dict[Kind, type[IterationEvaluation] | type[DetectorEvaluation]] = {
    "multiclass": IterationEvaluation,
    "multilabel": IterationEvaluation,
    "detection": DetectorEvaluation,
}
