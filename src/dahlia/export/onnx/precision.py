"""A graph in fewer bits: 8 and 16.

In 8 bits it is a quarter of the size, and faster on processors; in float16 it is half the size, and what
graphics and neural processors compute fastest.
"""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from hashlib import sha256

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from dahlia.dataset.imaging import Pixels, to_tensor_layout
from dahlia.errors import ExportError
from dahlia.export.onnx.graph import GATE, GATED, HEAD, first_steps
from dahlia.export.onnx.ranges import Range, map_ranges
from dahlia.export.port import Source

# Gates, scaling to unit length and softmax stay float32.
_OPERATIONS = [
    "Conv", "MatMul", "Gemm", "Add", "Mul", "Relu", "Clip", "Concat", "Pad", "Reshape", "Transpose",
    "MaxPool", "AveragePool", "GlobalAveragePool",
]  # fmt: skip
_CUT = 5e-6  # of the numbers of a map at either end


# Of the last graph and its photos: what is written for another runtime next has the same.
_known: dict[str, dict[str, Range]] = {}


def to_int8(
    proto: onnx.ModelProto, source: Source, wide: Collection[str] = (), *, everywhere: bool = True
) -> onnx.ModelProto:
    """The graph with weights and maps of 8 bits, and input and outputs in float32.

    Weights have a scale per channel and, to be right everywhere, seven bits: on processors without VNNI sums
    of eight-bit products overflow. With eight bits the answers are three times as close. Maps are unsigned;
    their ranges hold all but 1 in 100,000 of the numbers that the training photos give, which cuts the
    outliers of open-ended activations. The first convolution stays float32: it is as fast, and eight bits of
    it would cost more than those of all others.

    Args:
        proto: in float32; takes RGB, 0 to 255.
        source: of the photos.
        wide: names of further nodes that stay float32.
        everywhere: whether it is to be right on processors without VNNI too.

    Raises:
        ExportError: there are no photos to learn the ranges from.
    """
    photos = source.photos()
    if not photos:
        raise ExportError(
            "Quantisation to int8 learns the range of every map from photos, received none. Add photos, or "
            "choose another flavour."
        )
    ranges = _ranges(proto, photos)
    with _silence():
        return _as_before(_quantise(proto, ranges, wide, reduce=everywhere), proto)


def _ranges(proto: onnx.ModelProto, photos: Sequence[Pixels]) -> dict[str, Range]:
    digest = sha256(proto.SerializeToString(deterministic=True))
    for photo in photos:
        digest.update(photo.tobytes())
    key = digest.hexdigest()
    if key not in _known:
        taken = (to_tensor_layout([photo]) for photo in photos)
        ranges = map_ranges(proto, taken, len(photos), _OPERATIONS, _CUT)
        _known.clear()
        _known[key] = ranges
    return _known[key]


def _quantise(
    proto: onnx.ModelProto, ranges: Mapping[str, Range], wide: Collection[str], *, reduce: bool
) -> onnx.ModelProto:
    from onnxruntime.quantization import CalibrationMethod, QDQQuantizer, QuantType, TensorsData

    quantiser = QDQQuantizer(
        onnx.shape_inference.infer_shapes(proto),
        per_channel=True,
        reduce_range=reduce,
        weight_qType=QuantType.QInt8,
        activation_qType=QuantType.QUInt8,
        tensors_range=TensorsData(CalibrationMethod.MinMax, dict(ranges)),
        nodes_to_quantize=[],
        nodes_to_exclude=[*_float32(proto.graph), *wide],
        op_types_to_quantize=_OPERATIONS,
        extra_options={},
    )
    quantiser.quantize_model()
    quantiser.model.topological_sort()
    quantised: onnx.ModelProto = quantiser.model.model
    return quantised


def _float32(graph: onnx.GraphProto) -> list[str]:
    """Head and gate, what precedes the network, and its first convolution."""
    before = [step.name for step in first_steps(graph)]
    within = [node.name for node in graph.node if node.op_type == "Conv" and node.name not in before]
    return [HEAD, GATE, GATED, *before, *within[:1]]


def _as_before(quantised: onnx.ModelProto, proto: onnx.ModelProto) -> onnx.ModelProto:
    """The quantised graph under the header of the original."""
    result = onnx.ModelProto()
    result.CopyFrom(proto)
    result.graph.CopyFrom(quantised.graph)
    result.graph.name = proto.graph.name
    del result.graph.value_info[:]
    return result


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    import onnxruntime

    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    onnxruntime.set_default_logger_severity(4)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(before)
        onnxruntime.set_default_logger_severity(2)


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
_WEIGHED = ("Conv", "MatMul", "Gemm")
_HEAD = f"{HEAD}.weight"


def to_float16(proto: onnx.ModelProto, wide: Collection[str] = ()) -> onnx.ModelProto:
    """The graph in float16, with input and outputs in float32.

    Normalisation of the pixels, sums over maps, scaling to unit length and all behind it stay float32; of the
    head the weights alone are kept in 16 bits, of the gate nothing. (The converter that comes with ONNX
    Runtime rounds the pixels and the probabilities to 16 bits.)

    Args:
        proto: in float32.
        wide: names of further nodes that compute in float32.
    """
    inferred = onnx.shape_inference.infer_shapes(proto)
    stay = _stay_wide(inferred.graph).union(wide)
    narrowing = _Narrowing(inferred.graph)
    for tensor in inferred.graph.initializer:
        users = {node.name for node in inferred.graph.node if tensor.name in node.input}
        narrow = tensor.name == _HEAD or not users <= stay
        if narrow and tensor.data_type == TensorProto.FLOAT and _fits(tensor):
            narrowing.constant(tensor)
    for node in inferred.graph.node:
        narrowing.add(node, half=node.name not in stay)
    result = onnx.ModelProto()
    result.CopyFrom(proto)
    del result.graph.node[:], result.graph.value_info[:], result.graph.initializer[:]
    result.graph.node.extend(narrowing.nodes)
    result.graph.initializer.extend(inferred.graph.initializer)
    return result


def with_half_weights(proto: onnx.ModelProto, wide: Collection[str]) -> onnx.ModelProto:
    """The graph with weights kept in float16, and all that is computed in float32.

    Args:
        proto: in float32.
        wide: names of the nodes whose constants stay as they are.
    """
    result = onnx.ModelProto()
    result.CopyFrom(proto)
    kept = {name for node in result.graph.node if node.name in wide for name in node.input}
    weights = {name for node in result.graph.node if node.op_type in _WEIGHED for name in node.input}
    for tensor in result.graph.initializer:
        if tensor.name in weights - kept and tensor.data_type == TensorProto.FLOAT and _fits(tensor):
            name, half = tensor.name, f"{tensor.name}.float16"
            tensor.CopyFrom(numpy_helper.from_array(_narrow(numpy_helper.to_array(tensor)), half))
            widened = helper.make_node("Cast", [half], [name], name=f"{name}.float32", to=TensorProto.FLOAT)
            result.graph.node.insert(0, widened)
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
