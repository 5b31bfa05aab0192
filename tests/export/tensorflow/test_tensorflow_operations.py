"""Every operation says what torch says; what has no form is refused by name."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
import pytest
import torch
from tensorflow_cases import GROUPS, SIZE, Fixed, Group, measured, transposes
from torch import Tensor, nn
from torch.nn import functional as F

from dahlia.errors import ExportError
from dahlia.export.tensorflow.convert import convert
from dahlia.export.tensorflow.graph import ImageGraph

pytestmark = pytest.mark.slow

CASES = [(group, case) for group, cases in GROUPS.items() for case in cases]
Answers = dict[str, tuple[np.ndarray, np.ndarray]]


def images(count: int, size: int = SIZE) -> Tensor:
    return torch.from_numpy(np.random.default_rng(count).uniform(-3, 3, (count, 3, size, size))).float()


def ask(graph: ImageGraph, pixels: Tensor) -> np.ndarray:
    import tensorflow as tf

    return graph.function()(tf.constant(pixels.permute(0, 2, 3, 1).numpy())).numpy()


@functools.cache
def answers(group: str, count: int) -> Answers:
    torch.manual_seed(0)
    module = measured(Group(GROUPS[group])).eval()
    pixels = images(count)
    with torch.inference_mode():
        parts = [case(pixels[:, :, :, 2:]).flatten(1).float() for case in module.cases]
    received = np.split(ask(graph_of(group), pixels), np.cumsum([part.shape[1] for part in parts])[:-1], 1)
    return {
        name: (part.numpy(), answer)
        for name, part, answer in zip(GROUPS[group], parts, received, strict=True)
    }


@functools.cache
def graph_of(group: str) -> ImageGraph:
    torch.manual_seed(0)
    return convert(measured(Group(GROUPS[group])).eval(), SIZE, domain="Test")


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize(("group", "case"), CASES, ids=[": ".join(names) for names in CASES])
def test_it_says_what_torch_says(group: str, case: str, count: int) -> None:
    expected, received = answers(group, count)[case]
    assert np.abs(expected).max() > 1e-3
    np.testing.assert_allclose(received, expected, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("group", ["elementwise", "windows"])
def test_maps_stay_as_they_lie(group: str) -> None:
    """Only what a case itself asks for is moved: the results are flattened in torch's order."""
    reordering = {"other axes order", "two orders", "convolution over channels", "norm of a vector"}
    module = Group({name: case for name, case in GROUPS[group].items() if name not in reordering}).eval()
    module.cases = [_first_places(case) for case in module.cases]
    assert transposes(convert(module, SIZE, domain="Test")) == []


def _first_places(case: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    def reduced(x: Tensor) -> Tensor:
        result = case(x)
        return result.float().sum((2, 3)) if result.ndim == 4 else result

    return reduced


class Function(nn.Module):
    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


class OnlyWhereBright(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x if x.sum() > 0 else -x


REFUSED: dict[str, tuple[nn.Module, str]] = {
    "an operation without a form": (Function(lambda x: x.cumsum(2)), "aten.cumsum.default of the layer odd "),
    "a use without a form": (nn.MaxPool2d(3, 1, 1, 2), r"max_pool2d\S* of the layer odd is used with a pool"),
    "a transposed convolution": (nn.ConvTranspose2d(4, 2, 2), "aten.convolution.default of the layer odd"),
    "some images of a batch": (Function(lambda x: torch.cat([x, x[:1]])), "some of the images of a batch"),
    "a negative pad": (Function(lambda x: F.pad(x, (-1, 0))), "negative amounts"),
    "an uneven enlargement": (Function(lambda x: F.interpolate(x, (18, 18))), "no whole multiple"),
    "another norm": (Function(lambda x: torch.linalg.vector_norm(x, 3, dim=1)), "norm of order 3"),
}


@pytest.mark.parametrize(("odd", "message"), REFUSED.values(), ids=REFUSED)
def test_what_has_no_form_is_refused(odd: nn.Module, message: str) -> None:
    module = nn.Sequential()
    module.add_module("stem", nn.Conv2d(3, 4, 1))
    module.add_module("odd", odd)
    with pytest.raises(ExportError, match=message) as caught:
        convert(module.eval(), SIZE, domain="Food (compact)")
    assert "The network of Food (compact) cannot be written for TensorFlow" in str(caught.value)
    assert "Export to ONNX instead, or choose another `domain.backbone.architecture`" in str(caught.value)


def test_what_torch_cannot_follow_is_refused() -> None:
    with pytest.raises(ExportError, match=r"of Food cannot be followed by torch\.export"):
        convert(OnlyWhereBright().eval(), SIZE, domain="Food")


def test_norms_disappear_into_convolutions() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1, bias=False), nn.BatchNorm2d(4), nn.ReLU6()).eval()
    operations = [node.op for node in convert(measured(module), SIZE, domain="Test").definition.node]
    assert [name for name in operations if name not in ("Const", "Identity", "Shape", "StridedSlice")] == [
        "Placeholder",
        "Pad",
        "Conv2D",
        "BiasAdd",
        "Relu6",
        "Transpose",  # torch's order of the axes, which a map as the answer is given in
    ]


@pytest.mark.parametrize(
    ("zeros", "padding"),
    [
        pytest.param((0, 1, 0, 1), b"SAME", id="as TensorFlow pads"),
        pytest.param((1, 0, 1, 0), b"VALID", id="as it does not"),
    ],
)
def test_zeros_disappear_into_convolutions(zeros: tuple[int, ...], padding: bytes) -> None:
    module = nn.Sequential(nn.ZeroPad2d(zeros), nn.Conv2d(3, 4, 3, 2)).eval()
    nodes = {node.op: node for node in convert(module, SIZE, domain="Test").definition.node}
    assert nodes["Conv2D"].attr["padding"].s == padding
    assert ("Pad" in nodes) == (padding == b"VALID")


def test_a_norm_whose_convolution_is_read_elsewhere_stays() -> None:
    convolution, norm = nn.Conv2d(3, 3, 1), measured(nn.BatchNorm2d(3))

    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.convolution, self.norm = convolution, norm

        def forward(self, x: Tensor) -> Tensor:
            x = self.convolution(x)
            return (x * self.norm(x)).mean((2, 3))

    module = Both().eval()
    with torch.inference_mode():
        expected = module(images(2)).numpy()
    received = ask(convert(module, SIZE, domain="Test"), images(2))
    np.testing.assert_allclose(received, expected, rtol=1e-5, atol=1e-5)


def test_constants_are_computed_by_torch() -> None:
    """An operation without a form is none where no image takes part."""
    module = Fixed((3, 12, 12), lambda x, c: x * c.cumsum(1)).eval()
    with torch.inference_mode():
        expected = module(images(2)).numpy()
    np.testing.assert_allclose(ask(convert(module, SIZE, domain="Test"), images(2)), expected, rtol=1e-5)


def test_layers_keep_their_names() -> None:
    module = nn.Sequential(nn.Sequential(nn.Conv2d(3, 4, 1)), nn.ReLU()).eval()
    names = [node.name for node in convert(module, SIZE, domain="Test").definition.node]
    assert {"model/0/0/Conv2D", "model/1/Relu"} <= set(names)


def test_colours_are_taken_as_asked() -> None:
    module = Fixed((3, 1, 1), lambda x, c: (x * c).mean((2, 3))).eval()
    rgb, bgr = (convert(module, SIZE, domain="Test", channels=channels) for channels in ("RGB", "BGR"))
    assert (rgb.channels, bgr.channels) == ("RGB", "BGR")
    np.testing.assert_array_equal(ask(bgr, images(2).flip(1)), ask(rgb, images(2)))
    assert np.abs(ask(bgr, images(2)) - ask(rgb, images(2))).max() > 0.1
