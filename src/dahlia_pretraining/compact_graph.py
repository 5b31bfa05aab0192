"""A graph with its weights in 8 bits: a step for each channel that comes out.

Sums stay in float32, so a runtime needs no kernels of integers; it folds the weights when it loads the graph.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import onnx

_LEAST = 512  # numbers; of fewer, 8 bits save nothing
_LEVELS = 127


def compacted(graph: onnx.ModelProto) -> onnx.ModelProto:
    """The same graph; weights of convolutions are half a step off at most.

    Args:
        graph: in float32; stays as it is.
    """
    import onnx
    from onnx import helper, numpy_helper

    made = onnx.ModelProto()
    made.CopyFrom(graph)
    wanted = {node.input[1] for node in made.graph.node if node.op_type == "Conv"}
    kept, nodes = [], []
    for constant in made.graph.initializer:
        values = numpy_helper.to_array(constant)
        if constant.name not in wanted or values.dtype != np.float32 or values.size < _LEAST:
            kept.append(constant)
            continue
        steps = np.maximum(np.abs(values).max((1, 2, 3), keepdims=True), 1e-12) / np.float32(_LEVELS)
        levels = np.round(values / steps).astype(np.int8)
        name = constant.name
        kept.append(numpy_helper.from_array(levels, f"{name}/levels"))
        kept.append(numpy_helper.from_array(steps.astype(np.float32), f"{name}/steps"))
        nodes.append(
            helper.make_node("Cast", [f"{name}/levels"], [f"{name}/float"], to=onnx.TensorProto.FLOAT)
        )
        nodes.append(helper.make_node("Mul", [f"{name}/float", f"{name}/steps"], [name]))
    computed = list(made.graph.node)
    del made.graph.initializer[:], made.graph.node[:], made.graph.value_info[:]
    made.graph.initializer.extend(kept)
    made.graph.node.extend([*nodes, *computed])
    onnx.checker.check_model(made)
    return made
