from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from dahlia.errors import WeightsError
from dahlia_pretraining.teacher import load_teacher

_WIDTHS = (32, 64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024)


def mobilenet(target: Path, drop: str = "") -> Path:
    chance = torch.Generator().manual_seed(0)
    shapes = {"conv1": (32, 3, 3, 3)}
    for layer in range(1, 13):
        shapes[f"dw{layer}"] = (_WIDTHS[layer - 1], 1, 3, 3)
        shapes[f"pw{layer}"] = (_WIDTHS[layer], _WIDTHS[layer - 1], 1, 1)
    tensors = {}
    for name, shape in shapes.items():
        if name != drop:
            tensors[f"{name}.weight"] = (
                torch.randn(shape, generator=chance) / (shape[1] * shape[2] ** 2) ** 0.5
            )
            tensors[f"{name}.bias"] = torch.zeros(shape[0])
    save_file(tensors, target)
    return target


@pytest.mark.parametrize("size", [64, 96])
def test_its_maps_are_a_32nd_of_the_picture(tmp_path: Path, size: int) -> None:
    teacher = load_teacher("mobilenet_v1", str(mobilenet(tmp_path / "teacher.safetensors")))
    maps = teacher(torch.rand(2, 3, size, size))
    assert maps.shape == (2, 1536, size // 32, size // 32)
    assert not any(parameter.requires_grad for parameter in teacher.parameters())


def test_padding_is_tensorflows(tmp_path: Path) -> None:
    # On even sizes with stride 2, SAME pads right and below only: output i sees the pixels 2i to 2i + 2.
    teacher = load_teacher("mobilenet_v1", str(mobilenet(tmp_path / "teacher.safetensors")))
    black, dotted = torch.zeros(1, 3, 32, 32), torch.zeros(1, 3, 32, 32)
    dotted[..., 2, 2] = 1
    moved = (teacher._convolve("conv1", dotted, 2) - teacher._convolve("conv1", black, 2)).abs().amax((0, 1))
    assert moved.nonzero().tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]


def test_a_network_of_timm_may_teach(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="random numbers"):
        teacher = load_teacher("mobilenetv4_conv_small", "none")
    assert teacher(torch.rand(1, 3, 64, 64)).shape == (1, 960, 2, 2)


def test_files_that_are_no_teacher(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="could not be read"):
        load_teacher("mobilenet_v1", str(tmp_path / "missing.safetensors"))
    with pytest.raises(WeightsError, match="Expected the layers"):
        load_teacher("mobilenet_v1", str(mobilenet(tmp_path / "teacher.safetensors", drop="dw7")))
