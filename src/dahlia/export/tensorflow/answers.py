"""What graphs answer: the nodes that users ask for, made of what a module of torch gives.

Boxes are suppressed with operations that TensorFlow, LiteRT's own set and TensorFlow.js have in common: one
graph serves all of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dahlia.export.tensorflow._runtime import tf
from dahlia.export.tensorflow.graph import BOXES, CLASSES, FORMER_OUTPUT, IMAGE, OUTPUT, SCORES
from dahlia.modeling.card import DetectorCard
from dahlia.modeling.detection.outputs import MOST_CANDIDATES

LEAST_EDGE = 2.0**-12
"""Of a photo: boxes are compared as if they were no thinner. One without area does not even overlap itself:
LiteRT's suppression would give it again and again."""


@dataclass(frozen=True)
class Answer:
    """What is made of the tensors that a module gives.

    Attributes:
        outputs: the nodes that it ends with; nothing in the graph reads them.
        batch: of how many photos at a time; None of any number.
        write: adds them to the current graph; takes the tensors, in torch's order of axes.
        alias: a second name under which the photo can be given in a session.
    """

    outputs: tuple[str, ...]
    batch: int | None
    write: Callable[[Sequence[Any]], None]
    alias: str | None = None


def _write_probabilities(tensors: Sequence[Any]) -> None:
    (probabilities,) = tensors
    tf.identity(tf.identity(probabilities, OUTPUT), FORMER_OUTPUT)


def _write_grid(tensors: Sequence[Any]) -> None:
    (grid,) = tensors
    tf.identity(grid, OUTPUT)


PROBABILITIES = Answer((OUTPUT, FORMER_OUTPUT), None, _write_probabilities)
"""`model_outputs`, and the same under the name that older clients ask for."""

GRID = Answer((OUTPUT,), None, _write_grid)
"""`model_outputs` alone; the module gives it channels last."""


def boxes(detector: DetectorCard, tags: int) -> Answer:
    """`detected_boxes` (n, 4), `detected_scores` (n) and `detected_classes` (n), without an axis for photos.

    The module gives corners (1, P, 4) and scores (1, P, K), as `CornerAnswer` does. The answer is that of
    `dahlia.modeling.detection.outputs.given`.

    Args:
        detector: how boxes are chosen.
        tags: K.
    """

    def write(tensors: Sequence[Any]) -> None:
        corners, scores = (tf.squeeze(tensor, [0]) for tensor in tensors)
        count = min(MOST_CANDIDATES, corners.shape[0] * tags)
        best, order = tf.math.top_k(tf.reshape(scores, [-1]), count)
        place = tf.math.floordiv(order, np.int32(tags))
        tag = order - place * np.int32(tags)
        found = tf.gather(corners, place)
        chosen, number = tf.raw_ops.NonMaxSuppressionV4(
            boxes=_apart(found, tag, tags),
            scores=best,
            max_output_size=min(detector.most, count),
            iou_threshold=np.float32(detector.overlap),
            # More than this is as much as `least`.
            score_threshold=np.nextafter(np.float32(detector.least), np.float32(0)),
            pad_to_max_output_size=True,
        )
        kept = tf.slice(chosen, [0], tf.reshape(number, [1]))
        tf.gather(found, kept, name=BOXES)
        tf.gather(best, kept, name=SCORES)
        tf.cast(tf.gather(tag, kept), tf.int64, name=CLASSES)

    return Answer((BOXES, SCORES, CLASSES), 1, write, IMAGE)


def _apart(corners: Any, tag: Any, tags: int) -> Any:
    """The boxes (n, 4) of each tag in a photo of its own, so that those of two tags do not overlap.

    The photos lie in rows and columns: the nearer to zero a number is, the more exact it is.
    """
    across = math.ceil(math.sqrt(tags))
    rows, columns = np.divmod(np.arange(tags), across)
    corner = np.stack([columns, rows], 1).astype(np.float32)
    start, end = corners[:, :2], corners[:, 2:]
    compared = tf.concat([start, tf.maximum(end, start + LEAST_EDGE)], 1)
    return compared + tf.gather(np.tile(corner, 2), tag)
