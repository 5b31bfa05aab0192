"""Small uses of torch's operations, by group: one graph is made of each group.

Each case is a function or module of a map of 3 channels, 12 rows and 10 columns, and gives any tensor whose
first axis is that of the images.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dahlia.export.tensorflow.graph import ImageGraph

SIZE = 12
ORDER = torch.arange(11, -1, -1)
Case = Callable[[Tensor], Tensor] | nn.Module


class Fixed(nn.Module):
    """A function of the map and a constant of the given shape."""

    constant: Tensor

    def __init__(self, shape: tuple[int, ...], function: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.register_buffer("constant", torch.linspace(0.5, 2, torch.Size(shape).numel()).view(shape))
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x, self.constant)


class Group(nn.Module):
    """All cases of a group at once: their results side by side, each as a row per image."""

    def __init__(self, cases: dict[str, Case]) -> None:
        super().__init__()
        self.cases = list(cases.values())
        self.modules_of_cases = nn.ModuleList(case for case in self.cases if isinstance(case, nn.Module))

    def forward(self, pixels: Tensor) -> Tensor:
        x = pixels[:, :, :, 2:]
        return torch.cat([case(x).flatten(1).float() for case in self.cases], 1)


def measured(module: nn.Module) -> nn.Module:
    """Give batch norms inside some statistics, as training would."""
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d | nn.BatchNorm1d):
            assert part.running_mean is not None
            assert part.running_var is not None
            part.running_mean.normal_()
            part.running_var.uniform_(0.2, 3)
            if part.affine:
                nn.init.normal_(part.weight, 1)
                nn.init.normal_(part.bias)
    return module


def transposes(graph: ImageGraph) -> list[str]:
    """The names of the nodes that reorder axes."""
    return [node.name for node in graph.definition.node if node.op in ("Transpose", "ConjugateTranspose")]


def twice(x: Tensor) -> Tensor:
    return torch.cat([x, -x], 1)


ELEMENTWISE: dict[str, Case] = {
    "abs": torch.abs,
    "add with alpha": lambda x: torch.add(x, x.square(), alpha=0.5),
    "boolean": lambda x: ((x > 0) & ~(x > 1)) | (x == 0),
    "ceil and floor": lambda x: x.ceil() + 2 * x.floor(),
    "channel constant": Fixed((1, 3, 1, 1), lambda x, c: (x - c) / c),
    "clamp above": lambda x: x.clamp(max=0.5),
    "clamp below": lambda x: x.clamp(min=1e-12),
    "clamp both": lambda x: x.clamp(-0.3, 0.7),
    "column constant": Fixed((10,), lambda x, c: x * c),
    "cos and sin": lambda x: x.cos() + 2 * x.sin(),
    "divide by a number": lambda x: x / 6,
    "divide by a tensor": lambda x: x / (x.abs() + 1),
    "divide a number": lambda x: 2 / (x.abs() + 1),
    "elu": lambda x: F.elu(x, 0.7),
    "erf": torch.erf,
    "exp": torch.exp,
    "from a number": lambda x: 3 - x,
    "full": lambda x: x.new_full((x.shape[0], 3, 12, 10), 2) + x,
    "full like": lambda x: torch.full_like(x, 2) - x,
    "gelu": F.gelu,
    "gelu by tanh": lambda x: F.gelu(x, approximate="tanh"),
    "hardsigmoid": F.hardsigmoid,
    "hardswish": F.hardswish,
    "hardtanh": lambda x: F.hardtanh(x, -2, 1.5),
    "leaky relu": lambda x: F.leaky_relu(x, 0.2),
    "log": lambda x: (x.abs() + 1).log() + x.abs().log1p(),
    "maximum and minimum": lambda x: torch.maximum(x, -x) + torch.minimum(x, x.square()),
    "mish": F.mish,
    "number constant": Fixed((), lambda x, c: x / c),
    "one batch constant": Fixed((1, 3, 12, 10), lambda x, c: x + c),
    "other axes order": Fixed((3,), lambda x, c: x.permute(0, 2, 3, 1) * c + c),
    "power": lambda x: x**3 + x**2 + x.abs() ** 0.5 + (x.abs() + 1) ** -0.5 + (x.abs() + 1) ** 1.7,
    "prelu": nn.PReLU(3),
    "reciprocal": lambda x: (x.abs() + 1).reciprocal(),
    "relu": F.relu,
    "relu6": F.relu6,
    "row constant": Fixed((12, 1), lambda x, c: x * c),
    "rsqrt": lambda x: (x.abs() + 1).rsqrt(),
    "selu": F.selu,
    "sigmoid": torch.sigmoid,
    "sign and negative": lambda x: x.sign() - (-x),
    "silu": F.silu,
    "softplus": lambda x: F.softplus(x, 2),
    "sqrt": lambda x: x.abs().sqrt(),
    "square excitation": lambda x: x * x.mean((2, 3), keepdim=True).sigmoid(),
    "tanh": torch.tanh,
    "two orders": lambda x: x[:, :, :10] + x[:, :, :10].transpose(2, 3),
    "vector and map": lambda x: x * x.mean((2, 3))[:, :, None, None],
    "whole numbers": Fixed((10,), lambda x, c: x * (4 * c).long()),
    "where": lambda x: torch.where(x > 0, x, 0.1 * x),
}

WINDOWS: dict[str, Case] = {
    "convolution": nn.Conv2d(3, 4, 3, padding=1),
    "convolution without bias": nn.Conv2d(3, 4, 3, bias=False),
    "convolution of 1x1": nn.Conv2d(3, 4, 1),
    "convolution, stride 2, padding 1": nn.Conv2d(3, 4, 3, 2, 1),
    "convolution, stride 2, padding 2": nn.Conv2d(3, 4, 5, 2, 2),
    "convolution, stride 3, padding 2": nn.Conv2d(3, 4, 3, 3, 2),
    "convolution of patches": nn.Conv2d(3, 4, 2, 2),
    "convolution, oblong": nn.Conv2d(3, 4, (3, 5), (2, 1), (1, 2)),
    "convolution, same": nn.Conv2d(3, 4, (3, 5), padding="same"),
    "convolution after zeros": nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), nn.Conv2d(3, 4, 3, 2)),
    "convolution after zeros, padded": nn.Sequential(nn.ZeroPad2d((0, 3, 2, 0)), nn.Conv2d(3, 4, 3, 2, 1)),
    "convolution after zeros in one axis": nn.Sequential(nn.ZeroPad2d((1, 2, 0, 0)), nn.Conv2d(3, 4, 3)),
    "convolution after columns of zeros": Fixed((4, 3, 3, 3), lambda x, c: F.conv2d(F.pad(x, (2, 0)), c)),
    "convolution after ones": nn.Sequential(nn.ConstantPad2d((0, 1, 0, 1), 1), nn.Conv2d(3, 4, 3, 2)),
    "convolution, dilated": nn.Conv2d(3, 4, 3, padding=2, dilation=2),
    "convolution, dilated with stride": nn.Conv2d(3, 4, 3, 2, 2, dilation=2),
    "convolution of groups": nn.Sequential(nn.Conv2d(3, 8, 1), nn.Conv2d(8, 6, 3, 2, 1, groups=2)),
    "depthwise": nn.Conv2d(3, 3, 3, padding=1, groups=3),
    "depthwise, stride 2": nn.Conv2d(3, 3, 5, 2, 2, groups=3),
    "depthwise, stride in one axis": nn.Conv2d(3, 3, 3, (2, 1), 1, groups=3),
    "depthwise, two each": nn.Conv2d(3, 6, 3, 2, 1, groups=3),
    "depthwise, dilated": nn.Conv2d(3, 3, 3, padding=2, dilation=2, groups=3),
    "convolution over channels": Fixed(
        (1, 1, 3), lambda x, c: F.conv1d(x.mean((2, 3)).unsqueeze(1), c, padding=1).transpose(1, 2)
    ),
    "convolution of normalised weights": Fixed(
        (4, 3, 3, 3), lambda x, c: F.conv2d(x, (c - c.mean((1, 2, 3), keepdim=True)) / c.std())
    ),
    "norm after convolution": nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)),
    "norm after biasless depthwise": nn.Sequential(
        nn.Conv2d(3, 6, 3, groups=3, bias=False), nn.BatchNorm2d(6, eps=1e-3, affine=False)
    ),
    "norm before convolution": nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 4, 3, padding=1)),
    "norm twice": nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.BatchNorm2d(4)),
    "norm of a vector": nn.Sequential(nn.Linear(10, 5), nn.Flatten(), nn.BatchNorm1d(180)),
    "largest": nn.MaxPool2d(3, 2, 1),
    "largest, same": nn.MaxPool2d(3, 1, 1),
    "largest of 2": nn.MaxPool2d(2),
    "largest, ceiling": nn.MaxPool2d(3, 2, ceil_mode=True),
    "largest, far beyond": nn.MaxPool2d(3, 4, 1, ceil_mode=True),
    "largest after padding": lambda x: F.max_pool2d(F.pad(x, (0, 1, 0, 1)), 2, 1, ceil_mode=True),
    "mean of windows": nn.AvgPool2d(3, 2, 1),
    "mean without padding": nn.AvgPool2d(3, 2, 1, count_include_pad=False),
    "mean, ceiling": nn.AvgPool2d(3, 2, 1, ceil_mode=True),
    "mean, ceiling, without padding": nn.AvgPool2d(
        (2, 4), 3, (1, 2), ceil_mode=True, count_include_pad=False
    ),
    "mean of divisor": nn.AvgPool2d(2, divisor_override=3),
    "adaptive to 1": nn.AdaptiveAvgPool2d(1),
    "adaptive, even": nn.AdaptiveAvgPool2d((3, 5)),
    "adaptive, uneven": nn.AdaptiveAvgPool2d((5, 4)),
    "adaptive rows": nn.AdaptiveAvgPool2d((None, 1)),
}

SHAPES: dict[str, Case] = {
    "flatten": lambda x: x.flatten(1),
    "sequence": lambda x: x.flatten(2).transpose(1, 2),
    "sequence and back": lambda x: x.flatten(2).transpose(1, 2).transpose(1, 2).unflatten(2, (12, 10)) * 2,
    "channels last": lambda x: x.permute(0, 2, 3, 1).contiguous(),
    "channels last in rows": lambda x: x.permute(0, 2, 3, 1).reshape(x.shape[0] * 12, 30).reshape(-1, 360),
    "shuffle": lambda x: twice(x).unflatten(1, (2, 3)).transpose(1, 2).flatten(1, 2),
    "parts of windows": lambda x: x.view(-1, 3, 4, 3, 5, 2).permute(0, 2, 4, 3, 5, 1).reshape(-1, 20, 18),
    "other factors": lambda x: x.reshape(-1, 6, 6, 10),
    "pixels to channels": lambda x: F.pixel_unshuffle(x, 2),
    "channels to pixels": lambda x: F.pixel_shuffle(torch.cat([twice(x), twice(x)], 1), 2),
    "more axes": lambda x: x[:, None].squeeze(1)[..., None] * x.unsqueeze(-1),
    "fewer axes": lambda x: x.mean((2, 3), keepdim=True).squeeze(3).squeeze(2),
    "swapped axes": lambda x: x.transpose(1, 3).transpose(1, 2) + 1,
    "slices": lambda x: x[:, 1:, 2:-1:3, :4],
    "select": lambda x: x[:, 1] + x[:, -1],
    "chunks": lambda x: x.chunk(2, 2)[1] - x.chunk(2, 2)[0],
    "split": lambda x: x.split([1, 2], 1)[1] * x.split([1, 2], 1)[0],
    "unbind": lambda x: x.unbind(1)[2],
    "join channels": lambda x: torch.cat([x, x * 2, x[:, :1]], 1),
    "join rows": lambda x: torch.cat([x, x * 2], 2),
    "join orders": lambda x: torch.cat([x[:, :, :10], x[:, :, :10].transpose(2, 3)], -1),
    "stack": lambda x: torch.stack([x, -x], 2),
    "enlarge": lambda x: F.interpolate(x, scale_factor=2.0, mode="nearest"),
    "enlarge oblong": lambda x: F.interpolate(x, size=(36, 10), mode="nearest"),
    "chosen rows": lambda x: x.index_select(2, torch.tensor([3, 0, 0, 11])),
    "chosen of alike": lambda x: (
        x.mean(2, keepdim=True).expand(-1, -1, 12, -1).index_select(2, ORDER) + 0 * x
    ),
    "chosen of a sequence": lambda x: x.flatten(2).transpose(1, 2).index_select(1, torch.arange(119, -1, -1)),
    "class token": Fixed(
        (1, 1, 3), lambda x, c: torch.cat([c.expand(x.shape[0], -1, -1), x.flatten(2).transpose(1, 2)], 1)
    ),
    "join zeros": lambda x: torch.cat([x.new_zeros(x.shape[0], 1, 12, 10), x], 1),
    "expand": lambda x: x.mean(1, keepdim=True).expand(-1, 3, -1, -1) - x,
    "expand, then merge": lambda x: x.mean(1, keepdim=True).expand(-1, 3, -1, -1).flatten(1, 2),
    "expand, then sum": lambda x: x.mean(1, keepdim=True).expand(-1, 3, -1, -1).sum(1),
    "expand, then cut": lambda x: x.mean(1, keepdim=True).expand(-1, 3, -1, -1)[:, :2] + 0 * x[:, :2],
    "repeat": lambda x: x.repeat(1, 2, 1, 3),
    "flip": lambda x: x.flip(1, 3),
    "pad": lambda x: F.pad(x, (1, 2, 0, 3), value=0.5),
    "pad channels": lambda x: F.pad(x, (0, 0, 0, 0, 1, 2)),
    "types": lambda x: x.double().float() + (x > 0).to(torch.float32),
}

REDUCTIONS: dict[str, Case] = {
    "mean of channels": lambda x: x.mean(1),
    "mean of places": lambda x: x.mean((-1, -2)),
    "mean of all": lambda x: x.mean((1, 2, 3))[:, None],
    "mean of sequence": lambda x: x.flatten(2).transpose(1, 2).mean(1),
    "sum": lambda x: x.sum((1, 3), keepdim=True),
    "largest": lambda x: x.amax((2, 3)),
    "smallest": lambda x: x.amin(2),
    "any": lambda x: (x > 2).any(3).float(),
    "variance": lambda x: x.var((2, 3)) + x.var(1, unbiased=False).mean((1, 2))[:, None],
    "deviation": lambda x: x.std(1, keepdim=True),
    "length": lambda x: torch.linalg.vector_norm(x, dim=(1, 2)),
    "unit length": lambda x: F.normalize(x.mean((2, 3)), dim=1),
    "unit length of channels": lambda x: F.normalize(x, dim=1),
    "softmax of channels": lambda x: x.softmax(1),
    "softmax of columns": lambda x: x.softmax(-1),
    "logarithm of softmax": lambda x: x.mean((2, 3)).log_softmax(1),
    "layer norm of places": nn.LayerNorm((12, 10)),
    "layer norm without weights": lambda x: F.layer_norm(x, (3, 12, 10)),
    "layer norm of channels": nn.Sequential(nn.Flatten(2), nn.LayerNorm(120)),
    "layer norm, channels last": Fixed(
        (3,), lambda x, c: F.layer_norm(x.permute(0, 2, 3, 1), (3,), c, c - 1)
    ),
    "group norm": nn.Sequential(nn.Conv2d(3, 6, 1), nn.GroupNorm(2, 6)),
}


class Attention(nn.Module):
    """Two heads over the places of the map, by torch's function or written out."""

    bias: Tensor

    def __init__(self, written_out: bool, bias: bool = False) -> None:
        super().__init__()
        self.grow, self.qkv, self.out = nn.Linear(3, 8), nn.Linear(8, 24), nn.Linear(8, 5)
        self.written_out = written_out
        self.register_buffer("bias", torch.linspace(-1, 1, 120 * 120).view(1, 1, 120, 120) if bias else None)

    def forward(self, x: Tensor) -> Tensor:
        x = self.grow(x.flatten(2).transpose(1, 2))
        q, k, v = self.qkv(x).reshape(-1, 120, 3, 2, 4).permute(2, 0, 3, 1, 4).unbind(0)
        if self.written_out:
            x = (q * 0.5 @ k.transpose(-2, -1)).softmax(-1) @ v
        else:
            x = F.scaled_dot_product_attention(q, k, v, self.bias)
        return self.out(x.transpose(1, 2).reshape(-1, 120, 8))


PRODUCTS: dict[str, Case] = {
    "linear": nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 5)),
    "linear of a map": nn.Linear(10, 5),
    "linear without bias, of channels": Fixed((4, 3), lambda x, c: F.linear(x.permute(0, 2, 3, 1), c)),
    "linear after flatten": nn.Sequential(nn.Flatten(), nn.Linear(360, 4)),
    "matrix constant": Fixed((10, 7), lambda x, c: x @ c),
    "matrix constant before": Fixed((7, 12), lambda x, c: c @ x),
    "matrix of channels": lambda x: x.flatten(2) @ x.flatten(2).transpose(1, 2),
    "matrices of places": lambda x: x.flatten(2).transpose(1, 2) @ x.flatten(2),
    "batched matrices": lambda x: torch.bmm(x[:, 0], x[:, 1].transpose(1, 2)),
    "sum and product": Fixed((3, 4), lambda x, c: torch.addmm(c[0], x.mean((2, 3)), c, beta=0.5, alpha=2)),
    "einsum": lambda x: torch.einsum("nchw,ndhw->ncd", x, x),
    "attention": Attention(written_out=False),
    "attention with a bias": Attention(written_out=False, bias=True),
    "attention written out": Attention(written_out=True),
}

GROUPS: dict[str, dict[str, Case]] = {
    "elementwise": ELEMENTWISE,
    "windows": WINDOWS,
    "shapes": SHAPES,
    "reductions": REDUCTIONS,
    "products": PRODUCTS,
}
