"""What a convolution takes over from its neighbours: the batch norm behind it, and zeros around its image."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor
from torch.fx import Node

CONVOLUTION = torch.ops.aten.convolution.default
_BATCH_NORM = torch.ops.aten._native_batch_norm_legit_no_training.default
_PAD = torch.ops.aten.constant_pad_nd.default


def foldable_norm(convolution: Node, known: Mapping[Node, Any]) -> Node | None:
    """The batch norm that alone reads a convolution's result, where all its numbers are known."""
    users = list(convolution.users)
    if len(users) != 1 or users[0].target is not _BATCH_NORM:
        return None
    (norm,) = users
    weight, bias, transposed = convolution.args[1], convolution.args[2], convolution.args[6]
    parts = [part for part in (weight, bias, *norm.args[1:5]) if isinstance(part, Node)]
    if transposed or not all(isinstance(known.get(part), Tensor) for part in parts):
        return None
    return norm


def fold(convolution: Node, norm: Node, known: Mapping[Any, Any]) -> tuple[Tensor, Tensor]:
    """The weight and bias with which the convolution computes both, in float32 after float64."""

    def read(argument: Any) -> Tensor | None:
        return known[argument].double() if isinstance(argument, Node) else None

    weight, bias = known[convolution.args[1]].double(), read(convolution.args[2])
    gain, shift = read(norm.args[1]), read(norm.args[2])
    mean, variance, epsilon = known[norm.args[3]].double(), known[norm.args[4]].double(), norm.args[6]
    scale = (variance + epsilon).rsqrt()
    if gain is not None:
        scale = scale * gain
    offset = (-mean if bias is None else bias - mean) * scale
    if shift is not None:
        offset = offset + shift
    return (weight * scale.view(-1, *[1] * (weight.ndim - 1))).float(), offset.float()


@dataclass(frozen=True)
class Padding:
    """Zeros around an image, as a convolution puts them there itself.

    Attributes:
        image: what they are put around.
        before: how far the first window begins before the image, along each of its axes.
    """

    image: Node
    before: tuple[int, ...]


def foldable_padding(convolution: Node) -> Padding | None:
    """The zeros that a convolution finds around its image, and those that it adds; None if it finds none.

    How many follow behind the image, the number of windows says. Networks that were ported from TensorFlow
    pad as its `SAME` does, one place more behind than before: torch's convolutions have no word for that.
    """
    pad, own = convolution.args[0], cast(Sequence[int], convolution.args[4])
    if not isinstance(pad, Node) or pad.target is not _PAD:
        return None
    image, amounts, number, *_ = cast(Any, (*pad.args, 0))
    if number != 0 or min(amounts) < 0 or len(amounts) > 2 * len(own):
        return None
    # Torch begins with the last axis, and says of each what is before and what behind.
    before = [*[0] * (len(own) - len(amounts) // 2), *reversed(amounts[::2])]
    return Padding(image, tuple(map(operator.add, own, before)))
