"""The figures of an evaluation, as they are kept in `reports/evaluation.json`.

Every number is rounded to six significant decimals when it enters a model, so that two runs write the
same bytes. A figure that is not defined (the precision of a tag that was never predicted) is `null`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from dahlia.kinds import Classification

SIGNIFICANT_DECIMALS = 6


def rounded(value: float) -> float:
    """The value with six significant decimals."""
    return float(f"{value:.{SIGNIFICANT_DECIMALS}g}")


Figure = Annotated[float, AfterValidator(rounded)]


class Part(BaseModel):
    """A part of an evaluation, strict and unchangeable."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,
        alias_generator=to_camel,  # of the server's API; files have the names themselves
        validate_by_name=True,
        validate_by_alias=True,
    )


class Estimate(Part):
    """A figure with its interval.

    Attributes:
        value: the figure, 0 to 1; None where it is not defined.
        low: lower end of the interval; None where `value` is None.
        high: upper end of the interval; None where `value` is None.
        images: the number of images that the figure rests on.
    """

    value: Figure | None
    low: Figure | None
    high: Figure | None
    images: int


class TagFigures(Part):
    """One tag at the threshold.

    Attributes:
        tag: its name.
        negative: whether it is the project's negative tag.
        positives: images that have the tag.
        predicted: images for which its probability reaches the threshold.
        correct: images that are both.
        precision: correct / predicted.
        recall: correct / positives.
        f1: 2 correct / (positives + predicted).
        ap: average precision, over all thresholds.
        auc: area under the ROC curve; None without positives or without negatives.
    """

    tag: str
    negative: bool
    positives: int
    predicted: int
    correct: int
    precision: Estimate
    recall: Estimate
    f1: Estimate
    ap: Estimate
    auc: Figure | None


class OverallFigures(Part):
    """All tags together.

    Attributes:
        images: N.
        correct: images judged right: the most probable tag is the true one (multiclass), or every tag
            is right at the threshold (multilabel).
        accuracy: correct / images.
        precision: correct predictions / predictions, over all tags at the threshold, as the service
            counts.
        recall: correct predictions / true tags, likewise.
        f1: 2 correct / (true tags + predictions).
        ap: mean of the tags' average precision.
        macro_precision: mean over the tags that have one.
        macro_recall: mean over the tags that have one.
        macro_f1: mean over the tags that have one.
    """

    images: int
    correct: int
    accuracy: Estimate
    precision: Estimate
    recall: Estimate
    f1: Estimate
    ap: Estimate
    macro_precision: Estimate
    macro_recall: Estimate
    macro_f1: Estimate


class Confusion(Part):
    """What was taken for what.

    Attributes:
        counts: multiclass: K x K images, rows are true tags, columns the most probable ones.
            Multilabel: one row per tag with [true negatives, false positives, false negatives, true
            positives] at the threshold.
    """

    counts: tuple[tuple[int, ...], ...]


class ReliabilityBin(Part):
    """Predictions of like confidence: how sure they were (mean), and how often they were right."""

    confidence: Figure
    accuracy: Estimate


class Reliability(Part):
    """How far probabilities can be believed.

    Attributes:
        ece: expected calibration error, 0 to 1.
        ece_by_chance: the ECE that a perfectly calibrated model with these confidences would show on
            so few images, on average.
        brier: mean squared error of the probabilities (multiclass: summed over tags).
        nll: mean negative log-likelihood, nats.
        bins: bins of about equal mass, in rising order of confidence.
    """

    ece: Figure
    ece_by_chance: Figure
    brier: Figure
    nll: Figure
    bins: tuple[ReliabilityBin, ...]


class Calibration(Part):
    """Reliability before and after calibration."""

    before: Reliability
    after: Reliability


class Curves(Part):
    """A tag's curves, by falling threshold; empty where they are not defined."""

    tag: str
    precision: tuple[Figure, ...]
    recall: tuple[Figure, ...]
    false_positive_rate: tuple[Figure, ...]
    true_positive_rate: tuple[Figure, ...]


class Mistake(Part):
    """An image that was judged wrong, or right with a probability below the threshold.

    Attributes:
        image: the image's id.
        path: the file, relative to the project folder; None where the manifest does not have it.
        truth: its tags.
        predicted: the most probable tag (multiclass) or the tags at the threshold (multilabel).
        tag: the tag whose probability is most wrong.
        probability: multiclass: of the most probable tag; multilabel: of `tag`.
        true_probability: of the true tag; multilabel: of the true state of `tag`.
        loss: negative log-likelihood of the truth, nats.
    """

    image: str
    path: str | None
    truth: tuple[str, ...]
    predicted: tuple[str, ...]
    tag: str
    probability: Figure
    true_probability: Figure
    loss: Figure


class SetFigures(Part):
    """All figures of one set of images."""

    overall: OverallFigures
    tags: tuple[TagFigures, ...]
    confusion: Confusion
    calibration: Calibration
    curves: tuple[Curves, ...]
    mistakes: tuple[Mistake, ...]


class Threshold(Part):
    """A recommended threshold.

    Attributes:
        tag: the tag.
        threshold: 0 to 1.
        f1: at thresholds chosen without the images on which they are judged.
        precision: likewise.
        recall: likewise.
    """

    tag: str
    threshold: Figure
    f1: Figure | None
    precision: Figure | None
    recall: Figure | None


class LabelIssue(Part):
    """An image whose given tags are likely wrong.

    Attributes:
        image: the image's id.
        path: the file, relative to the project folder; None where the manifest does not have it.
        given: its tags.
        suggested: the tags it likely should have.
        score: the probability of the given tagging; the lower the more likely it is wrong.
    """

    image: str
    path: str | None
    given: tuple[str, ...]
    suggested: tuple[str, ...]
    score: Figure


class TakenForNone(Part):
    """An image with tags that more likely shows none of them, if the model is believed.

    Attributes:
        image: the image's id.
        path: the file, relative to the project folder; None where the manifest does not have it.
        truth: its tags.
        probability: that none of the tags applies, above a half.
    """

    image: str
    path: str | None
    truth: tuple[str, ...]
    probability: Figure


class LearningPoint(Part):
    """How often held-out images were right after learning from so many.

    Attributes:
        share: of the other folds' images.
        images: that were learned from, on average; for a tag, those that have it.
        value: the share of held-out images that were right.
        low: in the worst fold; of more than five, in the worst of five unions.
        high: in the best.
    """

    share: Figure
    images: Figure
    value: Figure
    low: Figure
    high: Figure


class LearningSeries(Part):
    """A learning curve.

    Attributes:
        tag: whose images; None for all together.
        images: held-out images behind each point.
        points: by rising share; shares that no image tells apart are left out.
        gain: what `value` gained from half of the images to all of them; None where there are too few
            images to halve.
        gain_low: lower end of its interval, which compares each image with itself.
        gain_high: upper end of its interval.
    """

    tag: str | None
    images: int
    points: tuple[LearningPoint, ...]
    gain: Figure | None
    gain_low: Figure | None
    gain_high: Figure | None


class Learning(Part):
    """Whether more images would help, from heads fitted on shares of those that are there.

    Attributes:
        recipe: the recipe of the final model. The heads here are quick ones.
        threshold: multilabel: the one used here, which may not be the evaluation's; None in multiclass.
        whole: all images.
        tags: one per tag that has images.
        doubling: what twice the images would likely add to the share that is right; None where the curve
            is no power law or its gain is not clear.
        most_helped: tags that more images would help most, that first; empty where this cannot be told.
        sentences: the verdict; the first says most.
    """

    recipe: Literal["quick", "advanced"]
    threshold: Figure | None
    whole: LearningSeries
    tags: tuple[LearningSeries, ...]
    doubling: tuple[Figure, Figure] | None
    most_helped: tuple[str, ...]
    sentences: tuple[str, ...]


class SceneTag(Part):
    """The scenes of a tag.

    Attributes:
        tag: its name.
        images: held-out images that have it.
        scenes: that they are of.
        judged: whether any of them could be judged without its scene.
    """

    tag: str
    images: int
    scenes: int
    judged: bool


class NewScenes(Part):
    """How good the model is on images of scenes that it has not seen.

    Attributes:
        accuracy: correct / images; its interval draws scenes, not images. Undefined where nothing could be
            judged. Of heads that are fitted as the quick recipe fits them, whichever recipe won.
        correct: images judged right, as `OverallFigures.correct` counts.
        images: that could be judged: not those of tags that have one scene only.
        scenes: that the judged images are of; an image that shares its scene with no other is one.
        shared: held-out images that share their scene with others, judged or not.
        named: whether the user named scenes; else all were found by what images share.
        tags: K, in the order of the columns.
        sentences: the verdict, which figure to expect when, and what neither covers.
    """

    accuracy: Estimate
    correct: int
    images: int
    scenes: int
    shared: int
    named: bool
    tags: tuple[SceneTag, ...]
    sentences: tuple[str, ...]


class Evaluation(Part):
    """Everything that evaluation finds.

    Attributes:
        classification: `multiclass` or `multilabel`.
        tags: K names in the order of the columns.
        negative_tag: the name of the negative tag among `tags`, if any.
        threshold: the probability from which a prediction counts.
        confidence: of the intervals, for example 0.95.
        folds: the number of folds behind the held-out predictions.
        learned_share: how many of a tag's images the model that judged one of them had learned from, on
            average; None in older files.
        held_out: images of the dataset, each judged by a model that did not see it.
        test: the user's own test set, judged by the final model; None where there is none.
        thresholds: one per tag.
        label_issues: most likely wrong first; of the held-out images.
        learning: whether more images would help; None where training did not measure it.
        new_scenes: of the held-out images; None where training looked for no scenes.
        taken_for_none: held-out images that look like none of the tags, surest first; None where the model
            has no gate.
    """

    format: Literal[1] = 1
    classification: Classification
    tags: tuple[str, ...]
    negative_tag: str | None
    threshold: Figure
    confidence: Figure
    folds: int
    learned_share: Figure | None = None
    held_out: SetFigures
    test: SetFigures | None
    thresholds: tuple[Threshold, ...]
    label_issues: tuple[LabelIssue, ...]
    learning: Learning | None = None
    new_scenes: NewScenes | None = None
    taken_for_none: tuple[TakenForNone, ...] | None = None
