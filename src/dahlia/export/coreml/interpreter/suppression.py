"""Core ML's model that suppresses boxes, as its schema describes it (`NonMaximumSuppression.proto`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from dahlia.errors import VerificationError
from dahlia.export.coreml.interpreter.registry import Array

_Numbers = npt.NDArray[np.float64]


class Suppression:
    """The model that picks the best of several boxes on one object.

    Args:
        model: the `Model` message.

    Attributes:
        labels: the tags, in the order of the confidences.
        answers: the names of what it gives: confidences, and coordinates.

    Raises:
        VerificationError: its inputs and outputs are not those that it names, a threshold is out of range, or
            it suppresses in a way that is not known here.
    """

    def __init__(self, model: Any) -> None:
        own = model.nonMaximumSuppression
        self._confidence, self._coordinates = own.confidenceInputFeatureName, own.coordinatesInputFeatureName
        self._overlap, self._least = own.iouThresholdInputFeatureName, own.confidenceThresholdInputFeatureName
        self._usual = {self._overlap: own.iouThreshold, self._least: own.confidenceThreshold}
        self._by_tag = own.pickTop.perClass
        self.labels = tuple(own.stringClassLabels.vector)
        self.answers: tuple[str, ...] = (own.confidenceOutputFeatureName, own.coordinatesOutputFeatureName)
        inputs = {feature.name for feature in model.description.input}
        outputs = {feature.name: feature for feature in model.description.output}
        needed = {self._confidence, self._coordinates}
        if not needed <= inputs <= needed | {self._overlap, self._least} or set(outputs) != set(self.answers):
            raise _refused(f"the inputs and outputs that it names; received {sorted(inputs | set(outputs))}")
        if not 0 <= own.iouThreshold <= 1 or own.confidenceThreshold < 0:
            raise _refused(
                f"thresholds from 0 to 1; received {own.iouThreshold:g} and {own.confidenceThreshold:g}"
            )
        if own.WhichOneof("SuppressionMethod") != "pickTop":
            raise _refused("the method `pickTop`; received none")
        self._most = min(_most(outputs[name]) for name in self.answers)

    def run(self, given: Mapping[str, Array]) -> dict[str, Array]:
        """The boxes that stay, the best first: its `answers`, (n, K) and (n, 4).

        Args:
            given: confidences (N, K) and coordinates (N, 4): centre x and y, width, height; also, each where
                it is an input, the overlap from which a box is suppressed and the lowest confidence.

        Raises:
            VerificationError: they are of other shapes, or a box has several confidences: by which of them
                boxes are sorted, and which one must reach the threshold, the schema does not say.
        """
        confidence = np.asarray(given[self._confidence], np.float64)
        coordinates = np.asarray(given[self._coordinates], np.float64)
        overlap, least = (float(given.get(name, self._usual[name])) for name in (self._overlap, self._least))
        tags = len(self.labels) or confidence.shape[-1]
        if confidence.ndim != 2 or coordinates.shape != (len(confidence), 4) or confidence.shape[1] != tags:
            raise _refused(
                f"confidences (N, {tags}) and coordinates (N, 4); received {confidence.shape} and "
                f"{coordinates.shape}"
            )
        if ((confidence > 0).sum(1) > 1).any() or (confidence < 0).any():
            raise _refused("boxes of one tag each; received one with several confidences, or one below 0")
        score, tag = confidence.max(1), confidence.argmax(1)
        order = np.argsort(-score, kind="stable")
        order = order[score[order] >= least]
        kept: list[int] = []
        while len(order) and len(kept) < self._most:
            best, rest = order[0], order[1:]
            kept.append(int(best))
            near = _shared(coordinates[best], coordinates[rest]) > overlap
            order = rest[~(near & (tag[rest] == tag[best]) if self._by_tag else near)]
        rows = np.array(kept, np.intp)
        values = (confidence[rows], coordinates[rows])
        return {name: value.astype(np.float32) for name, value in zip(self.answers, values, strict=True)}


def _shared(one: _Numbers, others: _Numbers) -> _Numbers:
    """Intersection over union of a box (4,) with each of (N, 4), all by centre and size."""
    low = np.maximum(one[:2] - one[2:] / 2, others[:, :2] - others[:, 2:] / 2)
    high = np.minimum(one[:2] + one[2:] / 2, others[:, :2] + others[:, 2:] / 2)
    common = np.clip(high - low, 0, None).prod(1)
    union = one[2:].prod() + others[:, 2:].prod(1) - common
    answer: _Numbers = np.zeros_like(common)
    np.divide(common, union, out=answer, where=union > 0)
    return answer


def _most(output: Any) -> float:
    """How many boxes an output holds at most."""
    array = output.type.multiArrayType
    if array.WhichOneof("ShapeFlexibility") != "shapeRange":
        if array.shape or array.WhichOneof("ShapeFlexibility"):
            raise _refused("a range of numbers of boxes; received a fixed one, which is filled up with zeros")
        return np.inf
    rows = array.shapeRange.sizeRanges[0]
    if rows.lowerBound > 0:
        raise _refused("a range of numbers of boxes from 0; received one that is filled up with zeros")
    return np.inf if rows.upperBound < 0 else float(rows.upperBound)


def _refused(expected: str) -> VerificationError:
    return VerificationError(
        f"The model that suppresses boxes was expected to have {expected}. Export again, or open it on macOS."
    )
