"""Found boxes of a detector that is mostly right."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from dahlia.boxes import Boxes
from dahlia.dataset.manifest import TEST_FOLD
from dahlia.modeling.box_predictions import BoxPredictions

TAGS = ("fork", "knife", "spoon")
Written = Sequence[Sequence[float]]


def image_id(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


def boxes(rows: Written) -> Boxes:
    """Of rows of tag, left, top, width, height and perhaps score."""
    table = np.array([[*row, 1.0][:6] for row in rows], np.float64).reshape(-1, 6)
    return Boxes(
        table[:, 0].astype(np.int32), table[:, 1:5].astype(np.float32), table[:, 5].astype(np.float32)
    )


def written(
    truth: Sequence[Written],
    found: Sequence[Written],
    tags: Sequence[str] = TAGS,
    fold: Sequence[int] | None = None,
) -> BoxPredictions:
    """Photos written out by hand; their ids rise with their number."""
    count = len(truth)
    seen = tuple(boxes(rows) for rows in found)
    return BoxPredictions(
        ids=tuple(f"{number:064d}" for number in range(count)),
        tags=tuple(tags),
        fold=np.array(np.arange(count) % 2 if fold is None else fold, np.int32),
        truth=tuple(boxes(rows) for rows in truth),
        found=seen,
        uncalibrated=tuple(one.scores for one in seen),
    )


def generated(
    photos: int = 40,
    tags: Sequence[str] = TAGS,
    per_photo: float = 2.0,
    test: int = 0,
    skill: float = 2.0,
    clutter: int = 5,
    seed: int = 0,
    folds: int = 3,
    hard: float = 0.5,
) -> BoxPredictions:
    """Boxes at random places; `skill` says how sure and exact the detector is.

    It sees `clutter` boxes where nothing is. Photos differ by `hard`, so their boxes go wrong together.
    """
    draw = np.random.default_rng(seed)
    truth, found = [], []
    for _ in range(photos + test):
        true = _places(draw, draw.poisson(per_photo), len(tags))
        seen = detected(draw, true, len(tags), skill + hard * draw.normal(), clutter)
        truth.append(true)
        found.append(seen)
    return BoxPredictions(
        ids=tuple(image_id(number) for number in range(photos + test)),
        tags=tuple(tags),
        fold=np.array([*(np.arange(photos) % folds), *[TEST_FOLD] * test], np.int32),
        truth=tuple(truth),
        found=tuple(found),
        uncalibrated=tuple(np.clip(1.3 * one.scores, 0, 1).astype(np.float32) for one in found),
    )


def detected(draw: np.random.Generator, true: Boxes, tags: int, skill: float, clutter: int) -> Boxes:
    """What a detector of such a skill finds: shifted boxes, some of a wrong tag, and some of nothing."""
    sure = skill + 1.2 * draw.normal(size=len(true))
    shift = 0.12 * np.exp(-0.4 * skill) * draw.normal(size=(len(true), 4)) * true.places[:, [2, 3, 2, 3]]
    column = np.where(draw.random(len(true)) < 0.06, draw.integers(0, tags, len(true)), true.tags)
    none = _places(draw, clutter, tags)
    places = np.concatenate([true.places + shift, none.places])
    places[:, 2:] = np.maximum(places[:, 2:], 0.005)
    scores = 1 / (1 + np.exp(-np.concatenate([sure, -3.2 + 1.3 * draw.normal(size=clutter)])))
    order = np.argsort(-scores, kind="stable")
    order = order[scores[order] >= 0.01]
    return Boxes(
        np.concatenate([column, none.tags])[order].astype(np.int32),
        places[order].astype(np.float32),
        scores[order].astype(np.float32),
    )


def _places(draw: np.random.Generator, count: int, tags: int) -> Boxes:
    size = draw.uniform(0.1, 0.35, (count, 2))
    corner = draw.uniform(0, 1, (count, 2)) * (1 - size)
    return Boxes(
        draw.integers(0, tags, count).astype(np.int32),
        np.concatenate([corner, size], axis=1).astype(np.float32),
        np.ones(count, np.float32),
    )
