"""LiteRT's flat buffers taken apart and put together: names of layers and ends, and weights in 16 bits."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import flatbuffers
import numpy as np
import numpy.typing as npt

SIGNATURE = b"serving_default"
_IDENTIFIER = b"TFL3"
_ALIGNMENT = 16
_MANY = 1000  # numbers; fewer are not worth an operation that widens them
_HALF_VERSION = 3  # of the operation that widens: the first that takes 16 bits


def schema() -> Any:
    """The generated code that reads and writes flat buffers."""
    return import_module("tensorflow.lite.python.schema_py_generated")


def unpacked(model: bytes) -> Any:
    """The tables of a flat buffer, to be changed."""
    return schema().ModelT.InitFromPackedBuf(model)


def packed(tables: Any) -> bytes:
    """The flat buffer of tables."""
    generated = schema()
    tables.buffers = [_Aligned(generated, buffer.data) for buffer in tables.buffers]
    builder = flatbuffers.Builder(sum(len(buffer.data) for buffer in tables.buffers) + 1024)
    builder.Finish(tables.Pack(builder), _IDENTIFIER)
    return bytes(builder.Output())


class _Aligned:
    """A buffer at a multiple of 16 bytes, as the schema asks for and the generated code forgets."""

    def __init__(self, generated: Any, data: Any) -> None:
        self.generated = generated
        self.data = b"" if data is None else bytes(data)

    def Pack(self, builder: Any) -> int:  # noqa: N802 - the name that the generated code calls
        vector = 0
        if self.data:
            builder.StartVector(1, len(self.data), _ALIGNMENT)
            builder.head -= len(self.data)
            builder.Bytes[builder.head : builder.head + len(self.data)] = self.data
            vector = builder.EndVector()
        self.generated.BufferStart(builder)
        if self.data:
            self.generated.BufferAddData(builder, vector)
        return int(self.generated.BufferEnd(builder))


def with_signature(model: bytes) -> bytes:
    """The flat buffer with the signature `serving_default`, by which its inputs and outputs can be named."""
    generated, tables = schema(), unpacked(model)
    (graph,) = tables.subgraphs

    def ends(indices: Any) -> list[Any]:
        return [generated.TensorMapT(graph.tensors[index].name, index) for index in indices]

    signature = generated.SignatureDefT(ends(graph.inputs), ends(graph.outputs), SIGNATURE, 0)
    tables.signatureDefs = [signature]
    return packed(tables)


def layers_of(model: bytes) -> list[str]:
    """The names of what the operations of a flat buffer give."""
    (graph,) = unpacked(model).subgraphs
    return [_name(graph, layer) for layer in graph.operators]


def with_halves(model: bytes, narrow: str) -> bytes:
    """The flat buffer with weights of some layers in 16 bits, each widened once, before all layers.

    The converter's own narrowing takes all constants, also those with which coordinates are computed and
    those that keep a logarithm finite.

    Args:
        model: in float32.
        narrow: what the names of the layers have in common.
    """
    generated, tables = schema(), unpacked(model)
    (graph,) = tables.subgraphs
    widen = generated.OperatorCodeT(generated.BuiltinOperator.DEQUANTIZE)
    widen.builtinCode, widen.version = generated.BuiltinOperator.DEQUANTIZE, _HALF_VERSION
    tables.operatorCodes.append(widen)
    added = []
    for index in _weights(tables, graph, narrow):
        wide = graph.tensors[index]
        values = np.frombuffer(bytes(tables.buffers[wide.buffer].data), "<f4").astype("<f2")
        held = generated.BufferT()
        held.data = np.frombuffer(values.tobytes(), np.uint8)
        tables.buffers.append(held)
        half = generated.TensorT(shape=wide.shape, type=generated.TensorType.FLOAT16)
        half.name, half.buffer = wide.name + b"/half", len(tables.buffers) - 1
        graph.tensors.append(half)
        former, wide.buffer = wide.buffer, 0  # the empty one: it is computed now
        if not any(tensor.buffer == former for tensor in graph.tensors):
            tables.buffers[former].data = None
        operator = generated.OperatorT(opcodeIndex=len(tables.operatorCodes) - 1)
        operator.inputs, operator.outputs = _indices(len(graph.tensors) - 1), _indices(index)
        added.append(operator)
    graph.operators = [*added, *graph.operators]
    return packed(tables)


def _weights(tables: Any, graph: Any, narrow: str) -> list[int]:
    """Constants of many numbers that only layers of the name read, and that 16 bits can hold."""
    readers: dict[int, list[str]] = {}
    for layer in graph.operators:
        for index in layer.inputs:
            readers.setdefault(int(index), []).append(_name(graph, layer))
    found = []
    for index, names in sorted(readers.items()):
        tensor = graph.tensors[index]
        data = tables.buffers[tensor.buffer].data if index >= 0 else None
        if data is None or tensor.type != schema().TensorType.FLOAT32 or len(data) < 4 * _MANY:
            continue
        largest = np.abs(np.frombuffer(bytes(data), "<f4")).max()
        if all(narrow in name for name in names) and largest <= np.finfo(np.float16).max:
            found.append(index)
    return found


def _name(graph: Any, layer: Any) -> str:
    return str(graph.tensors[layer.outputs[0]].name.decode())


def _indices(index: int) -> npt.NDArray[np.int32]:
    return np.array([index], np.int32)
