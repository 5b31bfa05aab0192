"""Detectors as Core ML: the grid of old clients, or suppressed boxes."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from torch import Tensor, nn

from dahlia.export.box_answers import grid_cells, rule_properties
from dahlia.export.coreml._runtime import ct
from dahlia.export.coreml.convert import Converted, Form, image_input, translated
from dahlia.export.coreml.description import listed, say
from dahlia.export.coreml.detector_file import CONFIDENCE, COORDINATES, GRID, TAGS
from dahlia.export.coreml.kept import followed_once
from dahlia.export.coreml.package import write_model
from dahlia.export.coreml.precision import Whole, halve_weights
from dahlia.export.coreml.suppression import LEAST, OVERLAP, PLACES, SCORES, suppressing
from dahlia.export.port import Source, detector_of
from dahlia.modeling.card import DetectorCard, ModelCard
from dahlia.modeling.detection.answers import GridAnswer

_NECK = "neck"  # the part of a detector that follows its backbone
_IMAGES = 4  # axes
# An edge of the photo is less than so many times that of a first map. In networks weights alone are rounded,
# and those of first maps are few; in programs it costs time too.
_LARGE: dict[Form, int] = {"program": 8, "program-float16": 8, "network": 16}


def write_detector(folder: Path, source: Source, form: Form, *, halved: bool) -> None:
    """Write `model.mlpackage` or `model.mlmodel`.

    Args:
        folder: where to.
        source: the trained detector.
        form: which of Core ML's. In half precision it is the backbone alone that is computed and kept in it,
            without its first maps, whose rounding moves boxes the most. Neck and head have a fiftieth of the
            weights, and calibration multiplies the rounding of scores.
        halved: whether a neural network's weights are kept in half precision, those of the backbone alone.

    Raises:
        ExportError: an operation has no such form, or the detector's strides do not fit its output.
        TrainingError: the bundle is not whole.
    """
    card = source.card
    how = detector_of(card)
    with tempfile.TemporaryDirectory(prefix="dahlia-coreml-") as scratch:
        converted = _ANSWERS[how.output](source, form, Path(scratch), halved)
        _describe(converted.model, card, how)
        write_model(folder, converted)


def _grid(source: Source, form: Form, scratch: Path, halved: bool) -> Converted:
    grid_cells(source.card)
    graph = followed_once(source, lambda: _FiveAxes(GridAnswer(source.detector())).eval())
    return _converted(graph, (GRID,), source.card, form, scratch, halved)


def _boxes(source: Source, form: Form, scratch: Path, halved: bool) -> Converted:
    graph = followed_once(source, source.detector)
    found = _converted(graph, (PLACES, SCORES), source.card, form, scratch, halved)
    return suppressing(found, source.card, scratch / "candidates")


_ANSWERS: dict[Literal["grid", "boxes"], Callable[[Source, Form, Path, bool], Converted]] = {
    "grid": _grid,
    "boxes": _boxes,
}


class _FiveAxes(nn.Module):
    """A grid (1, C, H, W) as (1, 1, C, H, W): published programs want five axes, and take the last three."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, pixels: Tensor) -> Tensor:
        grid: Tensor = self.module(pixels)
        return grid.unsqueeze(0)


def _converted(
    graph: Any, outputs: tuple[str, ...], card: ModelCard, form: Form, scratch: Path, halved: bool
) -> Converted:
    whole = Whole(alone=_nodes_above(graph, card.input.size // _LARGE[form]), onwards=_neck_nodes(graph))
    converted = translated(
        graph,
        card,
        form,
        scratch,
        half=whole.half(),
        inputs=[image_input(card)],
        outputs=[ct.TensorType(name=name) for name in outputs],
    )
    if halved:
        halve_weights(converted.model.neuralNetwork, whole)
    return converted


def _neck_nodes(graph: Any) -> frozenset[str]:
    """The names of what the neck computes; converted operations and layers keep them."""
    return frozenset(
        node.name
        for node in graph.graph.nodes
        if any(_NECK in path.split(".") for path, _ in (node.meta.get("nn_module_stack") or {}).values())
    )


def _nodes_above(graph: Any, edge: int) -> frozenset[str]:
    """The names of what computes maps with a longer edge: the first layers, which have few weights."""
    return frozenset(node.name for node in graph.graph.nodes if _edge(node.meta.get("val")) > edge)


def _edge(value: Any) -> int:
    first = value[0] if isinstance(value, tuple | list) and value else value
    shape = tuple(getattr(first, "shape", ()))
    return int(shape[-1]) if len(shape) == _IMAGES else 0


def _describe(model: Any, card: ModelCard, how: DetectorCard) -> None:
    names = [tag.name for tag in card.tags]
    texts = {
        GRID: "The grid of YOLOv2: five places in each cell: x, y, width, height, objectness, classes.",
        COORDINATES: "Of each box centre x, centre y, width, height, as fractions of the photo from its top "
        "left corner.",
        CONFIDENCE: "Of each box the score of its tag, in the column of the tag; 0 in the others.",
        OVERLAP: f"Of boxes of one tag that overlap by more than this the best one is given; {how.overlap:g} "
        "where it is not set.",
        LEAST: f"The lowest score that is given; {how.least:g} where it is not set.",
    }
    say(model, card, f"Finds objects of {len(names)} tags in a photo: {listed(names)}.", texts)
    model.description.metadata.userDefined[TAGS] = "\n".join(names)
    for key, value in rule_properties(how).items():
        model.description.metadata.userDefined[key] = value
