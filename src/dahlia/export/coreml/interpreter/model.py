"""A Core ML model as its users have it: a photo in; probabilities of tags, or what shows boxes, out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dahlia.errors import VerificationError
from dahlia.export.coreml.interpreter.files import messages, read_model
from dahlia.export.coreml.interpreter.pipeline import computed, require_shapes
from dahlia.export.coreml.interpreter.registry import Array

RUNTIME = "Dahlia's interpreter of Core ML programs"


class Interpreted:
    """The `.mlpackage` or `.mlmodel` of a classifier, loaded.

    Args:
        path: the package or the file.

    Attributes:
        labels: the tags that the model names, in the order of its probabilities.
        image: what it wants to be fed.

    Raises:
        VerificationError: it is missing, damaged, no classifier, or computes what is not known here.
    """

    def __init__(self, path: Path) -> None:
        model, weights = read_model(path)
        self.image: ImageInput = image_input(model)
        self._computed = computed(model, weights)
        self.labels = self._computed.labels
        if not self.labels or len(self._computed.answers) != 1:
            raise VerificationError(
                f"{path.name} was expected to be a classifier's, whose program ends in an operation "
                "`classify` that names the tags, and is not. Export again."
            )

    def run(self, pixels: Array) -> Array:
        """(N, 3, height, width) RGB, 0 to 255, to (N, K), one photo at a time as Core ML takes them.

        Raises:
            VerificationError: an operation is used in a way that is not known here, or the photos are of
                another size.
        """
        rows = [self._row(photo) for photo in pixels]
        return np.stack(rows) if rows else np.zeros((0, len(self.labels)), np.float32)

    def _row(self, photo: Array) -> Array:
        (probabilities,) = self._computed.run({self.image.name: self.image.tensor(photo)}).values()
        return probabilities.reshape(-1)


class InterpretedDetector:
    """The `.mlpackage` or `.mlmodel` of a detector, loaded.

    Args:
        path: the package or the file.

    Attributes:
        labels: the tags that its suppression names, in the order of the confidences; none without one.
        properties: what its makers say of it.
        image: what it wants to be fed.
        answers: the names of what it gives.

    Raises:
        VerificationError: it is missing, damaged, or computes something that is not known here.
    """

    def __init__(self, path: Path) -> None:
        model, weights = read_model(path)
        self.image: ImageInput = image_input(model)
        self._computed = computed(model, weights)
        self._outputs = model.description.output
        self.labels = self._computed.labels
        self.properties = dict(model.description.metadata.userDefined)
        self.answers = tuple(feature.name for feature in self._outputs)

    def run(self, photo: Array) -> dict[str, Array]:
        """(3, height, width) RGB, 0 to 255, to what the model answers, by name.

        Raises:
            VerificationError: an operation is used in a way that is not known here, the photo is of another
                size, or an answer is of another shape than the model declares.
        """
        answers = self._computed.run({self.image.name: self.image.tensor(photo)})
        require_shapes(self._outputs, answers)
        return answers


@dataclass(frozen=True)
class ImageInput:
    """The one image input of a model.

    Attributes:
        name: of the input.
        width: in pixels.
        height: in pixels.
        colours: `RGB` or `BGR`, the order in which the model gets the channels.
        scale: what each channel is multiplied with.
        bias: what is then added to red, green and blue.
    """

    name: str
    width: int
    height: int
    colours: str
    scale: float
    bias: tuple[float, float, float]

    def tensor(self, photo: Array) -> Array:
        """What Core ML makes of a photo, (3, height, width) RGB, 0 to 255: (1, 3, height, width).

        Raises:
            VerificationError: the photo is of another size.
        """
        if photo.shape != (3, self.height, self.width):
            raise VerificationError(
                f"The model wants photos of {self.width} x {self.height} pixels, received the shape "
                f"{photo.shape}. Resize them as the model's card says."
            )
        whole = np.clip(np.rint(photo), 0, 255).astype(np.float32)
        scaled = whole * np.float32(self.scale) + np.array(self.bias, np.float32).reshape(3, 1, 1)
        return np.ascontiguousarray(scaled[:: -1 if self.colours == "BGR" else 1][None])


def image_input(model: Any) -> ImageInput:
    """Read it from a `Model` message.

    Raises:
        VerificationError: the model has no image input, several inputs, or colours that are not known here.
    """
    inputs = [given for given in model.description.input if not given.type.isOptional]
    kinds = [given.type.WhichOneof("Type") for given in inputs]
    if kinds != ["imageType"]:
        raise VerificationError(f"The model was expected to take one image and takes {kinds}. Export again.")
    spaces = messages().FeatureTypes_pb2.ImageFeatureType.ColorSpace
    image = inputs[0].type.imageType
    colours = spaces.Name(image.colorSpace)
    if colours not in ("RGB", "BGR"):
        raise VerificationError(
            f"The model was expected to take RGB or BGR and takes {colours}. Export again."
        )
    scale, bias = _scaling(model, inputs[0].name)
    return ImageInput(inputs[0].name, image.width, image.height, colours, scale, bias)


def _scaling(model: Any, name: str) -> tuple[float, tuple[float, float, float]]:
    # A program scales by operations of its own; a neural network may by what is said beside its layers.
    kind = model.WhichOneof("Type")
    if kind == "pipeline" and model.pipeline.models:
        return _scaling(model.pipeline.models[0], name)
    for step in getattr(getattr(model, str(kind), None), "preprocessing", ()):
        if step.featureName not in ("", name) or not step.HasField("scaler"):
            raise VerificationError(
                "The model subtracts a mean image, expected a scale and a bias at most. Export again."
            )
        return step.scaler.channelScale, (step.scaler.redBias, step.scaler.greenBias, step.scaler.blueBias)
    return 1.0, (0.0, 0.0, 0.0)
