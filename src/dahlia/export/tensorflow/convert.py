"""From a module of torch, traced into core operations, to a graph of TensorFlow, operation by operation.

A batch norm behind a convolution disappears into it, as do zeros put around its image.
"""

from __future__ import annotations

import importlib
import operator
import re
import warnings
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.export.graph_signature import InputKind
from torch.fx import Graph, Node
from torch.fx.node import map_aggregate

from dahlia.errors import ExportError
from dahlia.export.tensorflow._runtime import tf
from dahlia.export.tensorflow.answers import PROBABILITIES, Answer
from dahlia.export.tensorflow.folding import CONVOLUTION, fold, foldable_norm, foldable_padding
from dahlia.export.tensorflow.graph import BGR_TO_RGB, INPUT, ImageGraph
from dahlia.export.tensorflow.values import (
    BATCH,
    NHWC,
    OPERATIONS,
    Call,
    Shape,
    UnsupportedError,
    Value,
    arrange,
    constant,
    written_out,
)

for _module in ("convolution", "elementwise", "reduction", "sampling", "shape"):
    importlib.import_module(f"dahlia.export.tensorflow.{_module}")

Channels = Literal["RGB", "BGR"]


def convert(
    module: nn.Module, size: int, *, domain: str, channels: Channels = "RGB", answer: Answer = PROBABILITIES
) -> ImageGraph:
    """Write a module as a graph of TensorFlow.

    Args:
        module: a `Classifier`, or any module in evaluation mode on the CPU that takes (N, 3, size, size)
            float32 RGB and gives the tensors that the answer is made of.
        size: input edge in pixels.
        domain: named in errors.
        channels: the order in which users of the graph give the colours.
        answer: what is made of what the module gives.

    Returns:
        A graph from `Placeholder` float32 (N, size, size, 3), in the range that the module takes, to the
        outputs of the answer.

    Raises:
        ExportError: torch cannot follow the module, or an operation has no TensorFlow form here.
    """
    program = trace(module, size, domain)
    graph = tf.Graph()
    with graph.as_default():
        pixels = tf.compat.v1.placeholder(tf.float32, [answer.batch, size, size, 3], INPUT)
        if answer.alias:
            pixels = tf.identity(pixels, answer.alias)
        if channels == "BGR":
            pixels = tf.reverse(pixels, [3], name=BGR_TO_RGB)
        conversion = _Conversion(program, pixels, domain)
        answer.write(conversion.results())
    used = tf.compat.v1.graph_util.extract_sub_graph(graph.as_graph_def(), list(answer.outputs))
    return ImageGraph(used, size)


class _Conversion:
    """One pass over the nodes. What is known before any image is computed by torch itself."""

    def __init__(self, program: Program, pixels: Any, domain: str) -> None:
        self.nodes = list(program.graph.nodes)
        self.domain = domain
        self.batch = tf.shape(pixels, name="batch")[0]
        size = pixels.shape[1]
        self.known: dict[Node, Any] = dict(program.constants)
        self.known[program.image] = Value(pixels, NHWC, (BATCH, 3, size, size))
        self.folded: dict[Node, Node] = {}

    def results(self) -> list[Any]:
        """The tensors that the module gives, in torch's order of axes."""
        for node in self.nodes:
            if node.op == "call_function":
                self.known[node] = self._computed(node)
        values = [_as_value(self.known[answer]) for answer in self.nodes[-1].args[0]]
        return [arrange(written_out(value, self.batch), tuple(range(value.rank))) for value in values]

    def _computed(self, node: Node) -> Any:
        try:
            result = node.meta.get("val")
            if isinstance(result, int | torch.SymInt):
                return size_of(result)
            if result is None:
                return None
            if node in self.folded:
                return self.known[self.folded[node]], None, None
            args, kwargs = self._arguments(node)
            if node.target is operator.getitem:
                return args[0][args[1]]
            if not self._follows_the_image(node):
                return node.target(*args, **kwargs)  # type: ignore[operator]
            return self._written(node, args, kwargs)
        except UnsupportedError as error:
            raise self._refusal(node, f"is used with {error}, which ") from error

    def _arguments(self, node: Node) -> tuple[Any, Any]:
        def read(argument: Any) -> Any:
            return self.known[argument] if isinstance(argument, Node) else argument

        args = map_aggregate(node.args, read)
        if node.target is CONVOLUTION and self._follows_the_image(node):
            norm = foldable_norm(node, self.known)
            if norm is not None:
                self.folded[norm] = node
                args = (args[0], *fold(node, norm, self.known), *args[3:])
            padding = foldable_padding(node)
            if padding is not None:
                args = (read(padding.image), *args[1:4], padding.before, *args[5:])
        return args, map_aggregate(node.kwargs, read)

    def _follows_the_image(self, node: Node) -> bool:
        return any(isinstance(self.known[source], Value | tuple | int) for source in node.all_input_nodes)

    def _written(self, node: Node, args: Any, kwargs: Any) -> Any:
        write = OPERATIONS.get(str(node.target))
        if write is None:
            raise self._refusal(node, "")
        call = Call(shape_of(node), self.batch)
        args, kwargs = map_aggregate((args, kwargs), _as_value_if_tensor)
        try:
            with tf.name_scope(_scope(layer_of(node))):
                return write(call, *args, **kwargs)
        except (TypeError, ValueError, tf.errors.InvalidArgumentError) as error:
            text = " ".join(str(error).split())[:300]
            raise UnsupportedError(f"what TensorFlow refuses ({text})") from error

    def _refusal(self, node: Node, use: str) -> ExportError:
        layer = layer_of(node)
        return ExportError(
            f"The network of {self.domain} cannot be written for TensorFlow: the operation {node.target} of "
            f"the layer {layer or 'outermost'} {use}has no TensorFlow form here. Export to ONNX instead, or "
            "choose another `domain.backbone.architecture`."
        )


def _as_value(known: Any) -> Value:
    return known if isinstance(known, Value) else constant(known.cpu().numpy())


def _as_value_if_tensor(argument: Any) -> Any:
    return constant(argument.cpu().numpy()) if isinstance(argument, Tensor) else argument


def _scope(layer: str) -> str:
    # The slash at the end: a layer that is entered again goes on in its scope.
    path = re.sub(r"[^A-Za-z0-9_/]", "_", layer.replace(".", "/"))
    return f"model/{path}/" if path else "model/"


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
        module: in evaluation mode, on the CPU; one image batch (N, 3, size, size) in, tensors out.
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
