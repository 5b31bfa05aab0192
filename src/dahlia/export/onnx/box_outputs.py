"""What is added to a detector's graph: the grid of Custom Vision's compact detectors, or suppressed boxes.

Both keep to float32 whatever the precision of the network before them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from dahlia.export.box_answers import grid_cells
from dahlia.export.onnx.detector_graph import PLACES, SCORES
from dahlia.modeling.backbone_graph import INPUT
from dahlia.modeling.card import DetectorCard, ModelCard
from dahlia.modeling.detection.grid import ANCHORS, INSIDE, NOTHING, PLACE

GRID = "model_outputs0"
BOXES, CLASSES, DETECTED_SCORES = "detected_boxes", "detected_classes", "detected_scores"
RAW_BOXES, RAW_PROBS = "raw_boxes", "raw_probs"
IMAGE = "image_tensor"
"""The input of what answers boxes."""


class _Nodes:
    """Adds operations to a graph, one after the other."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self._graph = graph
        self._count = 0

    def __call__(self, operation: str, *inputs: str | np.ndarray, to: str = "", **how: Any) -> str:
        """Add one, whose constants are given as arrays; the name of what comes out."""
        self._count += 1
        name = to or f"answer.{self._count}.{operation.lower()}"
        names = [one if isinstance(one, str) else self._constant(one) for one in inputs]
        self._graph.node.append(helper.make_node(operation, names, [name], name, **how))
        return name

    def _constant(self, values: np.ndarray) -> str:
        self._count += 1
        name = f"answer.{self._count}.constant"
        self._graph.initializer.append(numpy_helper.from_array(values, name))
        return name


def answer_grid(proto: onnx.ModelProto, card: ModelCard, detector: DetectorCard) -> None:
    """Answer `model_outputs0` (N, 5 * (5 + K), H, W), of which `dahlia.modeling.detection.grid` tells.

    Places whose scores are s get the objectness whose sigmoid is their sum, and the class logits log(s): the
    product of sigmoid and softmax is s again.

    Args:
        proto: gives `places` (N, P, 4), those of a cell after each other, and `scores` (N, P, K), whose sum
            over K is at most 1. Centres are in their cells. Changed in place.
        card: of the detector.
        detector: the part of it.

    Raises:
        ExportError: its strides do not make five places in a cell.
    """
    cells = grid_cells(card)
    add = _Nodes(proto.graph)
    edges = add("Mul", _slice(add, PLACES, 2, 4), _float(cells))
    centres = add("Add", add("Mul", _slice(add, PLACES, 0, 2), _float(cells)), add("Mul", edges, _float(0.5)))
    rows, columns = np.divmod(np.repeat(np.arange(cells**2), len(ANCHORS)), cells)
    inside = add("Sub", centres, np.stack([columns, rows], 1)[None].astype(np.float32))
    anchors = np.tile(np.array(ANCHORS, np.float32), (cells**2, 1))[None]
    ratios = add("Div", add("Max", edges, _float(INSIDE)), anchors)
    any_tag = add("ReduceSum", SCORES, np.array([2]), keepdims=1)
    numbers = add(
        "Concat",
        _logit(add, inside),
        add("Log", ratios),
        _logit(add, any_tag),
        add("Log", add("Max", SCORES, _float(NOTHING))),
        axis=2,
    )
    channels = len(ANCHORS) * (PLACE + len(card.tags))
    table = add("Reshape", numbers, np.array([0, cells, cells, channels]))
    add("Transpose", table, to=GRID, perm=[0, 3, 1, 2])
    batch = proto.graph.input[0].type.tensor_type.shape.dim[0].dim_param
    _answer(proto.graph, (GRID, TensorProto.FLOAT, [batch, channels, cells, cells]))


def answer_boxes(proto: onnx.ModelProto, card: ModelCard, detector: DetectorCard) -> None:
    """Answer `detected_boxes` (1, n, 4), and `detected_classes` and `detected_scores` (1, n).

    Boxes are x1, y1, x2, y2 as fractions of the photo. Those of one tag that overlap are suppressed, and the
    highest score is first. The input is called `image_tensor` and takes one photo.

    Args:
        proto: gives `places` (N, P, 4) left, top, width, height and `scores` (N, P, K). Changed in place.
        card: of the detector.
        detector: the part of it.
    """
    graph = proto.graph
    add = _Nodes(graph)
    start = _slice(add, PLACES, 0, 2)
    corners = add("Concat", start, add("Add", start, _slice(add, PLACES, 2, 4)), axis=2)
    by_tag = add("Transpose", SCORES, perm=[0, 2, 1])
    chosen = add(
        "NonMaxSuppression",
        corners,  # two opposite corners, in either order of the axes
        by_tag,
        np.array([detector.most]),
        _float([detector.overlap]),
        np.nextafter(_float([detector.least]), np.float32(0)),  # more than this is as much as `least`
    )
    scores = add("GatherND", by_tag, chosen)
    most = add("Min", add("Shape", scores), np.array([detector.most]))
    graph.node.append(helper.make_node("TopK", [scores, most], ["answer.best", "answer.order"], "answer.top"))
    ordered = add("Gather", chosen, "answer.order")
    tags, numbers = (add("Gather", ordered, np.array(column), axis=1) for column in (1, 2))
    add("Gather", corners, numbers, to=BOXES, axis=1)
    add("Unsqueeze", tags, np.array([0]), to=CLASSES)
    add("Unsqueeze", "answer.best", np.array([0]), to=DETECTED_SCORES)
    _take_one(graph)
    _answer(
        graph,
        (BOXES, TensorProto.FLOAT, [1, "n", 4]),
        (CLASSES, TensorProto.INT64, [1, "n"]),
        (DETECTED_SCORES, TensorProto.FLOAT, [1, "n"]),
    )


def answer_raw(proto: onnx.ModelProto, card: ModelCard, detector: DetectorCard) -> None:
    """Answer `raw_boxes` (1, P, 4) and `raw_probs` (1, P, 1 + K), of all places, before suppression.

    Boxes are the centre's x and y, width and height, as fractions of the photo. The first probability is that
    of the background: what the others lack to 1. The input is as that of `answer_boxes`.

    Args:
        proto: gives `places` (N, P, 4) left, top, width, height and `scores` (N, P, K). Changed in place.
        card: of the detector.
        detector: the part of it.
    """
    add = _Nodes(proto.graph)
    edges = _slice(add, PLACES, 2, 4)
    centres = add("Add", _slice(add, PLACES, 0, 2), add("Mul", edges, _float(0.5)))
    add("Concat", centres, edges, to=RAW_BOXES, axis=2)
    any_tag = add("ReduceSum", SCORES, np.array([2]), keepdims=1)
    add("Concat", add("Max", add("Sub", _float(1), any_tag), _float(0)), SCORES, to=RAW_PROBS, axis=2)
    _take_one(proto.graph)
    places = sum((card.input.size // stride) ** 2 for stride in detector.strides)
    _answer(
        proto.graph,
        (RAW_BOXES, TensorProto.FLOAT, [1, places, 4]),
        (RAW_PROBS, TensorProto.FLOAT, [1, places, 1 + len(card.tags)]),
    )


ANSWERS: dict[Literal["grid", "boxes"], Callable[[onnx.ModelProto, ModelCard, DetectorCard], None]] = {
    "grid": answer_grid,
    "boxes": answer_boxes,
}
"""What is added, by the output that a domain chooses."""

RAW_ANSWERS = {**ANSWERS, "boxes": answer_raw}
"""The same, where suppression is left to programs. A grid leaves it to them anyway."""


def _slice(add: _Nodes, name: str, first: int, end: int) -> str:
    return add("Slice", name, np.array([first]), np.array([end]), np.array([2]))


def _logit(add: _Nodes, name: str) -> str:
    share = add("Clip", name, _float(INSIDE), _float(1 - INSIDE))
    return add("Log", add("Div", share, add("Sub", _float(1), share)))


def _float(values: float | Sequence[float]) -> np.ndarray:
    return np.array(values, np.float32)


def _take_one(graph: onnx.GraphProto) -> None:
    """Let the graph take one photo, and call it `image_tensor`."""
    for node in graph.node:
        node.input[:] = [IMAGE if name == INPUT else name for name in node.input]
    (taken,) = graph.input
    taken.name = IMAGE
    taken.type.tensor_type.shape.dim[0].dim_value = 1


def _answer(graph: onnx.GraphProto, *outputs: tuple[str, int, list[Any]]) -> None:
    del graph.output[:]
    graph.output.extend(helper.make_tensor_value_info(*one) for one in outputs)
