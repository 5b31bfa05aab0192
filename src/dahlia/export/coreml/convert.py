"""From the trained module to Core ML: the conversion, and its refusals."""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from dahlia.errors import ExportError
from dahlia.export.coreml._runtime import ct
from dahlia.export.coreml.padding import pipeline
from dahlia.export.coreml.precision import half_before_lengths
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
    return convert_graph(followed(module, card), card, form, scratch)


def convert_graph(graph: Any, card: ModelCard, form: Form, scratch: Path) -> Converted:
    """Write what `followed` gave of a classifier; see `convert`.

    Raises:
        ExportError: an operation has no such form.
    """
    converted = translated(
        graph,
        card,
        form,
        scratch,
        half=half_before_lengths(),
        inputs=[image_input(card)],
        classifier_config=ct.ClassifierConfig([tag.name for tag in card.tags], LABEL),
    )
    named = converted.model.description.predictedProbabilitiesName
    ct.utils.rename_feature(converted.model, named, PROBABILITIES)
    return converted


def followed(module: nn.Module, card: ModelCard) -> Any:
    """What a module computes of an image, whose colours come in the order of the card, as torch exports it.

    Raises:
        ExportError: torch cannot follow the module.
    """
    return _exported(_Reader(module, card.channels).eval(), card)


def image_input(card: ModelCard) -> Any:
    """The image that the models take."""
    size = card.input.size
    layout = ct.colorlayout.BGR if card.channels == "BGR" else ct.colorlayout.RGB
    return ct.ImageType(name=INPUT, shape=(1, 3, size, size), color_layout=layout)


def translated(
    exported: Any,
    card: ModelCard,
    form: Form,
    scratch: Path,
    half: Callable[[Any], bool] | None = None,
    **more: Any,
) -> Converted:
    """What torch exported in Core ML's words.

    Args:
        exported: by `torch.export`.
        card: says the domain.
        form: see `convert`.
        scratch: an empty folder for a program's weights.
        half: says of each operation of a program in half precision whether it may be computed so; it is asked
            in the order of execution. Without it, each may.
        more: what `coremltools.convert` gets besides, such as the inputs.

    Raises:
        ExportError: an operation has no such form.
    """
    with _messages() as messages:
        try:
            made = ct.convert(
                exported,
                skip_model_load=True,
                pass_pipeline=pipeline(),
                **_settings(form, scratch, half),
                **more,
            )
        except _FAILURES as error:
            raise _refusal(card, form, error, messages) from error
    return Converted(made.get_spec(), Path(made.weights_dir) if made.weights_dir else None)


def _settings(form: Form, scratch: Path, half: Callable[[Any], bool] | None) -> dict[str, Any]:
    if form == "network":
        # Without a target, the oldest that has every layer of the network is taken.
        return {"convert_to": "neuralnetwork"}
    halved = form == "program-float16"
    return {
        "convert_to": "mlprogram",
        "minimum_deployment_target": ct.target.iOS15,
        "compute_precision": ct.transform.FP16ComputePrecision(half) if halved else ct.precision.FLOAT32,
        "package_dir": str(scratch / "scratch.mlpackage"),
    }


def _exported(module: nn.Module, card: ModelCard) -> Any:
    image = torch.zeros(1, 3, card.input.size, card.input.size)
    return exported(module, (image,), card)


def exported(module: nn.Module, given: Sequence[Tensor], card: ModelCard) -> Any:
    """What a module computes, as torch exports it.

    Args:
        module: in evaluation mode on the CPU.
        given: an example of each input.
        card: says the domain.

    Raises:
        ExportError: torch cannot follow the module.
    """
    try:
        with warnings.catch_warnings(), torch.no_grad():
            # Deprecations inside the exporter are its authors' to fix.
            warnings.simplefilter("ignore")
            table = torch.export.default_decompositions()
            kept = {operation: table[operation] for operation in _TAKEN_APART}
            return torch.export.export(module, tuple(given)).run_decompositions(kept)
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

    def forward(self, pixels: Tensor) -> Any:
        return self.module(pixels.flip(1) if self.turned else pixels)


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
