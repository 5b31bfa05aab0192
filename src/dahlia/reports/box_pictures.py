"""Photos with their boxes, as the report of a detector shows them, and what it says below each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dahlia.dataset.records import ImageRecord
from dahlia.evaluation.detection.faults import Sorted, sort_boxes
from dahlia.evaluation.detection.figures import (
    BoxEvaluation,
    BoxFault,
    BoxLabelIssue,
    BoxMistake,
    Place,
    Problem,
)
from dahlia.evaluation.detection.matching import NONE, matched, tabulated
from dahlia.modeling.box_predictions import BoxPredictions
from dahlia.reports.box_view import FAULTS
from dahlia.reports.boxes import Drawing, Outline, drawing

MOST_LABELLED = 6  # right boxes of a photo of which the scores are written too
PROBLEMS: dict[Problem, tuple[tuple[str, str], ...]] = {
    "missing": (("not drawn", "good"),),
    "wrong_tag": (("drawn as", "struck"), ("rather", "good")),
    "misplaced": (("drawn elsewhere", ""),),
}


@dataclass(frozen=True)
class Pictured:
    """A photo with boxes, and what to say of it.

    Attributes:
        picture: the photo and its boxes.
        name: of the file.
        lines: what is said of a box, of which one, and its style.
        note: what else there is to say.
    """

    picture: Drawing
    name: str
    lines: tuple[tuple[str, str, str], ...]
    note: str


class Pictures:
    """Draws the boxes of photos.

    Args:
        predictions: what was found.
        evaluation: its threshold, overlap and tags.
        records: the manifest, for the sizes of photos.
        thumbnail: image id to a `data:` URI, or None.
    """

    def __init__(
        self,
        predictions: BoxPredictions,
        evaluation: BoxEvaluation,
        records: Sequence[ImageRecord],
        thumbnail: Callable[[str], str | None],
    ) -> None:
        self._predictions = predictions
        self._evaluation = evaluation
        self._rows = {image: row for row, image in enumerate(predictions.ids)}
        self._sizes: Mapping[str, tuple[int, int]] = {
            record.id: (record.width, record.height) for record in records
        }
        self._thumbnail = thumbnail

    def mistakes(self, mistakes: Sequence[BoxMistake]) -> list[Pictured]:
        """Photos with all their boxes, those that went wrong drawn strongly."""
        return [self._mistake(each) for each in mistakes]

    def label_issues(self, issues: Sequence[BoxLabelIssue]) -> list[Pictured]:
        """Photos with the box that was drawn and the one that is suggested; the others are thin."""
        return [self._label_issue(each) for each in issues]

    def _mistake(self, mistake: BoxMistake) -> Pictured:
        sorted_boxes = self._sorted(mistake.image)
        outlines = [*_true_outlines(sorted_boxes), *_found_outlines(sorted_boxes)]
        outlines.sort(key=lambda outline: not outline.strong)
        return Pictured(
            picture=self._drawn(mistake.image, outlines),
            name=mistake.path or mistake.image,
            lines=tuple(_told(mistake.faults)),
            note=f"{mistake.correct} of {mistake.boxes} found" if mistake.boxes else "no box is drawn here",
        )

    def _label_issue(self, issue: BoxLabelIssue) -> Pictured:
        number = self._evaluation.tags.index
        place, sure = _tuple(issue.suggested_place), f"{issue.probability:.0%}"
        outlines = [Outline(place, number(issue.suggested), "dashed", True, issue.suggested, sure)]
        if issue.place is not None and issue.given is not None:
            outlines.append(Outline(_tuple(issue.place), number(issue.given), "solid", True, issue.given))
        truth = self._predictions.truth[self._rows[issue.image]]
        given = None if issue.place is None else np.array(_tuple(issue.place))
        outlines += [
            Outline(place.tolist(), int(tag), strong=False)
            for tag, place in zip(truth.tags, truth.places, strict=True)
            if given is None or not np.allclose(place, given, atol=1e-4)
        ]
        return Pictured(
            picture=self._drawn(issue.image, outlines),
            name=issue.path or issue.image,
            lines=tuple(
                (key, name, style)
                for (key, style), name in zip(
                    PROBLEMS[issue.problem],
                    [issue.given or issue.suggested, issue.suggested],
                    strict=False,
                )
            ),
            note=_issue_note(issue),
        )

    def _sorted(self, image: str) -> Sorted:
        table = tabulated(self._predictions.where(np.array([self._rows[image]])))
        overlap = self._evaluation.overlap
        return sort_boxes(table, matched(table, overlap), self._evaluation.threshold, overlap)

    def _drawn(self, image: str, outlines: Sequence[Outline]) -> Drawing:
        return drawing(self._thumbnail(image), self._sizes.get(image, (4, 3)), outlines)


def _true_outlines(sorted_boxes: Sorted) -> list[Outline]:
    table, missed = sorted_boxes.table, sorted_boxes.missed
    swapped = set(sorted_boxes.swapped.tolist())
    return [
        Outline(
            place=table.true_place[true].tolist(),
            colour=int(tag),
            strong=bool(missed[true]) or true in swapped,
            label=table.tags[tag] if missed[true] or true in swapped else "",
            ending="missed" if missed[true] else "",
        )
        for true, tag in enumerate(table.true_tag.tolist())
    ]


def _found_outlines(sorted_boxes: Sorted) -> list[Outline]:
    table, wrong = sorted_boxes.table, sorted_boxes.wrong
    all_labelled = int((sorted_boxes.right != NONE).sum()) <= MOST_LABELLED
    return [
        Outline(
            place=table.place[found].tolist(),
            colour=int(table.tag[found]),
            line="dashed",
            strong=bool(wrong[found]),
            label=table.tags[table.tag[found]] if wrong[found] or all_labelled else "",
            ending=f"{table.score[found]:.0%}" if wrong[found] or all_labelled else "",
        )
        for found in np.flatnonzero(sorted_boxes.chosen).tolist()
    ]


def _told(faults: Sequence[BoxFault]) -> list[tuple[str, str, str]]:
    """Each way of going wrong once, with the tags and how sure the model was."""
    told: dict[str, list[str]] = {}
    for fault in faults:
        sure = "" if fault.fault == "missed" else f" {fault.score:.0%}"
        tag = f"{fault.tag}{sure}" if fault.true_tag is None else f"{fault.tag}{sure}, is {fault.true_tag}"
        told.setdefault(FAULTS[fault.fault], []).append(tag)
    return [(name, _listed(tags), "") for name, tags in told.items()]


def _listed(names: Sequence[str]) -> str:
    counted = {name: list(names).count(name) for name in names}
    told = [name if count == 1 else f"{count} × {name}" for name, count in counted.items()]
    return "; ".join(told[:3]) + (f"; {len(told) - 3} more" if len(told) > 3 else "")


def _issue_note(issue: BoxLabelIssue) -> str:
    sure = f"the model is {issue.probability:.0%} sure"
    return sure if issue.overlap is None else f"{sure}; the boxes overlap by {issue.overlap:.0%}"


def _tuple(place: Place) -> tuple[float, float, float, float]:
    return place.left, place.top, place.width, place.height
