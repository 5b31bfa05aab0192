"""The files as their users open them, each in its own runtime, to be compared with the trained model.

Every runner loads one file and gives a `Run`: (N, 3, size, size) float32 RGB to (N, K). Whether the file
wants its colours as RGB or BGR is read from the file.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from dahlia.export.port import Batch, Run, unusable
from dahlia.export.tensorflow._runtime import silence, tf
from dahlia.export.tensorflow.graph import BGR_TO_RGB, INPUT, OUTPUT

_RUNTIME = f"TensorFlow {tf.__version__}"


def frozen_runner(path: Path) -> Run:
    """Run a frozen graph in a session of TensorFlow.

    Raises:
        VerificationError: it cannot be loaded; and, when it is called, cannot be run.
    """
    from google.protobuf.message import DecodeError

    definition, graph = tf.compat.v1.GraphDef(), tf.Graph()
    try:
        definition.ParseFromString(path.read_bytes())
        with graph.as_default():
            tf.graph_util.import_graph_def(definition, name="")
        ends = [graph.get_tensor_by_name(f"{name}:0") for name in (INPUT, OUTPUT)]
    except (DecodeError, *_refusals()) as error:
        raise unusable(_RUNTIME, "load", path.name, error) from error
    names = [node.name for node in definition.node]
    session = tf.compat.v1.Session(graph=graph)

    def answer(pixels: Batch) -> Any:
        return session.run(ends[1], {ends[0]: pixels})

    return _run(path, names, answer)


def saved_model_runner(folder: Path) -> Run:
    """Run the signature `serving_default` of a SavedModel.

    Raises:
        VerificationError: it cannot be loaded; and, when it is called, cannot be run.
    """
    try:
        model = tf.saved_model.load(str(folder))
        serve = model.signatures["serving_default"]
    except _refusals() as error:
        raise unusable(_RUNTIME, "load", folder.name, error) from error
    functions = serve.graph.as_graph_def().library.function
    names = [node.name for function in functions for node in function.node_def]

    def answer(pixels: Batch) -> Any:
        # The module holds what its signature computes with; both must live as long.
        assert model is not None
        return serve(**{INPUT: tf.constant(pixels)})[OUTPUT].numpy()

    return _run(folder, names, answer)


def tflite_runner(path: Path) -> Run:
    """Run a flat buffer in LiteRT's interpreter, as it is set up unless one says otherwise.

    Raises:
        VerificationError: it cannot be loaded; and, when it is called, cannot be run.
    """
    try:
        with warnings.catch_warnings(), silence():
            # It is about to move to a package of its own; the pin on tensorflow holds until then.
            warnings.filterwarnings("ignore", message=r"\s*Warning: tf.lite.Interpreter is deprecated")
            interpreter = tf.lite.Interpreter(model_path=str(path))
            interpreter.allocate_tensors()
        (given,), (answered,) = interpreter.get_input_details(), interpreter.get_output_details()
    except _refusals() as error:
        raise unusable(_RUNTIME, "load", path.name, error) from error
    names = [tensor["name"] for tensor in interpreter.get_tensor_details()]

    def answer(pixels: Batch) -> Any:
        if tuple(interpreter.get_input_details()[0]["shape"]) != pixels.shape:
            interpreter.resize_tensor_input(given["index"], pixels.shape)
            interpreter.allocate_tensors()
        interpreter.set_tensor(given["index"], pixels)
        interpreter.invoke()
        return interpreter.get_tensor(answered["index"])

    return _run(path, names, answer)


def _run(path: Path, names: Iterable[str], answer: Any) -> Run:
    swapped = any(name.rpartition("/")[2] == BGR_TO_RGB for name in names)

    def run(pixels: Batch) -> Batch:
        images = np.ascontiguousarray(pixels.transpose(0, 2, 3, 1)[..., :: -1 if swapped else 1])
        try:
            return np.asarray(answer(images), np.float32)
        except _refusals() as error:
            raise unusable(_RUNTIME, "run", path.name, error) from error

    return run


def _refusals() -> tuple[type[Exception], ...]:
    return (OSError, tf.errors.OpError, RuntimeError, ValueError, KeyError)
