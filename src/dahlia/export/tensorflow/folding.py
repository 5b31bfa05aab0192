"""Batch norms that disappear into the convolution before them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.fx import Node

CONVOLUTION = torch.ops.aten.convolution.default
BATCH_NORM = torch.ops.aten._native_batch_norm_legit_no_training.default


def foldable_norm(convolution: Node, known: Mapping[Node, Any]) -> Node | None:
    """The batch norm that alone reads a convolution's result, where all its numbers are known."""
    users = list(convolution.users)
    if len(users) != 1 or users[0].target is not BATCH_NORM:
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
