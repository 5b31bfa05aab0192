"""From the trained module to Core ML: the conversion, its refusals, and which numbers are halved."""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from dahlia.errors import ExportError
from dahlia.export.coreml._runtime import ct
from dahlia.export.coreml.padding import pipeline
from dahlia.modeling.card import ModelCard
from dahlia.params import Channels

Form = Literal["program", "program-float16", "network"]
INPUT = "data"
LABEL = "classLabel"
PROBABILITIES = "loss"
# Core ML has no form of these; torch takes them apart.
_TAKEN_APART = (torch.ops.aten.addcmul.default,)
# Whatever the converter does not foresee it meets as one of these.
_FAILURES = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    IndexError,
    KeyError,
    NotImplementedError,
    RuntimeError,
    TypeError,
    ValueError,
)
_OPERATION = re.compile(
    r"for op '([^']+)'|converting '([^']+)' op|fx node (\w+)|^Op (\S+) is used", re.MULTILINE
)
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


@dataclass(frozen=True)
class Converted:
    """A model in Core ML's words.

    Attributes:
        model: the `Model` message.
        weights: the folder of a program's weights, inside the scratch folder.
    """

    model: Any
    weights: Path | None


def convert(module: nn.Module, card: ModelCard, form: Form, scratch: Path) -> Converted:
    """Write a module as a Core ML classifier.

    Args:
        module: in evaluation mode on the CPU; (1, 3, size, size) float32 RGB, 0 to 255, to (1, K)
            probabilities.
        card: says size, tags and domain.
        form: `program` and `program-float16` are ML programs (iOS 15, macOS 12), `network` is a neural
            network (iOS 13, macOS 10.15; where a layer came later, iOS 14, macOS 11).
        scratch: an empty folder for a program's weights.

    Raises:
        ExportError: torch cannot follow the module, or an operation has no such form.
    """
    size, colours = card.input.size, card.channels
    exported = _exported(_Reader(module, colours).eval(), card)
    layout = ct.colorlayout.BGR if colours == "BGR" else ct.colorlayout.RGB
    with _messages() as messages:
        try:
            made = ct.convert(
                exported,
                inputs=[ct.ImageType(name=INPUT, shape=(1, 3, size, size), color_layout=layout)],
                classifier_config=ct.ClassifierConfig([tag.name for tag in card.tags], LABEL),
                skip_model_load=True,
                pass_pipeline=pipeline(),
                **_settings(form, scratch),
            )
        except _FAILURES as error:
            raise _refusal(card, form, error, messages) from error
    model = made.get_spec()
    ct.utils.rename_feature(model, model.description.predictedProbabilitiesName, PROBABILITIES)
    return Converted(model, Path(made.weights_dir) if made.weights_dir else None)


def _settings(form: Form, scratch: Path) -> dict[str, Any]:
    if form == "network":
        # Without a target, the oldest that has every layer of the network is taken.
        return {"convert_to": "neuralnetwork"}
    half = form == "program-float16"
    precision = ct.transform.FP16ComputePrecision(HalfBeforeLengths()) if half else ct.precision.FLOAT32
    return {
        "convert_to": "mlprogram",
        "minimum_deployment_target": ct.target.iOS15,
        "compute_precision": precision,
        "package_dir": str(scratch / "scratch.mlpackage"),
    }


def _exported(module: nn.Module, card: ModelCard) -> Any:
    try:
        with warnings.catch_warnings(), torch.no_grad():
            # Deprecations inside the exporter are its authors' to fix.
            warnings.simplefilter("ignore")
            image = torch.zeros(1, 3, card.input.size, card.input.size)
            table = torch.export.default_decompositions()
            kept = {operation: table[operation] for operation in _TAKEN_APART}
            return torch.export.export(module, (image,)).run_decompositions(kept)
    except (RuntimeError, TypeError, ValueError) as error:
        raise ExportError(
            f"The network of {card.domain} cannot be followed by torch.export, expected one whose operations "
            f"do not depend on the photo: {_flat(error)}. Choose another `domain.backbone.architecture`."
        ) from error


class _Reader(nn.Module):
    """The module behind an image whose colours come in another order."""

    def __init__(self, module: nn.Module, colours: Channels) -> None:
        super().__init__()
        self.module = module
        self.turned = colours == "BGR"

    def forward(self, pixels: Tensor) -> Tensor:
        answer: Tensor = self.module(pixels.flip(1) if self.turned else pixels)
        return answer


@contextmanager
def _messages() -> Iterator[list[str]]:
    """What coremltools logs, instead of printing it: the operation that fails is named there alone."""
    seen: list[str] = []

    class _Kept(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append(record.getMessage())

    logger, handler = logging.getLogger("coremltools"), _Kept()
    propagates = logger.propagate
    logger.addHandler(handler)
    logger.propagate = False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield seen
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagates


def _refusal(card: ModelCard, form: Form, error: Exception, messages: list[str]) -> ExportError:
    named = _OPERATION.search("\n".join([str(error), *messages]))
    operation = next(filter(None, named.groups()), "") if named else ""
    what = f"the operation {operation} has no such form" if operation else f"coremltools says: {_flat(error)}"
    form_name = "neural network (`mlmodel`)" if form == "network" else "ML program (`mlpackage`)"
    other = "Export the ML program (`--flavour float32`) or ONNX" if form == "network" else "Export to ONNX"
    return ExportError(
        f"The network of {card.domain} ({card.backbone.architecture}) cannot be written as Core ML's "
        f"{form_name}: {what}. {other} instead, or choose another `domain.backbone.architecture`."
    )


def _flat(error: Exception) -> str:
    return " ".join(str(error).split())[:300].rstrip(". ") or type(error).__name__


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
