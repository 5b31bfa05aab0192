"""The files: a frozen graph, a SavedModel, and LiteRT's flat buffer."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from dahlia.errors import ExportError
from dahlia.export.tensorflow._runtime import silence, tf
from dahlia.export.tensorflow.flat_buffers import layers_of, with_halves
from dahlia.export.tensorflow.graph import INPUT, OUTPUT, ImageGraph
from dahlia.files import staged_file

# What stays float32 among 8 bits: pixels before they are scaled, means over a map, and scaling to unit
# length, whose divisor 8 bits may round to zero. On grocery shelves this keeps 94 % right instead of 82.
_FLOAT32 = (
    *("REVERSE_V2", "SUB", "MEAN", "SQUARE", "SUM", "SQRT", "RSQRT", "MAXIMUM", "DIV"),
    *("CONCATENATION", "FULLY_CONNECTED", "SOFTMAX"),
)
Flavour = Literal["float32", "float16", "int8"]
Photo = npt.NDArray[np.uint8]
# `__inference_serve_42` and the mark `PartitionedCall-42` of a call.
_NUMBERED = re.compile(r"^(__inference_\w+_|PartitionedCall-|StatefulPartitionedCall-)(\d+)$")


def write_frozen_pb(path: Path, graph: ImageGraph) -> None:
    """Write a `GraphDef` from `Placeholder:0` to its outputs, such as `model_outputs:0`."""
    with staged_file(path) as staged:
        staged.write_bytes(graph.definition.SerializeToString(deterministic=True))


def save_model(folder: Path, graph: ImageGraph) -> None:
    """Write a SavedModel into an empty folder that is there.

    Its signature `serving_default` takes `Placeholder` and gives the graph's outputs by their names. The same
    graph gives the same files.
    """
    module = tf.Module()
    module.serve = _serving(graph)
    tf.saved_model.save(module, str(folder), signatures={"serving_default": module.serve})
    # What TensorFlow leaves beside the model: a random number for telemetry, and a folder for no file.
    (folder / "fingerprint.pb").unlink(missing_ok=True)
    (folder / "assets").rmdir()
    _renumber(folder / "saved_model.pb")


def _serving(graph: ImageGraph) -> Any:
    names = graph.outputs

    def serve(pixels: Any) -> dict[str, Any]:
        answers = tf.graph_util.import_graph_def(
            graph.definition, {f"{INPUT}:0": pixels}, [f"{name}:0" for name in names], name="graph"
        )
        return dict(zip(names, answers, strict=True))

    given = tf.TensorSpec(graph.given, tf.float32, name=INPUT)
    return tf.function(serve, input_signature=[given], autograph=False)


def _renumber(path: Path) -> None:
    """Rewrite `saved_model.pb` with its functions numbered from 0 on, in the order of their numbers.

    TensorFlow numbers them by how many its process has made before, so that the same graph would give a file
    that differs from process to process.
    """
    saved: Any = import_module("tensorflow.core.protobuf.saved_model_pb2").SavedModel
    model = saved.FromString(path.read_bytes())
    names = _names(model)
    for meta in model.meta_graphs:
        _rename_library(meta.graph_def, names)
        _rename_objects(meta.object_graph_def, names)
    path.write_bytes(model.SerializeToString(deterministic=True))


def _names(model: Any) -> dict[str, str]:
    """The new name of each that has a number."""
    found = set()
    for meta in model.meta_graphs:
        found |= {function.signature.name for function in meta.graph_def.library.function}
        for node in _nodes(meta.graph_def):
            found |= {value.func.name for value in node.attr.values()}
            found |= {_text(value) for value in node.attr.values()}
    matches = [match for match in map(_NUMBERED.match, found) if match]
    numbers = sorted({int(match[2]) for match in matches})
    return {match[0]: f"{match[1]}{numbers.index(int(match[2]))}" for match in matches}


def _nodes(graph: Any) -> Iterator[Any]:
    yield from graph.node
    for function in graph.library.function:
        yield from function.node_def


def _text(value: Any) -> str:
    return str(value.s.decode(errors="replace")) if len(value.s) < 200 else ""


def _rename_library(graph: Any, names: dict[str, str]) -> None:
    for function in graph.library.function:
        function.signature.name = names.get(function.signature.name, function.signature.name)
    graph.library.function.sort(key=lambda function: function.signature.name)
    for node in _nodes(graph):
        for value in node.attr.values():
            if value.func.name in names:
                value.func.name = names[value.func.name]
            elif (text := _text(value)) in names:
                value.s = names[text].encode()


def _rename_objects(objects: Any, names: dict[str, str]) -> None:
    for former in [name for name in objects.concrete_functions if name in names]:
        objects.concrete_functions[names[former]].CopyFrom(objects.concrete_functions[former])
        del objects.concrete_functions[former]
    for node in objects.nodes:
        kept = [names.get(name, name) for name in node.function.concrete_functions]
        if kept:
            del node.function.concrete_functions[:]
            node.function.concrete_functions.extend(kept)
        bare = node.bare_concrete_function
        if bare.concrete_function_name in names:
            bare.concrete_function_name = names[bare.concrete_function_name]


def flat_buffer(graph: ImageGraph, flavour: Flavour, photos: Iterable[Photo] = (), narrow: str = "") -> bytes:
    """A model of LiteRT that takes `Placeholder` and gives the graph's outputs, as wide as the graph does.

    Args:
        graph: what it computes.
        flavour: of the weights; with `int8` the maps between the layers are of 8 bits too.
        photos: (size, size, 3) uint8 RGB each. Read for `int8` alone, to learn the range of every map; some
            hundred from the training set are enough.
        narrow: what the names of layers have in common that may have fewer bits; all others stay float32.

    Raises:
        ExportError: `int8` without photos or with such of another size, or the converter refuses the graph.
    """
    converter = tf.lite.TFLiteConverter.from_concrete_functions([graph.function()])
    in_part = flavour == "float16" and bool(narrow)
    if flavour != "float32" and not in_part:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if flavour == "float16":
        converter.target_spec.supported_types = [tf.float16]
    batches = list(_batches(graph, photos)) if flavour == "int8" else []
    try:
        with warnings.catch_warnings(), silence():
            # The converter asks for what only images of whole numbers would need.
            warnings.filterwarnings("ignore", message="Statistics for quantized inputs were expected")
            warnings.filterwarnings("ignore", message=r"\s*Warning: tf.lite.Interpreter is deprecated")
            if flavour == "int8":
                return bytes(_in_8_bits(converter, batches, narrow))
            model = bytes(converter.convert())
            return with_halves(model, narrow) if in_part else model
    except _refusals() as error:
        text = " ".join(str(error).split())[:300]
        raise ExportError(
            f"The graph cannot be written for LiteRT as {flavour}: {text}. Choose another flavour, or "
            "another `domain.backbone.architecture`."
        ) from error


def _in_8_bits(converter: Any, batches: list[list[npt.NDArray[np.float32]]], narrow: str) -> Any:
    converter.representative_dataset = lambda: iter(batches)
    options = tf.lite.experimental.QuantizationDebugOptions(
        denylisted_ops=list(_FLOAT32), denylisted_nodes=[OUTPUT]
    )
    selective = tf.lite.experimental.QuantizationDebugger(
        converter=converter, debug_dataset=lambda: iter(batches[:1]), debug_options=options
    )
    # The names that layers have here come with the calibrated model alone.
    names = layers_of(selective.calibrated_model)
    options.denylisted_nodes = [OUTPUT, *(name for name in names if narrow not in name)]
    return selective.get_nondebug_quantized_model()


def _batches(graph: ImageGraph, photos: Iterable[Photo]) -> Iterator[list[npt.NDArray[np.float32]]]:
    expected = (graph.size, graph.size, 3)
    count = 0
    for count, photo in enumerate(photos, 1):  # noqa: B007
        if photo.shape != expected:
            raise ExportError(
                f"Quantisation learns from photos of shape {expected}, received {photo.shape}. Resize them "
                "as the model's card says."
            )
        yield [(photo[..., ::-1] if graph.channels == "BGR" else photo)[None].astype(np.float32)]
    if count == 0:
        raise ExportError(
            "Quantisation to int8 learns the range of every map from photos, received none. Give some "
            "hundred of the training set."
        )


def _refusals() -> tuple[type[Exception], ...]:
    convert = import_module("tensorflow.lite.python.convert")
    return (convert.ConverterError, RuntimeError, ValueError)
