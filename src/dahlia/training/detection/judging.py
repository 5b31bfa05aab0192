"""What models say of photos that they did not see, and how sure they may be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from dahlia.boxes import Boxes, overlaps, unsuppressed
from dahlia.modeling.detection.outputs import picked
from dahlia.modeling.scaling import Scaling, calibrate
from dahlia.params import DetectorParams
from dahlia.training.detection.finder import Finder
from dahlia.training.detection.view_maps import ViewMaps

_RIGHT_FROM = 0.5  # intersection over union
_BATCH = 8
_MOST_POSITIONS = 1000  # of a photo: all would take gigabytes for many tags and photos
_LIMIT = 1 - 1e-6
Numbers = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Answer:
    """What a model says of one photo, before calibration and suppression, at the P most telling positions.

    Attributes:
        logits: (P, K).
        places: (P, 4) left, top, width, height as fractions of the photo.
    """

    logits: Numbers
    places: Numbers


@dataclass(frozen=True)
class FoundBoxes:
    """What is found in one photo.

    Attributes:
        boxes: after suppression, with calibrated scores.
        uncalibrated: (M,) their scores before.
    """

    boxes: Boxes
    uncalibrated: Numbers


UNSCALED = Scaling(1.0, 0.0, 0.0)


def answers(finder: Finder, maps: ViewMaps, rows: Sequence[int]) -> list[Answer]:
    """What a finder says of photos as prediction sees them."""
    finder.eval()
    found: list[Answer] = []
    with torch.inference_mode():
        for start in range(0, len(rows), _BATCH):
            records = np.stack([maps.read(maps.plain, row) for row in rows[start : start + _BATCH]])
            logits, distances = finder(maps.shapes.maps(records))
            corners = finder.decoder(distances) / finder.decoder.size
            places = torch.cat([corners[..., :2], corners[..., 2:] - corners[..., :2]], -1)
            found += [_telling(*pair) for pair in zip(logits.numpy(), places.numpy(), strict=True)]
    return found


def _telling(logits: Numbers, places: Numbers) -> Answer:
    best = logits.max(1)
    kept = np.sort(np.argsort(-best, kind="stable")[:_MOST_POSITIONS])
    return Answer(logits[kept], places[kept])


def found_in(answer: Answer, scaling: Scaling, params: DetectorParams) -> FoundBoxes:
    """The boxes of one photo, as the detector with this calibration gives them."""
    scores = _scores(answer.logits, scaling)
    position, tag = picked(scores, params.least)
    boxes = Boxes(tag.astype(np.int32), answer.places[position], scores[position, tag])
    kept = unsuppressed(boxes, params.overlap, params.least, params.most)
    before = _scores(answer.logits[position], UNSCALED)[np.arange(len(tag)), tag]
    return FoundBoxes(boxes.where(kept), before[kept])


def _scores(logits: Numbers, scaling: Scaling) -> Numbers:
    scores = 1 / (1 + np.exp(-np.clip(scaling.of(logits.astype(np.float64)), -60, 60)))
    return np.asarray(scores / np.maximum(scores.sum(-1, keepdims=True), 1.0), np.float32)


def fit_scaling(found: Sequence[FoundBoxes], truth: Sequence[Boxes]) -> Scaling:
    """The calibration that makes it most probable which boxes are right; Platt scaling, see `calibrate`.

    A box is right that overlaps a true one of its tag by at least a half, if no better one has taken that.

    Args:
        found: boxes that are not calibrated, of photos that the model did not see.
        truth: of the same photos.
    """
    scores = np.concatenate([one.uncalibrated for one in found])
    if not len(scores):
        return UNSCALED
    right = np.concatenate([rights(one.boxes, true) for one, true in zip(found, truth, strict=True)])
    bounded = np.clip(scores.astype(np.float64), 1 - _LIMIT, _LIMIT)
    logits = np.log(bounded / (1 - bounded))
    return calibrate(logits[:, None], right[:, None], "multilabel")


def rights(found: Boxes, truth: Boxes, least: float = _RIGHT_FROM) -> npt.NDArray[np.bool_]:
    """(M,) which boxes, the highest score first, are right."""
    right = np.zeros(len(found), bool)
    if not len(truth) or not len(found):
        return right
    shared = overlaps(found.places, truth.places)
    shared[found.tags[:, None] != truth.tags[None]] = 0
    free = np.ones(len(truth), bool)
    for place, row in enumerate(shared):
        best = int(np.argmax(np.where(free, row, -1)))
        if free[best] and row[best] >= least:
            right[place], free[best] = True, False
    return right


def average_precision(found: Sequence[Boxes], truth: Sequence[Boxes], tags: int, least: float) -> float:
    """Mean over the tags that are there of the area under precision by recall, 0 to 1.

    Precision is that of the best threshold with at least the recall, at 101 recalls, as for COCO. Where there
    is no true box it is 0.

    Args:
        found: boxes in N photos.
        truth: of the same photos.
        tags: K.
        least: the intersection over union from which a box is right.
    """
    recalls = np.linspace(0, 1, 101)
    areas = []
    for tag in range(tags):
        true = [boxes.where(boxes.tags == tag) for boxes in truth]
        count = sum(map(len, true))
        if not count:
            continue
        own = [boxes.where(boxes.tags == tag) for boxes in found]
        right = np.concatenate([rights(one, other, least) for one, other in zip(own, true, strict=True)])
        order = np.argsort(-np.concatenate([one.scores for one in own]), kind="stable")
        hits = np.cumsum(right[order])
        precision = np.maximum.accumulate((hits / np.arange(1, len(hits) + 1))[::-1])[::-1]
        places = np.searchsorted(hits / count, recalls)
        areas.append(np.append(precision, 0.0)[np.minimum(places, len(hits))].mean())
    return float(np.mean(areas)) if areas else 0.0
