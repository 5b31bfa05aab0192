"""Which numbers may be of half precision."""

from __future__ import annotations

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


class HalfBeforeLengths:
    """Says of each operation of a program whether it may compute in half precision.

    The classifier divides its features by their length: the squares of large features overflow half precision
    on devices that add them up in it. From the first length on, all stays in single precision: that is the
    head, some thousandth of the work.
    """

    def __init__(self) -> None:
        self._late: set[str] = set()

    def __call__(self, operation: Any) -> bool:
        """Whether an operation may be cast; coremltools asks for each in the order of execution."""
        sources = [
            source
            for given in operation.inputs.values()
            for source in (given if isinstance(given, list | tuple) else [given])
        ]
        late = operation.op_type == "reduce_l2_norm" or any(source.name in self._late for source in sources)
        if late:
            self._late.update(result.name for result in operation.outputs)
        return not late


def halve_weights(network: Any) -> None:
    """Keep the weights of a neural network's layers in half precision; Core ML reads them back as they are.

    Core ML wants all weights of a layer to be of one type, and not every kind of layer may have halves.

    Args:
        network: a `NeuralNetworkClassifier`; it is changed in place.
    """
    for layer in network.layers:
        kind = layer.WhichOneof("layer")
        if kind not in _WITH_HALVES:
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


def _worth_halving(numbers: list[npt.NDArray[np.float32]]) -> bool:
    longest = max(map(len, numbers), default=0)
    return longest >= _WORTH_HALVING and all(np.abs(values).max(initial=0) <= _LARGEST for values in numbers)
