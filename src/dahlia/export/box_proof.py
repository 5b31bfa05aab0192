"""The proof of a detector's export: it must find in real photos what the trained detector finds.

Suppression chooses between boxes of one object that are all but equal, so two right ways of computing them
may keep different ones. What the trained detector says before suppression tells such choices from errors:

1. Every box that the file gives is a candidate of the trained detector: of the same tag, in the same place,
   with the same score.
2. Every box that the trained detector gives is in the file's answer, or one is that overlaps it enough to
   suppress it and scores no less.
3. No two boxes in the file's answer should have been suppressed, and none is missing or too many at the end.

So a box counts as replaced only by what the trained detector also found there, and by a margin within the
gates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from dahlia.boxes import Boxes, overlaps
from dahlia.dataset.records import ImageRecord
from dahlia.errors import VerificationError
from dahlia.export.box_accuracy import OVERLAP, mean_average_precision
from dahlia.export.port import Batch, OpenedDetector, detector_of
from dahlia.export.verify import ADVICE, LIMITS, Limit, asked_photos, require_labels
from dahlia.modeling.card import DetectorCard, ModelCard
from dahlia.modeling.detection.outputs import MOST_CANDIDATES
from dahlia.modeling.detection.reference import BoxReference
from dahlia.modeling.reference import whole_photos

SAME = 0.99
"""Intersection over union of a box and the same box, computed in another way."""
_MARGIN = 2 * (1 - SAME)  # by so much the overlap of two boxes may differ, each of which differs by that
_EXACT = 1e-6  # of numbers that went through float32

BOX_LIMITS = {**LIMITS, "int8": Limit(None, 0.02)}
"""What is allowed of a precision; the accuracy is mean average precision at an overlap of 0.5."""

_TRAINED_ON = (
    "The detector was trained on these photos. The figures show what the precision changes, not how good it "
    "is: on new photos both are lower, and the difference may be another. A test set is judged instead."
)


@dataclass(frozen=True)
class BoxPhotos:
    """N photos, and what the trained detector says of them.

    Attributes:
        paths: of the files, relative to the project folder.
        pixels: (N, 3, size, size) float32 RGB, 0 to 255.
        expected: of each, the boxes of the trained detector.
        candidates: of each, the boxes before suppression.
        truth: of each, the boxes that people drew.
        held_out: (N,) whether a photo is of the user's own test set, which training never saw.
    """

    paths: tuple[str, ...]
    pixels: Batch
    expected: tuple[Boxes, ...]
    candidates: tuple[Boxes, ...]
    truth: tuple[Boxes, ...]
    held_out: npt.NDArray[np.bool_]


def box_photos(
    reference: BoxReference, card: ModelCard, records: Sequence[ImageRecord], root: Path, count: int
) -> BoxPhotos:
    """Read photos that the trained detector was asked about; see `verification_set`.

    Raises:
        DatasetError: a photo vanished or changed after ingest.
        VerificationError: none of the photos is left.
    """
    chosen = asked_photos(reference.ids, records, count)
    rows = [reference.ids.index(record.id) for record in chosen]
    columns = {tag.name: column for column, tag in enumerate(card.tags)}
    return BoxPhotos(
        paths=tuple(record.path for record in chosen),
        pixels=whole_photos(chosen, root, card.input.size),
        expected=tuple(reference.found[row] for row in rows),
        candidates=tuple(reference.candidates[row] for row in rows),
        truth=tuple(_drawn(record, columns) for record in chosen),
        held_out=np.array([record.subset == "test" for record in chosen], bool),
    )


def _drawn(record: ImageRecord, columns: dict[str, int]) -> Boxes:
    regions = [one for one in record.regions if one.tag in columns]
    places = [(one.left, one.top, one.width, one.height) for one in regions]
    return Boxes(
        np.array([columns[one.tag] for one in regions], np.int32),
        np.array(places, np.float32).reshape(-1, 4),
        np.ones(len(regions), np.float32),
    )


@dataclass(frozen=True)
class BoxComparison:
    """Two ways of finding the same boxes in N photos.

    Attributes:
        images: N.
        boxes: how many the trained detector finds with a score of `least` or more.
        least: the lowest score that it gives.
        replaced: how many of these the artifact replaces by a candidate that is all but as good, or leaves
            out because their score is at the limit. Of a file that may differ: for how many it has no box
            that overlaps by a half.
        overlap: the lowest intersection over union of a box and the same box of the artifact.
        largest: the largest absolute difference of their scores.
        worst: the path of the photo in which they differ most.
        problem: what the artifact does wrong, first of all; None where nothing.
        before: the trained detector's mean average precision at an overlap of 0.5, on the photos that
            `judged_on` names; NaN where they have no box.
        after: the artifact's, on the same.
        judged: how many photos these are.
        held_out: whether these are the user's own test photos, which training never saw; else they are
            photos trained on.
    """

    images: int
    boxes: int
    least: float
    replaced: int
    overlap: float
    largest: float
    worst: str
    problem: str | None
    before: float
    after: float
    judged: int
    held_out: bool

    @property
    def judged_on(self) -> str:
        """What the photos are."""
        return "test photos" if self.held_out else "photos trained on"

    def figures(self) -> dict[str, object]:
        """For `verification.json`."""
        return {
            "images": self.images,
            "boxes": self.boxes,
            "boxes_replaced": self.replaced,
            "lowest_overlap": self.overlap,
            "largest_difference": self.largest,
            "image_that_differs_most": self.worst,
            "accuracy": {
                "figure": "mean average precision at an overlap of 0.5",
                "images": self.judged,
                "of": self.judged_on,
                "held_out": self.held_out,
                "trained_model": _number(self.before),
                "artefact": _number(self.after),
            }
            | ({} if self.held_out else {"meaning": _TRAINED_ON}),
        }

    def words(self, limit: Limit) -> str:
        """For people who watch."""
        if limit.difference is None:
            return f"{self.judged} {self.judged_on}, mAP@50 {self.after:.1%} of {self.before:.1%}"
        return (
            f"{self.boxes} boxes above {100 * self.least:g} % in {self.images} photos, overlap at least "
            f"{self.overlap:.4f}, largest difference {self.largest:.1e} "
            f"(limit {limit.difference:g}), {self.replaced} replaced"
        )


def _number(value: float) -> float | None:
    return value if np.isfinite(value) else None


def compare_boxes(photos: BoxPhotos, opened: OpenedDetector, card: ModelCard, limit: Limit) -> BoxComparison:
    """Run the artifact on photos, one at a time, as its users will.

    Args:
        photos: photos and what the trained detector says of them.
        opened: the file that users get, in its own runtime.
        card: of the trained detector.
        limit: how much scores may differ; without one, all but labels and accuracy goes unchecked.

    Raises:
        VerificationError: the labels are not the detector's, it cannot be run, or answers what is no number.
    """
    require_labels(opened.labels, card)
    how = detector_of(card)
    received = tuple(opened.find(image[None]) for image in photos.pixels)
    judged = photos.held_out if photos.held_out.any() else np.ones_like(photos.held_out)
    rows = np.flatnonzero(judged).tolist()
    truth = [photos.truth[row] for row in rows]
    gate = limit.difference
    matched = [
        _alike(said, given) if gate is None else _matched(said, before, given, how, gate)
        for said, before, given in zip(photos.expected, photos.candidates, received, strict=True)
    ]
    worst = int(np.argmax([max(one.largest, 1 - one.overlap) for one in matched]))
    problems = [
        f"in {path} {one.problem}" for path, one in zip(photos.paths, matched, strict=True) if one.problem
    ]
    return BoxComparison(
        images=len(photos.paths),
        boxes=sum(map(len, photos.expected)),
        least=how.least,
        replaced=sum(one.replaced for one in matched),
        overlap=min(one.overlap for one in matched),
        largest=max(one.largest for one in matched),
        worst=photos.paths[worst],
        problem=problems[0] if problems else None,
        before=mean_average_precision([photos.expected[row] for row in rows], truth),
        after=mean_average_precision([received[row] for row in rows], truth),
        judged=len(rows),
        held_out=bool(photos.held_out.any()),
    )


@dataclass(frozen=True)
class _Matched:
    """One photo: the same boxes, those that were replaced, and the first error, as the end of a sentence."""

    overlap: float
    largest: float
    replaced: int
    problem: str | None


def _matched(expected: Boxes, candidates: Boxes, received: Boxes, how: DetectorCard, gate: float) -> _Matched:
    near = how.least + gate
    shared = _overlaps_of_tags(received, candidates)
    differences = np.abs(received.scores[:, None].astype(np.float64) - candidates.scores[None])
    same = (shared >= SAME) & (differences <= gate + _EXACT)
    known = same.any(1)
    problem = _wrong_answer(received, how, gate)
    # More than the reference keeps of one photo: what scores less than its last is not in it.
    strange = np.flatnonzero(~known & (received.scores > near) & (received.scores > _last(candidates)))
    if problem is None and len(strange):
        row = int(strange[0])
        problem = (
            f"it finds a box of tag {received.tags[row]} with a score of {received.scores[row]:.4f} "
            f"{_nearest(shared[row], differences[row])}"
        )
    cut = float(received.scores.min()) + 2 * gate if len(received) >= how.most else 0.0
    between = _overlaps_of_tags(expected, received)
    gaps = expected.scores[:, None].astype(np.float64) - received.scores[None]
    found = ((between >= SAME) & (np.abs(gaps) <= gate + _EXACT)).any(1)
    replaced = ((between >= how.overlap - _MARGIN) & (gaps <= 2 * gate + _EXACT)).any(1)
    low = expected.scores <= max(near, cut)
    missing = np.flatnonzero(~found & ~replaced & ~low)
    if problem is None and len(missing):
        row = int(missing[0])
        problem = (
            f"it does not find the box of tag {expected.tags[row]} with a score of {expected.scores[row]:.4f}"
        )
    pairs = np.where(same, differences, np.inf)
    return _Matched(
        overlap=float(np.where(same, shared, 0).max(1)[known].min()) if known.any() else 1.0,
        largest=float(pairs[known].min(1).max()) if known.any() else 0.0,
        replaced=int((~found).sum()),
        problem=problem,
    )


def _alike(expected: Boxes, received: Boxes) -> _Matched:
    """One photo of a file that may differ: each expected box, and the received one that overlaps it most."""
    overlap, largest, found = 1.0, 0.0, 0
    if len(expected) and len(received):
        shared = _overlaps_of_tags(expected, received)
        best = shared.argmax(1)
        nearest = shared[np.arange(len(best)), best]
        kept = nearest >= OVERLAP
        differences = np.abs(expected.scores.astype(np.float64) - received.scores[best])
        overlap = float(nearest[kept].min(initial=1.0))
        largest = float(differences[kept].max(initial=0.0))
        found = int(kept.sum())
    return _Matched(overlap, largest, replaced=len(expected) - found, problem=None)


def _wrong_answer(received: Boxes, how: DetectorCard, gate: float) -> str | None:
    """What cannot be right whatever the photo shows."""
    if not (np.isfinite(received.scores).all() and np.isfinite(received.places).all()):
        return "it gives what is no number"
    if (np.diff(received.scores) > 0).any():
        return "it does not give the highest score first"
    if len(received) > how.most or (received.scores < how.least - gate - _EXACT).any():
        return f"it gives more than {how.most} boxes, or scores below {how.least:g}"
    shared = np.triu(_overlaps_of_tags(received, received), 1)
    if (shared > how.overlap + _MARGIN).any():
        return (
            f"it gives boxes of one tag that overlap by {shared.max():.2f}, where {how.overlap:g} is allowed"
        )
    return None


def _overlaps_of_tags(first: Boxes, second: Boxes) -> npt.NDArray[np.float32]:
    """(A, B) intersection over union; 0 for boxes of different tags."""
    return np.where(first.tags[:, None] == second.tags[None], overlaps(first.places, second.places), 0)


def _last(candidates: Boxes) -> float:
    return float(candidates.scores.min()) if len(candidates) >= MOST_CANDIDATES else 0.0


def _nearest(shared: npt.NDArray[np.float32], differences: npt.NDArray[np.float64]) -> str:
    if not shared.any():
        return "where the trained detector finds none of that tag"
    best = int(shared.argmax())
    return (
        f"that overlaps the nearest of the trained detector by {shared[best]:.4f} (at least {SAME:g} is "
        f"expected) and whose score differs by {differences[best]:.2g}"
    )


def require_boxes(comparison: BoxComparison, limit: Limit, artifact: str) -> None:
    """Refuse an artifact that does not find what the trained detector finds.

    Raises:
        VerificationError: it exceeds the limit; the message names a photo.
    """
    if limit.difference is not None and comparison.problem:
        raise VerificationError(
            f"{artifact} does not find what the trained detector finds (scores may differ by "
            f"{limit.difference:g}): {comparison.problem}. {ADVICE}"
        )
    if limit.accuracy is not None and not np.isfinite(comparison.before):
        raise VerificationError(
            f"{artifact} is judged by its mean average precision on photos with boxes, and the "
            f"{comparison.judged} {comparison.judged_on} have none. Nothing was written. Take the flavour "
            "float16, or draw boxes in them."
        )
    loss = comparison.before - comparison.after
    if limit.accuracy is not None and not loss <= limit.accuracy + 1e-9:
        raise VerificationError(
            f"{artifact} may lose {limit.accuracy:.0%} of mean average precision (at an overlap of 0.5) and "
            f"loses {loss:.1%} on {comparison.judged} {comparison.judged_on}: {comparison.before:.1%} "
            f"before, {comparison.after:.1%} after. Nothing was written. Take the flavour float16, or add "
            "photos: they tell its ranges, and with few of them one box is a point."
        )
