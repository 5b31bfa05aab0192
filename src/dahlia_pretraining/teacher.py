"""Networks to learn from: what a teacher sees in each part of a picture."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from dahlia.errors import WeightsError
from dahlia.modeling.backbones import load_backbone

MOBILENET_V1 = "mobilenet_v1"
_LAYERS = 12
_STRIDES = {2: 2, 4: 2, 6: 2, 12: 2}


class MobileNetV1(nn.Module):
    """Keras' MobileNet 1.0 up to the pointwise layer 12, batch normalisation folded in.

    Howard et al. 2017, "MobileNets". The file has `conv1`, then `dw{i}` and `pw{i}` for i = 1 to 12; weights
    in torch's order, padding as TensorFlow's SAME.
    """

    def __init__(self, tensors: dict[str, Tensor]) -> None:
        super().__init__()
        self.names = [name.removesuffix(".weight") for name in tensors if name.endswith(".weight")]
        wanted = {"conv1", *(f"{kind}{layer}" for kind in ("dw", "pw") for layer in range(1, _LAYERS + 1))}
        if set(self.names) != wanted:
            raise WeightsError(
                f"Expected the layers conv1, dw1, pw1 to dw{_LAYERS}, pw{_LAYERS} of {MOBILENET_V1}, found "
                f"{', '.join(sorted(self.names)[:4])} and so on. Correct `teacher.weights`."
            )
        for name, tensor in tensors.items():
            self.register_buffer(name.replace(".", "_"), tensor.float(), persistent=False)

    def forward(self, pixels: Tensor) -> Tensor:
        """(N, 3, H, W) RGB, 0 to 1, to maps (N, 1536, H/32, W/32): of the layers 11, averaged, and 12."""
        maps = self._convolve("conv1", pixels * 2 - 1, 2)
        middle = maps
        for layer in range(1, _LAYERS + 1):
            middle = maps
            maps = self._convolve(f"dw{layer}", maps, _STRIDES.get(layer, 1))
            maps = self._convolve(f"pw{layer}", maps, 1)
        return torch.cat([averaged_to(middle, maps), maps], 1)

    def _convolve(self, name: str, maps: Tensor, stride: int) -> Tensor:
        weight, bias = getattr(self, f"{name}_weight"), getattr(self, f"{name}_bias")
        kernel = weight.shape[-1]
        if kernel > 1:
            beyond = [
                max(kernel - (stride if edge % stride == 0 else edge % stride), 0) for edge in maps.shape[2:]
            ]
            high, wide = beyond
            maps = functional.pad(maps, (wide // 2, wide - wide // 2, high // 2, high - high // 2))
        groups = maps.shape[1] if weight.shape[1] == 1 and maps.shape[1] > 1 else 1
        return functional.relu6(functional.conv2d(maps, weight, bias, stride, 0, 1, groups))


class _Timm(nn.Module):
    def __init__(self, architecture: str, weights: str) -> None:
        super().__init__()
        self.backbone = load_backbone(architecture, weights)

    def forward(self, pixels: Tensor) -> Tensor:
        normal = (pixels * 255 - self.backbone.mean) / self.backbone.std
        maps: Tensor = self.backbone.network.forward_features(normal)
        return (
            maps
            if getattr(self.backbone.network, "output_fmt", "NCHW") == "NCHW"
            else maps.permute(0, 3, 1, 2)
        )


def averaged_to(maps: Tensor, like: Tensor) -> Tensor:
    """Maps (N, D, H, W), averaged to the height and width of `like`."""
    return functional.adaptive_avg_pool2d(maps, (like.shape[2], like.shape[3]))


def load_teacher(architecture: str, weights: str) -> nn.Module:
    """A frozen teacher: (N, 3, H, W) RGB, 0 to 1, to its maps (N, D, h, w).

    Args:
        architecture: `mobilenet_v1` (see `MobileNetV1`), or a name of timm's with maps.
        weights: a file, or whatever else a domain's backbone may say.

    Raises:
        WeightsError: the weights are not available or do not fit.
    """
    if architecture == MOBILENET_V1:
        try:
            teacher: nn.Module = MobileNetV1(load_file(Path(weights)))
        except (OSError, SafetensorError) as error:
            raise WeightsError(
                f"{weights} could not be read ({error}). Correct `teacher.weights`."
            ) from error
    else:
        teacher = _Timm(architecture, weights)
    return teacher.eval().requires_grad_(False).to(memory_format=torch.channels_last)
