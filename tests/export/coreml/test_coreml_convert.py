"""What can be converted, and what is said of the rest."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from dahlia.errors import ExportError
from dahlia.export.coreml.convert import Converted, Form, convert
from dahlia.export.coreml.interpreter.model import Interpreted
from dahlia.export.coreml.package import write_network, write_package
from dahlia.export.coreml.precision import Whole, halve_weights
from dahlia.export.port import Source
from small_projects import SIZE

pytestmark = pytest.mark.slow

FORMS: tuple[Form, ...] = ("program", "network")


class Small(nn.Module):
    """Something, and then three probabilities."""

    def __init__(self, something: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.something = something

    def forward(self, pixels: Tensor) -> Tensor:
        maps = self.something(pixels / 255)
        return functional.normalize(maps.mean((2, 3)), dim=1).softmax(1)


def written(converted: Converted, folder: Path) -> Path:
    if converted.weights is None:
        write_network(folder / "model.mlmodel", converted.model)
        return folder / "model.mlmodel"
    write_package(folder / "model.mlpackage", converted)
    return folder / "model.mlpackage"


def photos() -> Tensor:
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, (2, 3, SIZE, SIZE)).astype(np.float32))


THREE = torch.linspace(-1, 2, 81).view(3, 3, 3, 3)
KNOWN: dict[str, Callable[[Tensor], Tensor]] = {
    "addcmul": lambda x: torch.addcmul(x, x, x, value=0.5),
    "hardswish": functional.hardswish,
    "gelu": functional.gelu,
    "ceil": lambda x: functional.max_pool2d(x, 3, 2, ceil_mode=True),
    "unpadded-mean": lambda x: functional.avg_pool2d(x, 3, 2, 1, count_include_pad=False),
    "norm": lambda x: functional.layer_norm(x, (SIZE, SIZE)) + x,
    "row-norm": lambda x: functional.layer_norm(x.flatten(2), (SIZE * SIZE,)).view(x.shape) + x,
    "chunk": lambda x: torch.cat(torch.chunk(x, 2, 2)[::-1], 2) + x,
    "strided": lambda x: x[:, :, ::2, 1:],
    "attention": lambda x: functional.scaled_dot_product_attention(x, x + 1, x),
    "constant": lambda x: functional.pad(x, (1, 2, 3, 4), value=0.5),
    "padded-again": lambda x: functional.conv2d(functional.pad(x, (0, 3, 2, 0)), THREE, stride=2, padding=1),
    "padded-columns": lambda x: functional.conv2d(functional.pad(x, (2, 1)), THREE) + 1,
    "padded-with-ones": lambda x: functional.conv2d(functional.pad(x, (0, 1, 0, 1), value=1.0), THREE),
    "nearest": lambda x: functional.interpolate(x, scale_factor=2.0, mode="nearest"),
}


@pytest.mark.slow  # two dozen conversions
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", KNOWN)
def test_what_networks_do_is_written_as_torch_computes_it(
    source_once: Source, tmp_path: Path, name: str, form: Form
) -> None:
    module, pixels = Small(KNOWN[name]).eval(), photos()
    card = source_once.card

    path = written(convert(module, card, form, tmp_path), tmp_path)

    received = Interpreted(path).run(pixels.numpy())
    assert np.abs(received - module(pixels).numpy()).max() < 1e-5


@pytest.mark.parametrize(
    ("something", "form", "text"),
    [
        (torch.special.digamma, "program", "digamma has no such form"),
        (torch.special.digamma, "network", "digamma has no such form"),
        (lambda x: x * float(x.sum()), "program", "cannot be followed by torch.export"),
    ],
)
def test_what_cannot_be_written_is_named(
    source_once: Source, tmp_path: Path, something: Any, form: Form, text: str
) -> None:
    with pytest.raises(ExportError, match=text) as caught:
        convert(Small(something).eval(), source_once.card, form, tmp_path)

    assert source_once.card.domain in str(caught.value)


def test_an_operation_that_only_programs_have_is_named(
    source_once: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from coremltools.converters.mil.backend.nn.mil_to_nn_mapping_registry import MIL_TO_NN_MAPPING_REGISTRY

    monkeypatch.delitem(MIL_TO_NN_MAPPING_REGISTRY, "gelu")

    with pytest.raises(ExportError, match=r"neural network .*gelu has no such form.*--flavour float32"):
        convert(Small(functional.gelu).eval(), source_once.card, "network", tmp_path)


@pytest.mark.parametrize("form", FORMS)
def test_convolutions_put_zeros_around_images_themselves(
    source_once: Source, tmp_path: Path, form: Form
) -> None:
    module = Small(lambda x: functional.conv2d(functional.pad(x, (0, 1, 0, 1)), THREE, stride=2)).eval()

    converted = convert(module, source_once.card, form, tmp_path)

    if converted.weights is None:
        kinds = {layer.WhichOneof("layer") for layer in converted.model.neuralNetworkClassifier.layers}
    else:
        (block,) = converted.model.mlProgram.functions["main"].block_specializations.values()
        kinds = {operation.type for operation in block.operations}
    assert kinds & {"conv", "convolution"}
    assert not kinds & {"pad", "padding", "constantPad"}
    received = Interpreted(written(converted, tmp_path)).run(photos().numpy())
    assert np.abs(received - module(photos()).numpy()).max() < 1e-5


def test_lengths_are_computed_in_single_precision(source_once: Source, tmp_path: Path) -> None:
    # Squares of these features are beyond what half precision holds.
    module, pixels = Small(lambda x: x * 30000).eval(), photos()

    received = Interpreted(
        written(convert(module, source_once.card, "program-float16", tmp_path), tmp_path)
    ).run(pixels.numpy())

    assert np.abs(received - module(pixels).numpy()).max() < 1e-2


def test_few_or_large_numbers_stay_whole(source_once: Source) -> None:
    from dahlia.export.coreml.interpreter.files import messages

    network = messages().NeuralNetwork_pb2.NeuralNetworkClassifier()
    values = {"few": [1e-12], "many": [0.1] * 16, "large": [1e6] * 16}
    for name, numbers in values.items():
        network.layers.add(name=name).loadConstantND.data.floatValue.extend(numbers)

    halve_weights(network)

    halved = {layer.name: bool(layer.loadConstantND.data.float16Value) for layer in network.layers}
    assert halved == {"few": False, "many": True, "large": False}


def test_weights_stay_whole_from_a_layer_on() -> None:
    from dahlia.export.coreml.interpreter.files import messages

    network = messages().NeuralNetwork_pb2.NeuralNetwork()
    for name, given in (("early", "data"), ("late", "early"), ("later", "late"), ("aside", "data")):
        layer = network.layers.add(name=name, input=[given], output=[name])
        layer.innerProduct.weights.floatValue.extend([0.1] * 16)
    for name in ("read_late", "read_early"):
        network.layers.add(name=name, output=[name]).loadConstantND.data.floatValue.extend([0.1] * 16)
    network.layers.add(
        name="joined", input=["later", "read_late"], output=["joined"]
    ).addBroadcastable.SetInParent()

    halve_weights(network, Whole(alone={"aside"}, onwards={"late"}))

    halved = {
        layer.name: bool(
            (layer.innerProduct.weights if layer.input else layer.loadConstantND.data).float16Value
        )
        for layer in network.layers
        if layer.name != "joined"
    }
    assert halved == {
        "early": True,
        "late": False,
        "later": False,
        "aside": False,
        "read_late": False,
        "read_early": True,
    }


def test_the_weights_of_a_layer_are_of_one_type() -> None:
    from dahlia.export.coreml.interpreter.files import messages

    network = messages().NeuralNetwork_pb2.NeuralNetworkClassifier()
    head = network.layers.add().innerProduct
    head.weights.floatValue.extend([0.1] * 24)
    head.bias.floatValue.extend([0.1] * 3)

    halve_weights(network)

    assert len(head.weights.float16Value) == 2 * 24
    assert len(head.bias.float16Value) == 2 * 3
