"""Neural networks: a list of layers, each on named maps, as `model.mlmodel` holds it."""

from __future__ import annotations

from typing import Any

import numpy as np

from dahlia.errors import VerificationError
from dahlia.export.coreml.interpreter.layers import LAYERS
from dahlia.export.coreml.interpreter.layers.layer import Layer
from dahlia.export.coreml.interpreter.registry import Array, UnsupportedError


class Network:
    """The layers of a classifier, ready to be run again and again.

    Args:
        model: the `Model` message.

    Attributes:
        labels: the tags, in the order of the probabilities.

    Raises:
        VerificationError: a layer is not known here, or the network is of an older kind.
    """

    def __init__(self, model: Any) -> None:
        network = model.neuralNetworkClassifier
        if network.arrayInputShapeMapping != 1 or network.imageInputShapeMapping != 1:
            raise VerificationError(
                "The neural network gives its maps five axes, expected as many as its layers say (iOS 13 and "
                "later). Export again."
            )
        self.labels = tuple(network.stringClassLabels.vector)
        self._layers = [Layer(message) for message in network.layers]
        if not self.labels or not self._layers:
            raise VerificationError(
                f"The neural network was expected to have layers and tags and has {len(self._layers)} and "
                f"{len(self.labels)}. Export again."
            )
        self._probabilities = (
            network.labelProbabilityLayerName or model.description.predictedProbabilitiesName
        )
        for layer in self._layers:
            if layer.kind not in LAYERS:
                raise VerificationError(
                    f"Dahlia's interpreter of Core ML programs does not know the layer {layer.kind}, which "
                    f"makes {layer.outputs[0]}. Open the model on macOS to prove it there, or choose another "
                    "`domain.backbone.architecture`."
                )

    def run(self, name: str, image: Array) -> Array:
        """(1, 3, height, width) of the input `name` to probabilities, (K,).

        Raises:
            VerificationError: a layer is used in a way that is not known here.
        """
        known = {name: image}
        for layer in self._layers:
            try:
                answers = LAYERS[layer.kind](layer, *(known[source] for source in layer.inputs))
                parts = answers if isinstance(answers, list) else [answers]
                known.update(zip(layer.outputs, parts, strict=True))
            except (UnsupportedError, TypeError, ValueError, IndexError, KeyError) as error:
                raise _refusal(layer, error) from error
        return np.asarray(self._answer(known), np.float32).reshape(-1)

    def _answer(self, known: dict[str, Array]) -> Array:
        if self._probabilities not in known:
            raise VerificationError(
                f"The neural network names {self._probabilities} as its probabilities, and no layer makes it."
                " Export again."
            )
        return known[self._probabilities]


def _refusal(layer: Layer, error: Exception) -> VerificationError:
    text = " ".join(str(error).split())[:300]
    return VerificationError(
        f"Dahlia's interpreter of Core ML programs cannot run the layer {layer.kind} that makes "
        f"{layer.outputs[0]}: {text}. Export again; if it stays, open the model on macOS to prove it there, "
        "or choose another `domain.backbone.architecture`."
    )
