"""ONNX files without the `onnx` package, which the serving process does not have.

They are protocol buffers: the few fields that matter are declared here for `protobuf`, which ONNX Runtime
brings along; the rest passes through unread.
"""

from __future__ import annotations

import functools
from collections.abc import Collection
from typing import Any

_FIELDS = {
    "Model": {"graph": (7, "Graph")},
    "Graph": {
        "node": (1, "Node*"),
        "initializer": (5, "Tensor*"),
        "input": (11, "Value*"),
        "output": (12, "Value*"),
        "value_info": (13, "Value*"),
    },
    "Node": {
        "input": (1, "string*"),
        "output": (2, "string*"),
        "op_type": (4, "string"),
        "attribute": (5, "Attribute*"),
    },
    "Attribute": {"name": (1, "string"), "t": (5, "Tensor"), "ints": (8, "int64*")},
    "Tensor": {"int64_data": (7, "int64*"), "name": (8, "string"), "raw_data": (9, "bytes")},
    "Value": {"name": (1, "string"), "type": (2, "Type")},
    "Type": {"tensor_type": (1, "TensorType")},
    "TensorType": {"elem_type": (1, "int32")},
}


@functools.cache
def messages() -> dict[str, Any]:
    """The classes of the messages, by the names of `onnx.proto` without `Proto`."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(name="graph.proto", package="graph", syntax="proto2")
    for message, fields in _FIELDS.items():
        kind = file.message_type.add(name=message)
        for name, (number, what) in fields.items():
            field = kind.field.add(name=name, number=number)
            field.label = field.LABEL_REPEATED if what.endswith("*") else field.LABEL_OPTIONAL
            what = what.rstrip("*")
            if what in _FIELDS:
                field.type, field.type_name = field.TYPE_MESSAGE, f".graph.{what}"
            else:
                field.type = getattr(field, f"TYPE_{what.upper()}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"graph.{name}")) for name in _FIELDS
    }


def replace(repeated: Any, values: list[Any]) -> None:
    """Put other values into a repeated field."""
    del repeated[:]
    repeated.extend(values)


def with_outputs(model: bytes, names: Collection[str]) -> bytes:
    """The model with some of its outputs alone, and without the nodes that only the others need.

    Classifiers also answer with texts and dictionaries, which not every runtime has.

    Args:
        model: an ONNX file.
        names: of the outputs that stay.

    Raises:
        ValueError: the file is no ONNX model.
    """
    from google.protobuf.message import DecodeError

    try:
        proto = messages()["Model"].FromString(model)
    except DecodeError as error:
        raise ValueError(f"it is no ONNX model ({error})") from error
    graph = proto.graph
    needed = set(names)
    kept: list[Any] = []
    for node in reversed(graph.node):
        if needed.intersection(node.output):
            kept.append(node)
            needed.update(node.input)
    dropped = {value.name for value in graph.output} - needed
    replace(graph.node, kept[::-1])
    replace(graph.output, [value for value in graph.output if value.name in names])
    replace(graph.value_info, [value for value in graph.value_info if value.name not in dropped])
    return bytes(proto.SerializeToString())
