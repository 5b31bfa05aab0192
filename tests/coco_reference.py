"""COCO's average precision, written plainly after its definition: slow, and easy to check."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from dahlia.boxes import Boxes
from dahlia.modeling.box_predictions import BoxPredictions

Flag = tuple[float, bool]


def overlap(first: np.ndarray, second: np.ndarray) -> float:
    left, top = max(first[0], second[0]), max(first[1], second[1])
    right = min(first[0] + first[2], second[0] + second[2])
    bottom = min(first[1] + first[3], second[1] + second[3])
    shared = max(0.0, right - left) * max(0.0, bottom - top)
    together = first[2] * first[3] + second[2] * second[3] - shared
    return shared / together if together > 0 else 0.0


def flags(truth: Boxes, found: Boxes, tag: int, least: float) -> list[Flag]:
    """Score and whether it is right, of each found box of the tag in one photo."""
    drawn = [place.astype(float) for place in truth.places[truth.tags == tag]]
    rows = sorted(np.flatnonzero(found.tags == tag), key=lambda row: -found.scores[row])
    told: list[Flag] = []
    for row in rows:
        shared = [overlap(found.places[row].astype(float), place) for place in drawn]
        best = max(range(len(drawn)), key=lambda one: shared[one], default=None)
        right = best is not None and shared[best] >= least
        if right:
            drawn.pop(best)
        told.append((float(found.scores[row]), bool(right)))
    return told


def average_precision(predictions: BoxPredictions, tag: int, least: float) -> float | None:
    """Mean over the recalls 0, 0.01, ... 1 of the best precision at that recall or a higher one."""
    photos = zip(predictions.truth, predictions.found, strict=True)
    ranked = [flag for truth, found in photos for flag in flags(truth, found, tag, least)]
    ranked.sort(key=lambda flag: -flag[0])
    boxes = sum(int((truth.tags == tag).sum()) for truth in predictions.truth)
    if not boxes:
        return None
    points: list[tuple[Fraction, Fraction]] = []
    right = 0
    for seen, (_, is_right) in enumerate(ranked, 1):
        right += is_right
        points.append((Fraction(right, boxes), Fraction(right, seen)))
    best = [
        max((precision for recall, precision in points if recall >= Fraction(step, 100)), default=Fraction(0))
        for step in range(101)
    ]
    return float(sum(best) / 101)


def mean_average_precision(predictions: BoxPredictions, least: float) -> float:
    tags = [average_precision(predictions, tag, least) for tag in range(len(predictions.tags))]
    return float(np.mean([each for each in tags if each is not None]))
