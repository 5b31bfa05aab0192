"""What torch says that a module computes: a list of its core operations, and their constants."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.export.graph_signature import InputKind
from torch.fx import Graph, Node

from dahlia.errors import ExportError
from dahlia.export.tensorflow.registry import UnsupportedError
from dahlia.export.tensorflow.values import BATCH, Shape

# Torch would take these apart, though they are one operation, or a well-known pattern, in TensorFlow too.
_KEPT_WHOLE = (
    torch.ops.aten.linear.default,
    torch.ops.aten.scaled_dot_product_attention.default,
    torch.ops.aten.hardswish.default,
    torch.ops.aten.hardsigmoid.default,
    torch.ops.aten.silu.default,
    torch.ops.aten.mish.default,
    torch.ops.aten.softplus.default,
    torch.ops.aten.linalg_vector_norm.default,
)


@dataclass(frozen=True)
class Program:
    """A module as a graph of operations.

    Attributes:
        graph: torch's, in the order of execution.
        image: the node that is the image.
        constants: parameters and buffers, by the nodes that stand for them.
    """

    graph: Graph
    image: Node
    constants: dict[Node, Tensor]


def trace(module: nn.Module, size: int, domain: str) -> Program:
    """The operations of a module on any number of images of `size` x `size` pixels.

    Args:
        module: in evaluation mode, on the CPU; one image batch (N, 3, size, size) in, one tensor out.
        size: edge in pixels.
        domain: for the text of the error.

    Raises:
        ExportError: torch cannot follow what the module does.
    """
    try:
        with warnings.catch_warnings(), torch.no_grad():
            # Deprecations inside the exporter are its authors' to fix.
            warnings.simplefilter("ignore")
            shapes = ({0: torch.export.Dim("batch")},)
            exported = torch.export.export(module, (torch.zeros(2, 3, size, size),), dynamic_shapes=shapes)
            table = torch.export.default_decompositions()
            for whole in _KEPT_WHOLE:
                table.pop(whole, None)  # type: ignore[no-untyped-call]
            return _program(exported.run_decompositions(table))
    except (RuntimeError, TypeError, ValueError) as error:
        raise ExportError(
            f"The network of {domain} cannot be followed by torch.export, expected one whose operations do "
            f"not depend on the photo or on how many there are: {' '.join(str(error).split())[:500]}. Choose "
            "another `domain.backbone.architecture`."
        ) from error


def _program(exported: torch.export.ExportedProgram) -> Program:
    nodes = {node.name: node for node in exported.graph.nodes if node.op == "placeholder"}
    tensors = {**exported.state_dict, **exported.constants}
    constants, images = {}, []
    for spec in exported.graph_signature.input_specs:
        node = nodes[spec.arg.name]
        if spec.kind == InputKind.USER_INPUT:
            images.append(node)
        else:
            constants[node] = tensors[str(spec.target)].detach()
    return Program(exported.graph, images[0], constants)


def shape_of(node: Node) -> Shape:
    """Torch's shape of a node's result (of the first, where it has several)."""
    result = node.meta["val"]
    first = result[0] if isinstance(result, tuple | list) else result
    return tuple(size_of(size) for size in first.shape)


def size_of(size: int | torch.SymInt) -> int:
    """A size as a number, with `BATCH` for the number of images."""
    if isinstance(size, int):
        return size
    expression = size.node.expr
    number = int(expression.subs(dict.fromkeys(expression.free_symbols, BATCH)))
    if number % BATCH:
        raise UnsupportedError(f"a size of {expression}, which is no multiple of the number of images")
    return number


def layer_of(node: Node) -> str:
    """The dotted path of the module that an operation belongs to, empty for the outermost."""
    stack = node.meta.get("nn_module_stack") or {}
    path = list(stack.values())[-1][0] if stack else ""
    return str(path).removeprefix("L['self']").lstrip(".")
