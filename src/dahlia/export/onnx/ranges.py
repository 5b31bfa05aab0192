"""Between which numbers the maps of a graph lie, on photos: what eight bits have to hold.

ONNX Runtime's own calibration makes histograms of all maps, which takes minutes at 416 px. Here only the
outermost numbers of each map are kept, so that what is cut is counted exactly, in a tenth of the time.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto

from dahlia.export.port import Batch
from dahlia.modeling.backbone_graph import INPUT

Range = tuple[np.float32, np.float32]
_CLIPPING = ("Clip", "Relu")


def map_ranges(
    proto: onnx.ModelProto, photos: Iterable[Batch], count: int, operations: Collection[str], cut: float
) -> dict[str, Range]:
    """The range of every map that operations of these types take or give.

    Args:
        proto: takes `data`.
        photos: (1, 3, size, size) each, as the graph takes them.
        count: how many they are.
        operations: types of operations. What only a `Clip` or `Relu` among them reads has the range of what
            comes out of that: nothing else of it is needed.
        cut: the share of a map's numbers that may lie above its range, and the share below.
    """
    inferred = onnx.shape_inference.infer_shapes(proto)
    names = _maps(inferred.graph, operations)
    clipped = _clipped(inferred.graph, operations)
    names = [name for name in names if clipped.get(name) not in names]
    session = _session(inferred, names)
    ends: dict[str, _Ends] = {}
    for photo in photos:
        for name, values in zip(names, session.run(names, {INPUT: photo}), strict=True):
            if name not in ends:
                ends[name] = _Ends(int(cut * values.size * count))
            ends[name].add(values.ravel())
    found = {name: map_ends.range() for name, map_ends in ends.items()}
    return found | {name: found[after] for name, after in clipped.items() if after in found}


class _Ends:
    """The largest and the smallest numbers of a map.

    Args:
        cut: how many of each there may be outside of the range.
    """

    def __init__(self, cut: int) -> None:
        self._count = cut + 1
        self._low = np.zeros(0, np.float32)
        self._high = np.zeros(0, np.float32)

    def add(self, values: npt.NDArray[np.float32]) -> None:
        """Those of one photo."""
        # Where enough are known, all but a few numbers are passed over by one comparison.
        full = len(self._low) == self._count
        low = values[values < self._low.max()] if full else values
        high = values[values > self._high.min()] if full else values
        self._low = _smallest(np.concatenate([self._low, low]), self._count)
        self._high = -_smallest(-np.concatenate([self._high, high]), self._count)

    def range(self) -> Range:
        """The bounds; 0 and 0 where there are no numbers."""
        if not len(self._low):
            return np.float32(0), np.float32(0)
        return np.float32(self._low.max()), np.float32(self._high.min())


def _smallest(values: npt.NDArray[np.float32], count: int) -> npt.NDArray[np.float32]:
    return np.partition(values, count - 1)[:count] if len(values) > count else values


def _maps(graph: onnx.GraphProto, operations: Collection[str]) -> list[str]:
    constants = {tensor.name for tensor in graph.initializer}
    values = [*graph.input, *graph.value_info, *graph.output]
    floats = {one.name for one in values if one.type.tensor_type.elem_type == TensorProto.FLOAT}
    nodes = [node for node in graph.node if node.op_type in operations]
    touched = dict.fromkeys(name for node in nodes for name in (*node.input, *node.output))
    return [name for name in touched if name in floats - constants]


def _clipped(graph: onnx.GraphProto, operations: Collection[str]) -> dict[str, str]:
    """What comes out of a `Clip` or `Relu`, by the map that it alone reads."""
    readers: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.node:
        for name in dict.fromkeys(node.input):
            readers.setdefault(name, []).append(node)
    answered = {one.name for one in graph.output}
    return {
        name: nodes[0].output[0]
        for name, nodes in readers.items()
        if name not in answered
        and len(nodes) == 1
        and nodes[0].input[0] == name
        and nodes[0].op_type in _CLIPPING
        and nodes[0].op_type in operations
    }


def _session(proto: onnx.ModelProto, names: Sequence[str]) -> Any:
    import onnxruntime

    augmented = onnx.ModelProto()
    augmented.CopyFrom(proto)
    graph = augmented.graph
    known = {one.name: one for one in (*graph.input, *graph.value_info, *graph.output)}
    answered = {one.name for one in graph.output}
    graph.output.extend(known[name] for name in names if name not in answered)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(
        augmented.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
