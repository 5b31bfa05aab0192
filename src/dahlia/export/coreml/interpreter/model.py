"""A Core ML model as its users have it: a photo in, a probability for each tag out."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dahlia.export.coreml.interpreter.files import read_model
from dahlia.export.coreml.interpreter.image import ImageInput, image_input
from dahlia.export.coreml.interpreter.network import Network
from dahlia.export.coreml.interpreter.program import Program
from dahlia.export.coreml.interpreter.registry import Array

RUNTIME = "Dahlia's interpreter of Core ML programs"


class Interpreted:
    """A `.mlpackage` or `.mlmodel`, loaded.

    Args:
        path: the package or the file.

    Attributes:
        labels: the tags that the model names, in the order of its probabilities.
        image: what it wants to be fed.

    Raises:
        VerificationError: it is missing, damaged, or computes something that is not known here.
    """

    def __init__(self, path: Path) -> None:
        model, weights = read_model(path)
        self.image: ImageInput = image_input(model)
        program = model.WhichOneof("Type") == "mlProgram"
        self._computed: Program | Network = Program(model, weights) if program else Network(model)
        self.labels = self._computed.labels

    def run(self, pixels: Array) -> Array:
        """(N, 3, height, width) RGB, 0 to 255, to (N, K), one photo at a time as Core ML takes them.

        Raises:
            VerificationError: an operation is used in a way that is not known here, or the photos are of
                another size.
        """
        rows = [self._computed.run(self.image.name, self.image.tensor(photo)) for photo in pixels]
        return np.stack(rows) if rows else np.zeros((0, len(self.labels)), np.float32)
