"""The first steps of a graph: which pixels it takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from dahlia.export.onnx.backbone_graph import INPUT
from dahlia.params import Channels

BGR_TO_RGB, TO_255 = "bgr_to_rgb", "to_255"


def take_pixels(graph: onnx.GraphProto, channels: Channels, full: int) -> None:
    """Let a graph that takes RGB from 0 to 255 take `channels` from 0 to `full` instead.

    Args:
        graph: changed in place.
        channels: the order that it is to take. Reversing them costs a quarter of a percent of a prediction.
        full: what white is in each channel: 255 or 1.
    """
    if full == 1:
        _first(graph, "Mul", TO_255, np.array(255, np.float32))
    if channels == "BGR":
        _first(graph, "Gather", BGR_TO_RGB, np.array([2, 1, 0]), axis=1)


def first_steps(graph: onnx.GraphProto) -> Sequence[onnx.NodeProto]:
    """The nodes before the network: what is added here, normalisation, and smoothing."""
    steps: list[onnx.NodeProto] = []
    name = INPUT
    while True:
        users = [node for node in graph.node if name in node.input and node.op_type != "Shape"]
        if len(users) != 1 or not _on_pixels(users[0]):
            return steps
        steps.append(users[0])
        name = users[0].output[0]


def _on_pixels(node: onnx.NodeProto) -> bool:
    # Smoothing is a convolution of each of the three colours by itself.
    groups = [attribute.i for attribute in node.attribute if attribute.name == "group"]
    return node.op_type in ("Gather", "Mul", "Sub", "Div") or (node.op_type == "Conv" and groups == [3])


def _first(graph: onnx.GraphProto, operation: str, name: str, constant: npt.NDArray[Any], **how: Any) -> None:
    for node in graph.node:
        node.input[:] = [name if one == INPUT else one for one in node.input]
    graph.initializer.append(numpy_helper.from_array(constant, f"{name}.constant"))
    graph.node.insert(0, helper.make_node(operation, [INPUT, f"{name}.constant"], [name], name, **how))
