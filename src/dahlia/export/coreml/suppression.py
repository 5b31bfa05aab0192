"""Suppression inside the model: a pipeline that ends in Core ML's own model for it.

Three models one after the other:

1. the detector: places and scores of all positions;
2. a neural network: of all pairs of a position and a tag the best, each with its place and its score;
3. Core ML's suppression, which is what lets Vision see a detector in the file.

Core ML suppresses boxes by the tag with the highest score alone, and its schema leaves open by which of
several scores a box is sorted and dropped. The detector's rule is that a position gives a box for each of
its tags. So a row has one score above 0, and nothing is left open.

The second model is a neural network even behind an ML program: a suppression that follows a program in a
pipeline is reported to answer wrongly (apple/coremltools issue 2445), probably because arrays of programs
may have gaps between their rows. Neural networks are what comes before it in Apple's own detectors.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dahlia.export.coreml._runtime import ct
from dahlia.export.coreml.convert import Converted, exported, translated
from dahlia.export.coreml.detector_file import CONFIDENCE, COORDINATES
from dahlia.export.port import detector_of
from dahlia.modeling.card import DetectorCard, ModelCard
from dahlia.modeling.detection.outputs import MOST_CANDIDATES

PLACES, SCORES = "places", "scores"
OVERLAP, LEAST = "iouThreshold", "confidenceThreshold"
_ALL_COORDINATES, _ALL_CONFIDENCE = "raw_coordinates", "raw_confidence"
_NUMBERS = ct.proto.FeatureTypes_pb2.ArrayFeatureType.DOUBLE  # of suppression, before iOS 14 no other
_VERSION = 4  # of the schema: iOS 13


class Candidates(nn.Module):
    """The best pairs of a position and a tag, a row each.

    Args:
        positions: P.
        tags: K.

    Attributes:
        positions: P.
        count: M, how many rows: at most as many as detectors consider.
    """

    tag_of: Tensor
    tags: Tensor

    def __init__(self, positions: int, tags: int) -> None:
        super().__init__()
        self.positions = positions
        self.count = min(MOST_CANDIDATES, positions * tags)
        # Read from a table, not computed from a row's number: numbers that large are not whole in 16 bits.
        self.register_buffer("tag_of", torch.arange(tags).repeat_interleave(positions).float())
        self.register_buffer("tags", torch.arange(tags).float())

    def forward(self, places: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
        """Places (1, P, 4) left, top, width, height, and scores (1, P, K), to what suppression takes.

        Returns:
            Coordinates (M, 4) centre x, centre y, width, height as fractions of the photo, and confidences
            (M, K), of which one in a row is above 0.
        """
        # Reshaped, not indexed: to leave out an axis while slicing is of iOS 14.
        places = places.reshape(self.positions, 4)
        by_tag = scores.reshape(self.positions, len(self.tags)).transpose(0, 1)
        best, chosen = by_tag.reshape(len(self.tag_of)).topk(self.count)
        sizes = places[:, 2:4]
        middles = torch.cat([places[:, 0:2] + sizes * 0.5, sizes], 1)
        coordinates = middles.repeat(len(self.tags), 1).index_select(0, chosen)
        tag = self.tag_of.index_select(0, chosen)
        return coordinates, (tag[:, None] == self.tags[None]).float() * best[:, None]


def suppressing(detector: Converted, card: ModelCard, scratch: Path) -> Converted:
    """A pipeline that answers `coordinates` and `confidence`, suppressed.

    Args:
        detector: answers `places` (1, P, 4) and `scores` (1, P, K).
        card: of the detector.
        scratch: an empty folder.

    Raises:
        ExportError: an operation has no form as a neural network.
    """
    size, tags = card.input.size, len(card.tags)
    positions = sum((size // stride) ** 2 for stride in detector_of(card).strides)
    module = Candidates(positions, tags).eval()
    shapes = {PLACES: (1, positions, 4), SCORES: (1, positions, tags)}
    candidates = translated(
        exported(module, [torch.zeros(shape) for shape in shapes.values()], card),
        card,
        "network",
        scratch,
        inputs=[ct.TensorType(name=name, shape=shape) for name, shape in shapes.items()],
        outputs=[ct.TensorType(name=_ALL_COORDINATES), ct.TensorType(name=_ALL_CONFIDENCE)],
    ).model
    columns = {_ALL_COORDINATES: 4, _ALL_CONFIDENCE: tags}
    for feature in candidates.description.output:
        feature.type.multiArrayType.dataType = _NUMBERS
        feature.type.multiArrayType.shape[:] = [module.count, columns[feature.name]]
    taken = {feature.name: feature.type for feature in candidates.description.input}
    for feature in detector.model.description.output:
        feature.type.CopyFrom(taken[feature.name])
    suppression = _suppression(candidates, card, detector_of(card))
    pipeline = ct.proto.Model_pb2.Model()
    models = [detector.model, candidates, suppression]
    pipeline.specificationVersion = max(model.specificationVersion for model in models)
    pipeline.pipeline.names.extend(["detector", "candidates", "suppression"])
    pipeline.description.input.extend(detector.model.description.input)
    pipeline.description.input.extend(suppression.description.input[2:])
    pipeline.description.output.extend(suppression.description.output)
    pipeline.pipeline.models.extend(models)
    return Converted(pipeline, detector.weights)


def _suppression(candidates: Any, card: ModelCard, detector: DetectorCard) -> Any:
    model = ct.proto.Model_pb2.Model()
    model.specificationVersion = _VERSION
    model.description.input.extend(candidates.description.output)
    for name in (OVERLAP, LEAST):
        threshold = model.description.input.add(name=name)
        threshold.type.doubleType.SetInParent()
        threshold.type.isOptional = True
    for name, columns in ((COORDINATES, 4), (CONFIDENCE, len(card.tags))):
        array = model.description.output.add(name=name).type.multiArrayType
        array.dataType = _NUMBERS
        array.shapeRange.sizeRanges.add(lowerBound=0, upperBound=detector.most)
        array.shapeRange.sizeRanges.add(lowerBound=columns, upperBound=columns)
    own = model.nonMaximumSuppression
    own.pickTop.perClass = True
    own.iouThreshold, own.confidenceThreshold = detector.overlap, detector.least
    own.stringClassLabels.vector.extend(tag.name for tag in card.tags)
    own.coordinatesInputFeatureName, own.confidenceInputFeatureName = _ALL_COORDINATES, _ALL_CONFIDENCE
    own.coordinatesOutputFeatureName, own.confidenceOutputFeatureName = COORDINATES, CONFIDENCE
    own.iouThresholdInputFeatureName, own.confidenceThresholdInputFeatureName = OVERLAP, LEAST
    return model
