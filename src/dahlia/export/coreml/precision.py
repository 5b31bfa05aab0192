"""Which numbers of a model are kept and computed in half precision."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

# A layer of fewer numbers saves nothing, and may be one whose smallness matters, such as an epsilon.
_WORTH_HALVING = 16
_LARGEST = float(np.finfo(np.float16).max)
_WITH_HALVES = (
    "batchedMatmul",
    "batchnorm",
    "convolution",
    "embeddingND",
    "innerProduct",
    "loadConstant",
    "loadConstantND",
    "scale",
)


class HalfBefore:
    """Says of each operation of a program whether it may compute in half precision.

    Args:
        begins: says whether an operation is one from which on all stays in single precision.
    """

    def __init__(self, begins: Callable[[Any], bool]) -> None:
        self._begins = begins
        self._late: set[str] = set()

    def __call__(self, operation: Any) -> bool:
        """Whether an operation may be cast; coremltools asks for each in the order of execution."""
        sources = [
            source
            for given in operation.inputs.values()
            for source in (given if isinstance(given, list | tuple) else [given])
        ]
        late = self._begins(operation) or any(source.name in self._late for source in sources)
        if late:
            self._late.update(result.name for result in operation.outputs)
        return not late


def half_before_lengths() -> HalfBefore:
    """For classifiers, which divide their features by their length.

    The squares of large features overflow half precision on devices that add them up in it. From the first
    length on, all stays in single precision: that is the head, some thousandth of the work.
    """
    return HalfBefore(lambda operation: operation.op_type == "reduce_l2_norm")


@dataclass(frozen=True)
class Whole:
    """What of a detector stays in single precision.

    Attributes:
        alone: the names of operations or layers that do.
        onwards: those from which on everything does.
    """

    alone: Collection[str] = ()
    onwards: Collection[str] = ()

    def half(self) -> Callable[[Any], bool]:
        """What says of each operation of a program whether it may compute in half precision."""
        before = HalfBefore(lambda operation: operation.name in self.onwards)
        return lambda operation: before(operation) and operation.name not in self.alone


def halve_weights(network: Any, whole: Whole | None = None) -> None:
    """Keep the weights of a neural network's layers in half precision; Core ML reads them back as they are.

    Core ML wants all weights of a layer to be of one type, and not every kind of layer may have halves.

    Args:
        network: a `NeuralNetwork` or `NeuralNetworkClassifier`; it is changed in place.
        whole: the layers that are left as they are; with those from which on all is, the constants that are
            read there.
    """
    kept = {*whole.alone, *_later(network.layers, whole.onwards)} if whole else set()
    for layer in network.layers:
        kind = layer.WhichOneof("layer")
        if kind not in _WITH_HALVES or layer.name in kept:
            continue
        tensors = [
            value
            for field, value in getattr(layer, kind).ListFields()
            if field.message_type is not None and field.message_type.name == "WeightParams"
        ]
        numbers = [np.fromiter(tensor.floatValue, np.float32, len(tensor.floatValue)) for tensor in tensors]
        if _worth_halving(numbers):
            for tensor, values in zip(tensors, numbers, strict=True):
                tensor.ClearField("floatValue")
                tensor.float16Value = values.astype(np.float16).tobytes()


def _later(layers: Iterable[Any], names: Collection[str]) -> set[str]:
    """The names of layers from some on, and of the constants that these read."""
    later: set[str] = set()
    maps: set[str] = set()
    constants: dict[str, str] = {}
    for layer in layers:
        if not layer.input:
            constants.update(dict.fromkeys(layer.output, layer.name))
        elif layer.name in names or maps.intersection(layer.input):
            later.add(layer.name)
            maps.update(layer.output)
            later.update(constants[name] for name in layer.input if name in constants)
    return later


def _worth_halving(numbers: list[npt.NDArray[np.float32]]) -> bool:
    longest = max(map(len, numbers), default=0)
    return longest >= _WORTH_HALVING and all(np.abs(values).max(initial=0) <= _LARGEST for values in numbers)
