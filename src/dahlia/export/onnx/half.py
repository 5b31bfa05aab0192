"""A graph in float16: half the size, and what graphics and neural processors compute fastest."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from dahlia.export.onnx.graph import HEAD, first_steps

# Sums over a whole map may pass 65504, the largest number of 16 bits; the others want float32 by definition.
_WIDE = (
    "ReduceMean",
    "ReduceSum",
    "GlobalAveragePool",
    "AveragePool",
    "Resize",
    "Constant",
    "ConstantOfShape",
)
_LENGTH = "ReduceL2"
_HEAD = f"{HEAD}.weight"


def to_float16(proto: onnx.ModelProto) -> onnx.ModelProto:
    """The graph in float16, with input and outputs in float32.

    Normalisation of the pixels, sums over maps, scaling to unit length and all behind it stay float32; of the
    head the weights alone are kept in 16 bits. (The converter that comes with ONNX Runtime rounds the pixels
    and the probabilities to 16 bits.)

    Args:
        proto: in float32.
    """
    inferred = onnx.shape_inference.infer_shapes(proto)
    wide = _stay_wide(inferred.graph)
    narrowing = _Narrowing(inferred.graph)
    for tensor in inferred.graph.initializer:
        users = {node.name for node in inferred.graph.node if tensor.name in node.input}
        narrow = tensor.name == _HEAD or not users <= wide
        if narrow and tensor.data_type == TensorProto.FLOAT and _fits(tensor):
            narrowing.constant(tensor)
    for node in inferred.graph.node:
        narrowing.add(node, half=node.name not in wide)
    result = onnx.ModelProto()
    result.CopyFrom(proto)
    del result.graph.node[:], result.graph.value_info[:], result.graph.initializer[:]
    result.graph.node.extend(narrowing.nodes)
    result.graph.initializer.extend(inferred.graph.initializer)
    return result


def _stay_wide(graph: onnx.GraphProto) -> set[str]:
    """Names of the nodes that compute in float32."""
    names = {step.name for step in first_steps(graph)}
    large = {tensor.name for tensor in graph.initializer if not _fits(tensor)}
    reached: set[str] = set()
    for node in graph.node:
        behind = node.op_type == _LENGTH or reached.intersection(node.input)
        if behind:
            reached.update(node.output)
        if behind or node.op_type in _WIDE or large.intersection(node.input):
            names.add(node.name)
    return names


def _fits(tensor: onnx.TensorProto) -> bool:
    """Whether 16 bits hold a constant: nothing in it overflows, and not all of it vanishes."""
    values = numpy_helper.to_array(tensor)
    if values.dtype != np.float32:
        return True
    narrow = _narrow(values)
    return bool(np.isfinite(narrow).all() and narrow.any() == values.any())


def _narrow(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float16]:
    with np.errstate(over="ignore", under="ignore"):
        return values.astype(np.float16)


class _Narrowing:
    """Nodes as they are rewritten, with a cast wherever a value changes its width."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        values = [*graph.input, *graph.output, *graph.value_info]
        self.nodes: list[onnx.NodeProto] = []
        self._floats = {v.name for v in values if v.type.tensor_type.elem_type == TensorProto.FLOAT}
        self._floats |= {t.name for t in graph.initializer if t.data_type == TensorProto.FLOAT}
        self._half: set[str] = set()
        self._cast: dict[str, str] = {}

    def constant(self, tensor: onnx.TensorProto) -> None:
        """Keep a constant in 16 bits."""
        narrow = _narrow(numpy_helper.to_array(tensor))
        tensor.CopyFrom(numpy_helper.from_array(narrow, tensor.name))
        self._half.add(tensor.name)

    def add(self, node: onnx.NodeProto, *, half: bool) -> None:
        """Rewrite a node so that it computes in 16 bits, or in 32."""
        changed = onnx.NodeProto()
        changed.CopyFrom(node)
        changed.input[:] = [self._as(name, half) if name in self._floats else name for name in node.input]
        if half:
            self._half.update(self._floats.intersection(node.output))
            for attribute in changed.attribute:
                if node.op_type == "Cast" and attribute.name == "to" and attribute.i == TensorProto.FLOAT:
                    attribute.i = TensorProto.FLOAT16
        self.nodes.append(changed)

    def _as(self, name: str, half: bool) -> str:
        if (name in self._half) == half:
            return name
        if name not in self._cast:
            self._cast[name] = f"{name}.float{16 if half else 32}"
            to = TensorProto.FLOAT16 if half else TensorProto.FLOAT
            self.nodes.append(
                helper.make_node("Cast", [name], [self._cast[name]], name=self._cast[name], to=to)
            )
        return self._cast[name]
