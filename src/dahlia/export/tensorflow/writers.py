"""The files: a frozen graph, a SavedModel, and LiteRT's flat buffer."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from dahlia.errors import ExportError
from dahlia.export.tensorflow._runtime import silence, tf
from dahlia.export.tensorflow.graph import INPUT, OUTPUT, ImageGraph
from dahlia.export.tensorflow.numbering import number_anew
from dahlia.files import staged_file

# What stays float32 among 8 bits: pixels before they are scaled, means over a map, and scaling to unit
# length, whose divisor 8 bits may round to zero. On grocery shelves this keeps 94 % right instead of 82.
_FLOAT32 = (
    *("REVERSE_V2", "SUB", "MEAN", "SQUARE", "SUM", "SQRT", "RSQRT", "MAXIMUM", "DIV"),
    *("CONCATENATION", "FULLY_CONNECTED", "SOFTMAX"),
)
Flavour = Literal["float32", "float16", "int8"]
Photo = npt.NDArray[np.uint8]


def write_frozen_pb(path: Path, graph: ImageGraph) -> None:
    """Write a `GraphDef` with `Placeholder:0` in, `model_outputs:0` and the same as `loss:0` out."""
    with staged_file(path) as staged:
        staged.write_bytes(graph.definition.SerializeToString(deterministic=True))


def save_model(folder: Path, graph: ImageGraph) -> None:
    """Write a SavedModel into an empty folder that is there.

    Its signature `serving_default` takes `Placeholder` and gives `model_outputs`. The same graph gives the
    same files.
    """
    module = tf.Module()
    module.serve = _serving(graph)
    tf.saved_model.save(module, str(folder), signatures={"serving_default": module.serve})
    # What TensorFlow leaves beside the model: a random number for telemetry, and a folder for no file.
    (folder / "fingerprint.pb").unlink(missing_ok=True)
    (folder / "assets").rmdir()
    number_anew(folder / "saved_model.pb")


def _serving(graph: ImageGraph) -> Any:
    def serve(pixels: Any) -> dict[str, Any]:
        (answer,) = tf.graph_util.import_graph_def(
            graph.definition, {f"{INPUT}:0": pixels}, [f"{OUTPUT}:0"], name="graph"
        )
        return {OUTPUT: answer}

    given = tf.TensorSpec([None, graph.size, graph.size, 3], tf.float32, name=INPUT)
    return tf.function(serve, input_signature=[given], autograph=False)


def flat_buffer(graph: ImageGraph, flavour: Flavour, photos: Iterable[Photo] = ()) -> bytes:
    """A model of LiteRT that takes `Placeholder` and gives `model_outputs`, both float32.

    Args:
        graph: what it computes.
        flavour: of the weights; with `int8` the maps between the layers are of 8 bits too.
        photos: (size, size, 3) uint8 RGB each. Read for `int8` alone, to learn the range of every map; some
            hundred from the training set are enough.

    Raises:
        ExportError: `int8` without photos or with such of another size, or the converter refuses the graph.
    """
    converter = tf.lite.TFLiteConverter.from_concrete_functions([graph.function()])
    if flavour != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if flavour == "float16":
        converter.target_spec.supported_types = [tf.float16]
    batches = list(_batches(graph, photos)) if flavour == "int8" else []
    try:
        with warnings.catch_warnings(), silence():
            # The converter asks for what only images of whole numbers would need.
            warnings.filterwarnings("ignore", message="Statistics for quantized inputs were expected")
            warnings.filterwarnings("ignore", message=r"\s*Warning: tf.lite.Interpreter is deprecated")
            return bytes(converter.convert() if flavour != "int8" else _in_8_bits(converter, batches))
    except _refusals() as error:
        text = " ".join(str(error).split())[:300]
        raise ExportError(
            f"The graph cannot be written for LiteRT as {flavour}: {text}. Choose another flavour, or "
            "another `domain.backbone.architecture`."
        ) from error


def _in_8_bits(converter: Any, batches: list[list[npt.NDArray[np.float32]]]) -> Any:
    converter.representative_dataset = lambda: iter(batches)
    options = tf.lite.experimental.QuantizationDebugOptions(
        denylisted_ops=list(_FLOAT32), denylisted_nodes=[OUTPUT]
    )
    selective = tf.lite.experimental.QuantizationDebugger(
        converter=converter, debug_dataset=lambda: iter(batches[:1]), debug_options=options
    )
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
    from importlib import import_module

    convert = import_module("tensorflow.lite.python.convert")
    return (convert.ConverterError, RuntimeError, ValueError)
