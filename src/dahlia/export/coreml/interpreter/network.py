"""Neural networks, run layer by layer: lists of layers on named maps (`model.mlmodel`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from dahlia.errors import VerificationError
from dahlia.export.coreml.interpreter import LAYERS
from dahlia.export.coreml.interpreter.registry import Array, Layer, UnsupportedError

_CLASSIFIER = "neuralNetworkClassifier"


class Network:
    """The layers of a network, ready to be run again and again.

    Args:
        model: the `Model` message.

    Attributes:
        labels: of a classifier the tags, in the order of the probabilities; of others none.
        answers: the names of what it gives: of a classifier the probabilities alone.

    Raises:
        VerificationError: a layer is not known here, or the network is of an older kind.
    """

    def __init__(self, model: Any) -> None:
        kind = model.WhichOneof("Type")
        network = getattr(model, kind)
        if network.arrayInputShapeMapping != 1 or network.imageInputShapeMapping != 1:
            raise VerificationError(
                "The neural network gives its maps five axes, expected as many as its layers say (iOS 13 and "
                "later). Export again."
            )
        self.labels: tuple[str, ...] = ()
        self.answers = tuple(feature.name for feature in model.description.output)
        if kind == _CLASSIFIER:
            self.labels = tuple(network.stringClassLabels.vector)
            named = network.labelProbabilityLayerName
            self.answers = (named or model.description.predictedProbabilitiesName,)
        self._layers = [Layer(message) for message in network.layers]
        if not self._layers or (kind == _CLASSIFIER and not self.labels):
            raise VerificationError(
                f"The neural network was expected to have layers and tags and has {len(self._layers)} and "
                f"{len(self.labels)}. Export again."
            )
        for layer in self._layers:
            if layer.kind not in LAYERS:
                raise VerificationError(
                    f"Dahlia's interpreter of Core ML programs does not know the layer {layer.kind}, which "
                    f"makes {layer.outputs[0]}. Open the model on macOS to prove it there, or choose another "
                    "`domain.backbone.architecture`."
                )

    def run(self, given: Mapping[str, Array]) -> dict[str, Array]:
        """What the network makes of its inputs: its `answers`.

        Args:
            given: the inputs by name; an image as (1, 3, height, width).

        Raises:
            VerificationError: a layer is used in a way that is not known here.
        """
        known = dict(given)
        for layer in self._layers:
            try:
                answers = LAYERS[layer.kind](layer, *(known[source] for source in layer.inputs))
                parts = answers if isinstance(answers, list) else [answers]
                known.update(zip(layer.outputs, parts, strict=True))
            except (UnsupportedError, TypeError, ValueError, IndexError, KeyError) as error:
                raise _refusal(layer, error) from error
        if missing := [name for name in self.answers if name not in known]:
            raise VerificationError(
                f"The neural network names {missing[0]} as its output, and no layer makes it. Export again."
            )
        return {name: np.asarray(known[name], np.float32) for name in self.answers}


def _refusal(layer: Layer, error: Exception) -> VerificationError:
    text = " ".join(str(error).split())[:300]
    return VerificationError(
        f"Dahlia's interpreter of Core ML programs cannot run the layer {layer.kind} that makes "
        f"{layer.outputs[0]}: {text}. Export again; if it stays, open the model on macOS to prove it there, "
        "or choose another `domain.backbone.architecture`."
    )
