"""Core ML's two dialects, run: ML programs operation by operation, neural networks layer by layer.

An ML program is a list of operations on named values (`model.mlpackage`), a neural network a list of layers
on named maps (`model.mlmodel`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from dahlia.errors import VerificationError
from dahlia.export.coreml.interpreter import LAYERS, OPERATIONS
from dahlia.export.coreml.interpreter.files import Weights, messages, shape_of, value_of
from dahlia.export.coreml.interpreter.registry import Array, Function, Layer, UnsupportedError

_CLASSIFY = "classify"


class Program:
    """The operations of a program's `main`, ready to be run again and again.

    Args:
        model: the `Model` message.
        weights: what the program's constants point into.

    Attributes:
        labels: the tags, in the order of the probabilities.

    Raises:
        VerificationError: an operation is not known here, or a constant cannot be read.
    """

    def __init__(self, model: Any, weights: Weights) -> None:
        main = model.mlProgram.functions["main"]
        operations = main.block_specializations[main.opset].operations
        self._half = messages().MIL_pb2.DataType.Value("FLOAT16")
        self._ready: dict[str, Any] = {}
        self._weights = weights
        self._steps: list[_Step] = []
        self.labels: tuple[str, ...] = ()
        self._probabilities = ""
        last = _last_uses(operations)
        for number, operation in enumerate(operations):
            self._add(operation, last.get(number, ()))
        if not self.labels:
            raise VerificationError(
                "The program was expected to end in an operation `classify`, which names the tags, and does "
                "not. Export again."
            )

    def run(self, name: str, image: Array) -> Array:
        """(1, 3, height, width) of the input `name` to probabilities, (K,).

        Raises:
            VerificationError: an operation is used in a way that is not known here.
        """
        known = {name: image}
        for step in self._steps:
            arguments = {key: _bound(values, known) for key, values in step.arguments.items()}
            try:
                answers = step.function(**arguments)
                self._keep(known, step, answers if isinstance(answers, tuple | list) else (answers,))
            except (UnsupportedError, TypeError, ValueError, IndexError, KeyError) as error:
                raise self._refusal(step, error) from error
            for done in step.forgotten:
                known.pop(done, None)
        return np.asarray(known[self._probabilities], np.float32).reshape(-1)

    def _add(self, operation: Any, forgotten: tuple[str, ...]) -> None:
        if operation.type == "const":
            self._ready[operation.outputs[0].name] = value_of(operation.attributes["val"], self._weights)
            return
        arguments = {
            key: [self._argument(binding) for binding in value.arguments]
            for key, value in operation.inputs.items()
        }
        if operation.type == _CLASSIFY:
            self.labels = tuple(arguments["classes"][0])
            self._probabilities = arguments["probabilities"][0].text
            return
        if operation.type not in OPERATIONS:
            raise VerificationError(
                f"Dahlia's interpreter of Core ML programs does not know the operation {operation.type} that "
                f"makes {operation.outputs[0].name}. Open the model on macOS to prove it there, or choose "
                "another `domain.backbone.architecture`."
            )
        function = OPERATIONS[operation.type]
        self._steps.append(_Step(operation.type, function, arguments, tuple(operation.outputs), forgotten))

    def _argument(self, binding: Any) -> Any:
        if binding.WhichOneof("binding") == "value":
            return value_of(binding.value, self._weights)
        return self._ready.get(binding.name, _Name(binding.name))

    def _keep(self, known: dict[str, Any], step: _Step, answers: Any) -> None:
        for result, answer in zip(step.results, answers, strict=True):
            declared, received = shape_of(result.type), np.shape(answer)
            if declared != received:
                raise UnsupportedError(f"a result of the shape {received}, declared as {declared}")
            half = result.type.tensorType.dataType == self._half
            known[result.name] = rounded(answer) if half else answer

    def _refusal(self, step: _Step, error: Exception) -> VerificationError:
        text = " ".join(str(error).split())[:300]
        return VerificationError(
            f"Dahlia's interpreter of Core ML programs cannot run the operation {step.kind} that makes "
            f"{step.results[0].name}: {text}. Export again; if it stays, open the model on macOS to prove it "
            "there, or choose another `domain.backbone.architecture`."
        )


@dataclass(frozen=True)
class _Step:
    """One operation: what it is called with, what its results are called, and what is done with by then."""

    kind: str
    function: Function
    arguments: dict[str, list[Any]]
    results: tuple[Any, ...]
    forgotten: tuple[str, ...]


@dataclass(frozen=True)
class _Name:
    """A value that is known only when the program runs."""

    text: str


def rounded(numbers: Array) -> Array:
    """Each number as half precision has it, kept as float32: numpy multiplies halves one by one."""
    with np.errstate(over="ignore"):
        return np.asarray(numbers, np.float32).astype(np.float16).astype(np.float32)


def _bound(values: list[Any], known: dict[str, Any]) -> Any:
    found = [known[value.text] if isinstance(value, _Name) else value for value in values]
    return found[0] if len(found) == 1 else found


def _last_uses(operations: Any) -> dict[int, tuple[str, ...]]:
    last = {
        binding.name: number
        for number, operation in enumerate(operations)
        for value in operation.inputs.values()
        for binding in value.arguments
    }
    uses: dict[int, tuple[str, ...]] = {}
    for name, number in last.items():
        uses[number] = (*uses.get(number, ()), name)
    return uses


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
