"""Files of the family in the runtimes of their users: loaded, and asked by the names that the files have."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from dahlia.boxes import Boxes
from dahlia.export.box_answers import BoxAnswers, refused
from dahlia.export.port import Batch, unusable
from dahlia.export.tensorflow._runtime import silence, tf
from dahlia.export.tensorflow.graph import BGR_TO_RGB, BOXES, CLASSES, INPUT, OUTPUT, SCORES

RUNTIME = f"TensorFlow {tf.__version__}"
Answers = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Loaded:
    """A file that is loaded.

    Attributes:
        name: of the file, for messages.
        nodes: the names of its nodes; one says whether it wants its colours as RGB or BGR.
        outputs: the names of what it answers.
        size: pixels of an edge of the photos that it takes.
        ask: (N, size, size, 3) in the file's colours to what it answers, by name.
    """

    name: str
    nodes: frozenset[str]
    outputs: tuple[str, ...]
    size: int
    ask: Callable[[Batch], Answers]

    def answers(self, pixels: Batch) -> Answers:
        """(N, 3, size, size) float32 RGB, 0 to 255, to what it answers, by name.

        Raises:
            VerificationError: the runtime cannot run it.
        """
        swapped = any(name.rpartition("/")[2] == BGR_TO_RGB for name in self.nodes)
        images = np.ascontiguousarray(pixels.transpose(0, 2, 3, 1)[..., :: -1 if swapped else 1])
        try:
            return self.ask(images)
        except refusals() as error:
            raise unusable(RUNTIME, "run", self.name, error) from error

    def run(self, pixels: Batch) -> Batch:
        """(N, 3, size, size) float32 RGB, 0 to 255, to (N, K) probabilities.

        Raises:
            VerificationError: the runtime cannot run it, or it answers something else.
        """
        if OUTPUT not in self.outputs:
            raise unusable(RUNTIME, "run", self.name, f"it answers {', '.join(self.outputs)}, no {OUTPUT}")
        return np.asarray(self.answers(pixels)[OUTPUT], np.float32)


def load_frozen(path: Path) -> Loaded:
    """Load a frozen graph into a session of TensorFlow.

    Raises:
        VerificationError: it cannot be loaded.
    """
    from google.protobuf.message import DecodeError

    definition, graph = tf.compat.v1.GraphDef(), tf.Graph()
    try:
        definition.ParseFromString(path.read_bytes())
        with graph.as_default():
            tf.graph_util.import_graph_def(definition, name="")
        nodes = frozenset(node.name for node in definition.node)
        names = outputs_among(nodes)
        given, *answered = (graph.get_tensor_by_name(f"{name}:0") for name in (INPUT, *names))
        size = int(given.shape[1])
    except (DecodeError, *refusals()) as error:
        raise unusable(RUNTIME, "load", path.name, error) from error
    session = tf.compat.v1.Session(graph=graph)

    def ask(images: Batch) -> Answers:
        return dict(zip(names, session.run(answered, {given: images}), strict=True))

    return Loaded(path.name, nodes, names, size, ask)


def load_saved_model(folder: Path) -> Loaded:
    """Load the signature `serving_default` of a SavedModel.

    Raises:
        VerificationError: it cannot be loaded.
    """
    try:
        model = tf.saved_model.load(str(folder))
        serve = model.signatures["serving_default"]
        size = int(serve.structured_input_signature[1][INPUT].shape[1])
    except refusals() as error:
        raise unusable(RUNTIME, "load", folder.name, error) from error
    functions = serve.graph.as_graph_def().library.function
    nodes = frozenset(node.name for function in functions for node in function.node_def)

    def ask(images: Batch) -> Answers:
        # The module holds what its signature computes with; both must live as long.
        assert model is not None
        answers = serve(**{INPUT: tf.constant(images)})
        return {name: answer.numpy() for name, answer in answers.items()}

    return Loaded(folder.name, nodes, tuple(serve.structured_outputs), size, ask)


def load_flat_buffer(path: Path) -> Loaded:
    """Load a flat buffer into LiteRT's interpreter, as it is set up unless one says otherwise.

    Raises:
        VerificationError: it cannot be loaded.
    """
    try:
        with warnings.catch_warnings(), silence():
            # It is about to move to a package of its own; the pin on tensorflow holds until then.
            warnings.filterwarnings("ignore", message=r"\s*Warning: tf.lite.Interpreter is deprecated")
            interpreter = tf.lite.Interpreter(model_path=str(path))
            interpreter.allocate_tensors()
        (given,) = interpreter.get_input_details()
        answered = {one["name"]: one["index"] for one in interpreter.get_output_details()}
        size = int(given["shape"][1])
    except refusals() as error:
        raise unusable(RUNTIME, "load", path.name, error) from error
    nodes = frozenset(tensor["name"] for tensor in interpreter.get_tensor_details())

    def ask(images: Batch) -> Answers:
        if tuple(interpreter.get_input_details()[0]["shape"]) != images.shape:
            interpreter.resize_tensor_input(given["index"], images.shape)
            interpreter.allocate_tensors()
        interpreter.set_tensor(given["index"], images)
        interpreter.invoke()
        return {name: interpreter.get_tensor(index) for name, index in answered.items()}

    return Loaded(path.name, nodes, tuple(answered), size, ask)


def outputs_among(nodes: Iterable[str]) -> tuple[str, ...]:
    """The names of what a graph answers: boxes where it has them, else `model_outputs`."""
    return (BOXES, SCORES, CLASSES) if BOXES in nodes else (OUTPUT,)


def refusals() -> tuple[type[Exception], ...]:
    """What TensorFlow raises of a file that it cannot load or run."""
    return (OSError, tf.errors.OpError, RuntimeError, ValueError, LookupError, TypeError)


def reader_of(name: str, outputs: Iterable[str], answers: BoxAnswers) -> Callable[[Answers], Boxes]:
    """What makes boxes of what a file answers for one photo.

    Args:
        name: of the file, for the error.
        outputs: the names of what it answers.
        answers: reads it.

    Raises:
        VerificationError: it answers something else than detectors do.
    """
    kind: Literal["grid", "boxes"] = "boxes" if BOXES in outputs else "grid"
    expected, read = _READS[kind]
    if missing := [one for one in expected if one not in outputs]:
        raise refused(name, f"to answer {', '.join(expected)}", f"one without {', '.join(missing)}")
    return lambda values: read(answers, *(values[one] for one in expected))


def _of_grid(answers: BoxAnswers, grid: np.ndarray) -> Boxes:
    """From channels last to channels first."""
    return answers.of_grid(np.moveaxis(grid, -1, 1) if grid.ndim == 4 else grid)


_READS: dict[Literal["grid", "boxes"], tuple[tuple[str, ...], Callable[..., Boxes]]] = {
    "grid": ((OUTPUT,), _of_grid),
    "boxes": ((BOXES, CLASSES, SCORES), BoxAnswers.of_boxes),
}
