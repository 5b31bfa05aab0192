"""The frozen graph that the formats of the family are written from, and the names of its ends."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from dahlia.errors import TrainingError
from dahlia.export.port import Source
from dahlia.export.tensorflow._runtime import tf
from dahlia.files import sha256_of, staged_file
from dahlia.params import Channels

# As the exports of Custom Vision name them; clients of older ones ask for `loss`.
INPUT = "Placeholder"
OUTPUT = "model_outputs"
FORMER_OUTPUT = "loss"
BOXES, SCORES, CLASSES = "detected_boxes", "detected_scores", "detected_classes"
# Where programs that were written for boxes feed the photo.
IMAGE = "image_tensor"
# A graph that holds it takes its colours as blue, green, red.
BGR_TO_RGB = "bgr_to_rgb"
_DIGEST = 32
# Of the size of the model each; every training makes another.
_MOST_KEPT = 4


@dataclass(frozen=True)
class ImageGraph:
    """A graph without variables.

    Attributes:
        definition: the `GraphDef`.
        size: input edge in pixels.
    """

    definition: Any
    size: int

    @property
    def channels(self) -> str:
        """The order of the colours that the graph takes."""
        return "BGR" if any(node.name == BGR_TO_RGB for node in self.definition.node) else "RGB"

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of what it answers."""
        several = any(node.name == BOXES for node in self.definition.node)
        return (BOXES, SCORES, CLASSES) if several else (OUTPUT,)

    @property
    def given(self) -> list[int | None]:
        """The shape of what it takes; None for any number of photos."""
        (taken,) = (node for node in self.definition.node if node.op == "Placeholder")
        return [None if dim.size == -1 else dim.size for dim in taken.attr["shape"].shape.dim]

    def function(self) -> Any:
        """A concrete function: the image batch to the answer, or to the answers in their order."""
        imported = tf.compat.v1.wrap_function(
            lambda: tf.graph_util.import_graph_def(self.definition, name=""), []
        )
        given, *answers = (imported.graph.get_tensor_by_name(f"{name}:0") for name in (INPUT, *self.outputs))
        return imported.prune(given, answers[0] if len(answers) == 1 else answers)


def frozen_graph(source: Source, channels: Channels) -> ImageGraph:
    """The graph of a trained model, without variables.

    It is converted by torch once per weights, card and converter, and kept in `source.cache` behind its
    SHA-256; a file that does not fit its checksum is made again. The last four are kept.

    Args:
        source: the trained model.
        channels: the order in which users of the graph give the colours.

    Raises:
        ExportError: an operation of the network has no TensorFlow form.
        TrainingError: the bundle is not whole.
    """
    path = source.cache / f"tensorflow-{_fingerprint(source, channels)[:24]}.pb"
    content = _kept(path)
    if content is None:
        content = _convert(source, channels)
        with staged_file(path) as staged:
            staged.write_bytes(hashlib.sha256(content).digest() + content)
        _forget_oldest(source.cache)
    return ImageGraph(tf.compat.v1.GraphDef.FromString(content), source.card.input.size)


def _fingerprint(source: Source, channels: Channels) -> str:
    weights = source.bundle / "model.safetensors"
    try:
        parts = [sha256_of(weights)]
    except OSError as error:
        raise TrainingError(
            f"{weights} could not be read ({error}). Run `dvc repro train` to train it again."
        ) from error
    parts += [source.card.model_dump_json(), channels, version("torch"), tf.__version__]
    # The converter's version is its text: a graph of a former one is never taken for one of today's.
    parts += [sha256_of(module) for module in sorted(Path(__file__).parent.glob("*.py"))]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _kept(path: Path) -> bytes | None:
    try:
        held = path.read_bytes()
    except FileNotFoundError:
        return None
    digest, content = held[:_DIGEST], held[_DIGEST:]
    return content if hashlib.sha256(content).digest() == digest else None


def _forget_oldest(cache: Path) -> None:
    kept = sorted(cache.glob("tensorflow-*.pb"), key=lambda path: path.stat().st_mtime)
    for path in kept[:-_MOST_KEPT]:
        path.unlink(missing_ok=True)


def _convert(source: Source, channels: Channels) -> bytes:
    from dahlia.export.tensorflow.convert import convert
    from dahlia.export.tensorflow.modules import MODULES

    module, answer = MODULES[source.card.kind](source)
    card = source.card
    graph = convert(module, card.input.size, domain=card.domain, channels=channels, answer=answer)
    return bytes(graph.definition.SerializeToString(deterministic=True))
