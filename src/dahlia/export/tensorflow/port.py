"""TensorFlow: the frozen graph that Custom Vision exports, and a SavedModel, opened in TensorFlow.

Both are run as their users run them, to be compared with the trained model.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from dahlia.errors import VerificationError
from dahlia.export.port import Batch, Opened, Run, Source, Usage, output_of, read_labels, unusable
from dahlia.export.tensorflow._runtime import tf
from dahlia.export.tensorflow.graph import BGR_TO_RGB, INPUT, OUTPUT, frozen_graph
from dahlia.export.tensorflow.writers import save_model, write_frozen_pb
from dahlia.modeling.card import ModelCard

FROZEN = "model.pb"
SAVED = "saved_model.pb"
_FROZEN_LINES = (
    "definition = tf.compat.v1.GraphDef()",
    'definition.ParseFromString(open("model.pb", "rb").read())',
    "with tf.compat.v1.Session(graph=tf.Graph()) as session:",
    '    tf.import_graph_def(definition, name="")',
    f'    answers = session.run("{OUTPUT}:0", {{"{INPUT}:0": photo[None].astype(np.float32)}})',
    "probabilities = answers[0]",
)
_SAVED_LINES = (
    'model = tf.saved_model.load(".")',
    f'answers = model.signatures["serving_default"]({INPUT}=tf.constant(photo[None].astype(np.float32)))',
    f'probabilities = answers["{OUTPUT}"].numpy()[0]',
)
_NOTES = {
    "frozen": (
        f"The input is `{INPUT}:0`; the output is `{OUTPUT}:0`, and under its older name `loss:0`.",
        "`model.pb` is a frozen `GraphDef`; programs that were written for TensorFlow 1 read it.",
    ),
    "saved-model": (
        f"The signature `serving_default` takes `{INPUT}` and gives `{OUTPUT}`.",
        "TensorFlow Serving takes these files from a folder named after a version, such as `1`.",
    ),
}


def write(folder: Path, source: Source, flavour: str) -> None:
    """Write `model.pb` (flavour `frozen`), or `saved_model.pb` and `variables/` (`saved-model`).

    Raises:
        ExportError: an operation of the network has no TensorFlow form.
        TrainingError: the bundle is not whole.
    """
    graph = frozen_graph(source, source.card.channels)
    if flavour == "frozen":
        write_frozen_pb(folder / FROZEN, graph)
    else:
        save_model(folder, graph)


@contextmanager
def opened(folder: Path) -> Iterator[Opened]:
    """Open the frozen graph or the SavedModel, whichever the folder holds.

    Raises:
        VerificationError: it holds neither, or TensorFlow cannot load it; and, when it is run, cannot run it.
    """
    if (folder / FROZEN).exists():
        run = frozen_runner(folder / FROZEN)
    elif (folder / SAVED).exists():
        run = saved_model_runner(folder)
    else:
        raise VerificationError(
            f"{folder} was expected to hold {FROZEN} or {SAVED} and holds neither. Export again."
        )
    yield Opened(run, read_labels(folder), f"TensorFlow {tf.__version__}")


def usage(card: ModelCard, flavour: str) -> Usage:
    """How to run it in Python with TensorFlow 2."""
    run = _FROZEN_LINES if flavour == "frozen" else _SAVED_LINES
    imports = ("import cv2", "import numpy as np", "import tensorflow as tf", "")
    lines = (*imports, *photo_lines(card), *run, "best = probabilities.argmax()")
    return Usage(
        packages="tensorflow opencv-python-headless",
        lines="\n".join((*lines, "print(tags[best], probabilities[best])")),
        notes=(*image_notes(card), *_NOTES[flavour]),
    )


def photo_lines(card: ModelCard) -> tuple[str, ...]:
    """Python that reads `labels.txt` into `tags` and `photo.jpg` into `photo`, (size, size, 3)."""
    size = card.input.size
    lines = (
        'tags = open("labels.txt", encoding="utf-8").read().split("\\n")',
        'photo = cv2.imread("photo.jpg")',
        f"photo = cv2.resize(photo, ({size}, {size}), interpolation=cv2.INTER_AREA)",
    )
    return lines if card.channels == "BGR" else (*lines, "photo = photo[..., ::-1]")


def image_notes(card: ModelCard) -> tuple[str, ...]:
    """The facts on input and output, one a line."""
    size, order = card.input.size, " ".join(card.channels)
    return (
        f"Input: float32 (N, {size}, {size}, 3), 0 to 255, colours as {order}; scaling is inside.",
        f"Output: float32 (N, {len(card.tags)}), {output_of(card).meaning}, in the order of `labels.txt`.",
    )


RUNTIME = f"TensorFlow {tf.__version__}"


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
    except (DecodeError, *refusals()) as error:
        raise unusable(RUNTIME, "load", path.name, error) from error
    names = [node.name for node in definition.node]
    session = tf.compat.v1.Session(graph=graph)

    def answer(pixels: Batch) -> Any:
        return session.run(ends[1], {ends[0]: pixels})

    return runner(path, names, answer)


def saved_model_runner(folder: Path) -> Run:
    """Run the signature `serving_default` of a SavedModel.

    Raises:
        VerificationError: it cannot be loaded; and, when it is called, cannot be run.
    """
    try:
        model = tf.saved_model.load(str(folder))
        serve = model.signatures["serving_default"]
    except refusals() as error:
        raise unusable(RUNTIME, "load", folder.name, error) from error
    functions = serve.graph.as_graph_def().library.function
    names = [node.name for function in functions for node in function.node_def]

    def answer(pixels: Batch) -> Any:
        # The module holds what its signature computes with; both must live as long.
        assert model is not None
        return serve(**{INPUT: tf.constant(pixels)})[OUTPUT].numpy()

    return runner(folder, names, answer)


def runner(path: Path, names: Iterable[str], answer: Any) -> Run:
    """A `Run` of a file that is loaded: (N, 3, size, size) float32 RGB to (N, K).

    Args:
        path: of the file, for messages.
        names: of its nodes; one says whether the file wants its colours as RGB or BGR.
        answer: takes (N, size, size, 3) in the file's colours and gives (N, K).
    """
    swapped = any(name.rpartition("/")[2] == BGR_TO_RGB for name in names)

    def run(pixels: Batch) -> Batch:
        images = np.ascontiguousarray(pixels.transpose(0, 2, 3, 1)[..., :: -1 if swapped else 1])
        try:
            return np.asarray(answer(images), np.float32)
        except refusals() as error:
            raise unusable(RUNTIME, "run", path.name, error) from error

    return run


def refusals() -> tuple[type[Exception], ...]:
    """What TensorFlow raises of a file that it cannot load or run."""
    return (OSError, tf.errors.OpError, RuntimeError, ValueError, KeyError)
