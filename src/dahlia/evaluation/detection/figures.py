"""The figures of a detector, as they are kept in `reports/evaluation.json`.

Rules of rounding and of figures that are not defined are those of `dahlia.evaluation.figures`. An overlap is
the intersection over union of two boxes, 0 to 1. Intervals draw photos, not boxes, so `Estimate.images` is
the number of photos with a box that the figure counts.
"""

from __future__ import annotations

from typing import Literal

from dahlia.evaluation.figures import Calibration, Estimate, Figure, Part

Fault = Literal["missed", "wrong_tag", "misplaced", "duplicate", "nothing_there"]
Problem = Literal["missing", "wrong_tag", "misplaced"]


class Place(Part):
    """Where a box is, in fractions of the photo's size, from its top left corner."""

    left: Figure
    top: Figure
    width: Figure
    height: Figure


class BoxTagFigures(Part):
    """One tag, at the threshold and the overlap.

    Attributes:
        tag: its name.
        images: photos that have a true box of it.
        boxes: its true boxes.
        predicted: found boxes of it whose score reaches the threshold.
        correct: those among them that are right: see `dahlia.evaluation.detection.matching`.
        precision: correct / predicted.
        recall: correct / boxes.
        f1: 2 correct / (boxes + predicted).
        ap: average precision at the overlap, over all thresholds.
        ap30: the same at an overlap of 0.3.
        ap50: the same at 0.5.
        ap50_95: mean of those at 0.5, 0.55 and so on to 0.95.
    """

    tag: str
    images: int
    boxes: int
    predicted: int
    correct: int
    precision: Estimate
    recall: Estimate
    f1: Estimate
    ap: Estimate
    ap30: Estimate
    ap50: Estimate
    ap50_95: Estimate


class BoxOverallFigures(Part):
    """All tags together.

    Attributes:
        images: N photos.
        empty: those that have no true box.
        correct_images: photos in which every box was found and none is wrong.
        boxes: true boxes.
        predicted: found boxes whose score reaches the threshold.
        correct: those among them that are right.
        faults: how many boxes went wrong in which way; see `BoxFault`.
        precision: correct / predicted, all tags pooled.
        recall: correct / boxes, likewise.
        f1: 2 correct / (boxes + predicted), likewise.
        ap: mean of the tags' average precision at the overlap.
        map30: the same at an overlap of 0.3.
        map50: the same at 0.5.
        map: the same, mean over 0.5 to 0.95: the main figure of COCO.
    """

    images: int
    empty: int
    correct_images: int
    boxes: int
    predicted: int
    correct: int
    faults: dict[Fault, int]
    precision: Estimate
    recall: Estimate
    f1: Estimate
    ap: Estimate
    map30: Estimate
    map50: Estimate
    map: Estimate


class BoxConfusion(Part):
    """What was taken for what.

    Attributes:
        counts: (K + 1) x (K + 1) boxes at the threshold and the overlap. Rows are true tags, and at the end
            none, for found boxes that match no true one; columns are found tags, and at the end missed.
    """

    counts: tuple[tuple[int, ...], ...]


class TagCurve(Part):
    """A tag's precision and recall by falling threshold, as average precision counts them.

    Attributes:
        tag: its name.
        precision: the best one at this recall or a higher one; empty for a tag without true boxes.
        recall: rising.
    """

    tag: str
    precision: tuple[Figure, ...]
    recall: tuple[Figure, ...]


class ByOverlap(Part):
    """The mean of the tags' average precision at an overlap."""

    overlap: Figure
    map: Figure | None


class BoxFault(Part):
    """A box that went wrong.

    Attributes:
        fault: `missed`: a true box for which none was found. `wrong_tag`: a found box on a true one of
            another tag. `misplaced`: one that overlaps a true one of its tag too little. `duplicate`: one on
            a true box that another found. `nothing_there`: any other.
        tag: of the box; of `wrong_tag`, the one that was found.
        true_tag: of `wrong_tag`, the true one.
        place: of the box.
        score: of the found box; of `missed` the highest below the threshold that would have been right, or 0.
    """

    fault: Fault
    tag: str
    true_tag: str | None = None
    place: Place
    score: Figure


class BoxMistake(Part):
    """A photo in which boxes went wrong.

    Attributes:
        image: the photo's id.
        path: the file, relative to the project folder; None where the manifest does not have it.
        boxes: true boxes.
        correct: those that were found.
        faults: the worst first.
        loss: the sum of the faults: 1 - score of what was missed, the score of what was found wrongly.
    """

    image: str
    path: str | None
    boxes: int
    correct: int
    faults: tuple[BoxFault, ...]
    loss: Figure


class BoxSetFigures(Part):
    """All figures of one set of photos."""

    overall: BoxOverallFigures
    tags: tuple[BoxTagFigures, ...]
    confusion: BoxConfusion
    calibration: Calibration | None
    curves: tuple[TagCurve, ...]
    by_overlap: tuple[ByOverlap, ...]
    mistakes: tuple[BoxMistake, ...]


class BoxThreshold(Part):
    """A recommended threshold.

    Attributes:
        tag: the tag; None for one threshold for all tags.
        threshold: 0 to 1.
        f1: at thresholds chosen without the photos on which they are judged.
        precision: likewise.
        recall: likewise.
    """

    tag: str | None
    threshold: Figure
    f1: Figure | None
    precision: Figure | None
    recall: Figure | None


class BoxLabelIssue(Part):
    """A box that is likely missing, or whose tag or place is likely wrong.

    Attributes:
        image: the photo's id.
        path: the file, relative to the project folder; None where the manifest does not have it.
        problem: `missing`: nothing is drawn where the model is sure. `wrong_tag`: the drawn box has another
            tag. `misplaced`: the drawn box is elsewhere than the model is sure it is.
        given: the tag of the drawn box; None where it is missing.
        place: of the drawn box; None where it is missing.
        suggested: the tag that the model is sure of.
        suggested_place: where the model is sure the object is.
        probability: the score of the model's box.
        overlap: of the two boxes; None where one is missing.
        score: how likely what was drawn is right, 0 to 1; the lower the more likely it is wrong.
    """

    image: str
    path: str | None
    problem: Problem
    given: str | None
    place: Place | None
    suggested: str
    suggested_place: Place
    probability: Figure
    overlap: Figure | None
    score: Figure


class BoxLearningPoint(Part):
    """One size of the training set: photos learned from, and the mean average precision at 0.5 after that."""

    images: Figure
    map50: Figure


class BoxLearning(Part):
    """Whether more photos would help.

    Attributes:
        points: by rising number of photos.
        gain: what mean average precision gained from about half of the photos to all.
        sentence: the verdict.
    """

    points: tuple[BoxLearningPoint, ...]
    gain: Figure
    sentence: str


class BoxEvaluation(Part):
    """Everything that the evaluation of a detector finds.

    Attributes:
        classification: `detection`.
        tags: K names in the order of the columns.
        threshold: the score from which a found box counts.
        overlap: from which a found box is on a true one.
        confidence: of the intervals, for example 0.95.
        folds: the number of folds behind the held-out predictions.
        learned_share: how many of a tag's photos the model that judged one of them had learned from, on
            average.
        held_out: photos of the dataset, each judged by a model that did not see it.
        test: the user's own test set, judged by the final model; None where there is none.
        thresholds: one per tag.
        common_threshold: for all tags at once.
        label_issues: most likely wrong first; of the held-out photos.
        learning: None where training did not measure it.
    """

    format: Literal[1] = 1
    classification: Literal["detection"]
    tags: tuple[str, ...]
    threshold: Figure
    overlap: Figure
    confidence: Figure
    folds: int
    learned_share: Figure
    held_out: BoxSetFigures
    test: BoxSetFigures | None
    thresholds: tuple[BoxThreshold, ...]
    common_threshold: BoxThreshold
    label_issues: tuple[BoxLabelIssue, ...]
    learning: BoxLearning | None = None
