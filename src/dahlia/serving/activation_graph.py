"""A published graph in two: from pixels to the maps that the network averages, and from there to logits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dahlia.errors import ServiceError
from dahlia.serving.onnx_messages import messages, replace

_FLOAT = 1
_MEANS = ("GlobalAveragePool", "ReduceMean")
_LENGTH = "ReduceL2"
_POSITIONS = {(-2, -1): (2, 3), (2, 3): (2, 3), (1, 2): (1, 2), (1,): (1,)}


@dataclass(frozen=True)
class Averaged:
    """A map that the network averages over the photo.

    Attributes:
        map: its name: (1, C, h, w), (1, h, w, C) or (1, h * w, C).
        axes: those of the map that are positions.
        means: names of the average, one for each node that takes it.
    """

    map: str
    axes: tuple[int, ...]
    means: tuple[str, ...]


@dataclass(frozen=True)
class Halves:
    """What passes between the two graphs.

    Attributes:
        averaged: the maps, at least one. An EfficientNet has two: of its last stage, and the same widened.
        lengths: names of that by which the tail divides, so that features have unit length.
        logits: name of what softmax or sigmoid reads; where there is neither, of the output itself.
    """

    averaged: tuple[Averaged, ...]
    lengths: tuple[str, ...]
    logits: str

    @property
    def means(self) -> tuple[str, ...]:
        """Names of the averages of all maps."""
        return tuple(name for one in self.averaged for name in one.means)

    @property
    def names(self) -> tuple[str, ...]:
        """All names, each once."""
        maps = (one.map for one in self.averaged)
        return tuple(dict.fromkeys((*maps, *self.means, *self.lengths, self.logits)))


def halve(model: bytes, source: str, target: str) -> tuple[Halves, bytes, bytes]:
    """Cut a model where every way from `source` to `target` leads through averages of maps.

    Args:
        model: an ONNX file.
        source: the input.
        target: the output, probabilities.

    Returns:
        What passes between them; the body, an ONNX model with `source` in and everything named out; and the
        tail, with N rows of `means` and `lengths` in and N rows of `logits` out.

    Raises:
        ServiceError: there are no such maps.
        google.protobuf.message.DecodeError: the file is no ONNX model.
    """
    proto = messages()["Model"].FromString(model)
    graph = proto.graph
    makers = {name: node for node in graph.node for name in node.output if name}
    logits = _before_probabilities(makers, target)
    reached = _walk_back(makers, logits, source)
    averages = [node for node in reached if node.op_type in _MEANS]
    if not averages:
        raise unsupported("no maps are averaged")
    means: dict[tuple[str, tuple[int, ...]], list[str]] = {}
    for node in averages:
        means.setdefault((node.input[0], _positions(node, graph, makers)), []).append(node.output[0])
    averaged = tuple(Averaged(name, axes, tuple(taken)) for (name, axes), taken in means.items())
    lengths = tuple(node.output[0] for node in reached if node.op_type == _LENGTH)
    halves = Halves(averaged, lengths, logits)
    replace(graph.value_info, [])
    replace(graph.output, _values(halves.names))
    body = bytes(proto.SerializeToString())
    _keep(graph, [node for node in reached if node.op_type not in (*_MEANS, _LENGTH)], halves.means[0])
    replace(graph.input, _values([*halves.means, *lengths]))
    replace(graph.output, _values([logits]))
    return halves, body, bytes(proto.SerializeToString())


def unsupported(reason: str) -> ServiceError:
    """The refusal of a network that has no map to show."""
    return ServiceError(
        "BadRequestOperationNotSupported",
        "Expected a network that averages maps of features over the photo, as convolutional ones do; in "
        f"this one {reason}. Ask for the prediction alone, or train with another `domain.backbone`.",
    )


def _before_probabilities(makers: dict[str, Any], target: str) -> str:
    node = makers.get(target)
    if node and node.op_type == "Mul":  # by a gate, which is the same for all tags
        node = makers.get(node.input[0], node)
    return str(node.input[0]) if node and node.op_type in ("Softmax", "Sigmoid") else target


def _walk_back(makers: dict[str, Any], start: str, source: str) -> list[Any]:
    """The nodes that `start` depends on, up to averages and lengths, in the order of the graph."""
    found: dict[str, Any] = {}
    waiting = [start]
    while waiting:
        name = waiting.pop()
        if name == source:
            raise unsupported("pixels reach the answer past every average")
        node = makers.get(name)
        if node is None or node.output[0] in found:
            continue
        found[node.output[0]] = node
        if node.op_type not in (*_MEANS, _LENGTH, "Shape"):
            waiting += node.input
    return [node for name, node in makers.items() if name in found]


def _positions(node: Any, graph: Any, makers: dict[str, Any]) -> tuple[int, ...]:
    if node.op_type == "GlobalAveragePool":
        return (2, 3)
    axes = [list(one.ints) for one in node.attribute if one.name == "axes"]
    if len(node.input) > 1:
        axes = [_integers(node.input[1], graph, makers)]
    found = _POSITIONS.get(tuple(sorted(axes[0]))) if axes else None
    if found is None:
        raise unsupported("the last average is not one over positions")
    return found


def _integers(name: str, graph: Any, makers: dict[str, Any]) -> list[int]:
    tensors = [tensor for tensor in graph.initializer if tensor.name == name]
    constants = makers[name].attribute if name in makers else []
    numbers = [number for one in constants for number in one.ints]
    for tensor in (*tensors, *(one.t for one in constants)):
        numbers += [*tensor.int64_data, *np.frombuffer(tensor.raw_data, "<i8").tolist()]
    return numbers


def _keep(graph: Any, nodes: list[Any], mean: str) -> None:
    """Leave no other nodes, and let them read from `mean` how many rows there are."""
    own = {name for node in nodes for name in node.output}
    for node in nodes:
        if node.op_type == "Shape" and node.input[0] not in own:
            node.input[0] = mean
    used = {name for node in nodes for name in node.input}
    replace(graph.initializer, [tensor for tensor in graph.initializer if tensor.name in used])
    replace(graph.node, nodes)


def _values(names: Sequence[str]) -> list[Any]:
    known = messages()
    kind = known["Type"](tensor_type=known["TensorType"](elem_type=_FLOAT))
    return [known["Value"](name=name, type=kind) for name in names]
