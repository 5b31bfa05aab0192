"""Every operation of programs that the interpreter knows, against torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from dahlia.export.coreml.interpreter import OPERATIONS
from dahlia.export.coreml.interpreter.registry import UnsupportedError

numbers = np.random.default_rng(0)
MAP = numbers.normal(size=(2, 6, 9, 8)).astype(np.float32)
ROWS = numbers.normal(size=(2, 5, 6)).astype(np.float32)
ABOVE = np.abs(MAP) + np.float32(0.1)
SMALL = numbers.normal(size=(6,)).astype(np.float32)
POSITIVE = np.abs(SMALL) + np.float32(0.1)
MARKS = MAP > 0


def weights(*shape: int) -> Any:
    return numbers.normal(size=shape).astype(np.float32)


DENSE, THREE, STRIPES = weights(10, 6, 1, 1), weights(4, 6, 3, 3), weights(6, 1, 5, 3)
GROUPED, LINE, MATRIX = weights(8, 2, 3, 3), weights(4, 6, 3), weights(7, 6)
OTHER, SQUARE = weights(2, 6, 5), weights(2, 5, 5)
INDEX = np.array([[2, 0], [-1, 1]], np.int32)


def conv(weight: Any, **more: Any) -> Callable[..., Any]:
    return lambda x: functional.conv2d(x, torch.from_numpy(weight), **more)


def reduced(name: str) -> Callable[..., Any]:
    return lambda x: getattr(torch, name)(x, (2, 3))


ROWS_TABLE: list[tuple[str, dict[str, Any], Callable[..., Any]]] = [
    ("relu", {"x": MAP}, torch.relu),
    ("relu6", {"x": MAP * 9}, functional.relu6),
    ("leaky_relu", {"x": MAP, "alpha": 0.2}, lambda x: functional.leaky_relu(x, 0.2)),
    ("prelu", {"x": MAP, "alpha": SMALL}, lambda x: functional.prelu(x, torch.from_numpy(SMALL))),
    ("elu", {"x": MAP, "alpha": 0.7}, lambda x: functional.elu(x, 0.7)),
    (
        "clamped_relu",
        {"x": MAP, "alpha": 0.3, "beta": 0.8},
        lambda x: functional.leaky_relu(x, 0.3).clamp(max=0.8),
    ),
    ("thresholded_relu", {"x": MAP, "alpha": 0.5}, lambda x: torch.where(x >= 0.5, x, 0.0)),
    ("linear_activation", {"x": MAP, "alpha": -2.0, "beta": 3.0}, lambda x: -2 * x + 3),
    ("sigmoid", {"x": MAP * 90}, torch.sigmoid),
    ("sigmoid_hard", {"x": MAP * 4, "alpha": 1 / 6, "beta": 0.5}, functional.hardsigmoid),
    ("silu", {"x": MAP}, functional.silu),
    ("tanh", {"x": MAP}, torch.tanh),
    ("scaled_tanh", {"x": MAP, "alpha": 2.0, "beta": 0.5}, lambda x: 2 * torch.tanh(x / 2)),
    ("softplus", {"x": MAP * 9}, functional.softplus),
    ("softsign", {"x": MAP}, functional.softsign),
    ("erf", {"x": MAP}, torch.erf),
    ("gelu", {"x": MAP}, functional.gelu),
    ("gelu", {"x": MAP, "mode": "TANH_APPROXIMATION"}, lambda x: functional.gelu(x, approximate="tanh")),
    ("gelu", {"x": MAP, "mode": "SIGMOID_APPROXIMATION"}, lambda x: x * torch.sigmoid(1.702 * x)),
    ("softmax", {"x": MAP * 90, "axis": 1}, lambda x: x.softmax(1)),
    ("add", {"x": MAP, "y": SMALL[:, None, None]}, lambda x: x + torch.from_numpy(SMALL)[:, None, None]),
    ("sub", {"x": MAP, "y": 0.3}, lambda x: x - 0.3),
    ("mul", {"x": MAP, "y": 0.3}, lambda x: x * 0.3),
    ("real_div", {"x": MAP, "y": 0.3}, lambda x: x / 0.3),
    ("real_div", {"x": np.array([7, -7], np.int32), "y": 2}, lambda x: x.div(2, rounding_mode="trunc").int()),
    ("floor_div", {"x": MAP * 9, "y": 2.0}, lambda x: x // 2),
    ("mod", {"x": MAP * 9, "y": 2.0}, lambda x: x % 2),
    ("maximum", {"x": MAP, "y": 0.1}, lambda x: x.clamp(min=0.1)),
    ("minimum", {"x": MAP, "y": 0.1}, lambda x: x.clamp(max=0.1)),
    ("pow", {"x": ABOVE, "y": 1.5}, lambda x: x**1.5),
    ("equal", {"x": INDEX, "y": 1}, lambda x: x == 1),
    ("not_equal", {"x": INDEX, "y": 1}, lambda x: x != 1),
    ("greater", {"x": INDEX, "y": 1}, lambda x: x > 1),
    ("greater_equal", {"x": INDEX, "y": 1}, lambda x: x >= 1),
    ("less", {"x": INDEX, "y": 1}, lambda x: x < 1),
    ("less_equal", {"x": INDEX, "y": 1}, lambda x: x <= 1),
    ("logical_and", {"x": MARKS, "y": ~MARKS}, lambda x: x & ~x),
    ("logical_or", {"x": MARKS, "y": ~MARKS}, lambda x: x | ~x),
    ("logical_not", {"x": MARKS}, lambda x: ~x),
    ("abs", {"x": MAP}, torch.abs),
    ("ceil", {"x": MAP}, torch.ceil),
    ("cos", {"x": MAP}, torch.cos),
    ("exp", {"x": MAP}, torch.exp),
    ("exp2", {"x": MAP}, torch.exp2),
    ("floor", {"x": MAP}, torch.floor),
    ("identity", {"x": MAP}, lambda x: x),
    ("round", {"x": MAP * 9}, torch.round),
    ("sign", {"x": MAP}, torch.sign),
    ("sin", {"x": MAP}, torch.sin),
    ("sqrt", {"x": ABOVE}, torch.sqrt),
    ("square", {"x": MAP}, torch.square),
    ("inverse", {"x": ABOVE, "epsilon": 0.01}, lambda x: 1 / (x + 0.01)),
    ("log", {"x": ABOVE, "epsilon": 0.01}, lambda x: torch.log(x + 0.01)),
    ("rsqrt", {"x": ABOVE, "epsilon": 0.01}, lambda x: torch.rsqrt(x + 0.01)),
    ("threshold", {"x": MAP, "alpha": 0.2}, lambda x: x.clamp(min=0.2)),
    ("clip", {"x": MAP, "alpha": -0.2, "beta": 0.4}, lambda x: x.clamp(-0.2, 0.4)),
    ("select", {"cond": MARKS, "a": MAP, "b": -MAP}, lambda x: torch.from_numpy(np.abs(MAP))),
    ("cast", {"x": MAP * 9, "dtype": "int32"}, lambda x: x.int()),
    ("conv", {"x": MAP, "weight": DENSE, "bias": DENSE[:, 0, 0, 0]}, None),  # type: ignore[list-item]
    (
        "conv",
        {"x": MAP, "weight": THREE, "strides": [2, 1], "pad_type": "custom", "pad": [1, 1, 0, 0]},
        conv(THREE, stride=(2, 1), padding=(1, 0)),
    ),
    (
        "conv",
        {"x": MAP, "weight": STRIPES, "groups": 6, "dilations": [2, 1], "pad_type": "same"},
        conv(STRIPES, groups=6, dilation=(2, 1), padding="same"),
    ),
    (
        "conv",
        {"x": weights(1, 4, 8, 8), "weight": GROUPED, "groups": 2, "pad_type": "valid"},
        conv(GROUPED, groups=2),
    ),
    (
        "conv",
        {"x": MAP, "weight": THREE, "strides": [2, 2], "pad_type": "same"},
        lambda x: functional.conv2d(functional.pad(x, (0, 1, 1, 1)), torch.from_numpy(THREE), stride=2),
    ),
    (
        "conv",
        {"x": MAP, "weight": THREE, "strides": [2, 2], "pad_type": "same_lower"},
        lambda x: functional.conv2d(functional.pad(x, (1, 0, 1, 1)), torch.from_numpy(THREE), stride=2),
    ),
    (
        "conv",
        {"x": ROWS.swapaxes(1, 2), "weight": LINE},
        lambda x: functional.conv1d(x, torch.from_numpy(LINE)),
    ),
    (
        "max_pool",
        {"x": MAP, "kernel_sizes": [3, 2], "strides": [2, 2]},
        lambda x: functional.max_pool2d(x, (3, 2), 2),
    ),
    (
        "max_pool",
        {"x": -ABOVE, "kernel_sizes": [3, 3], "strides": [2, 2], "pad_type": "custom", "pad": [1, 1, 1, 1]},
        lambda x: functional.max_pool2d(x, 3, 2, 1),
    ),
    (
        "max_pool",
        {"x": MAP, "kernel_sizes": [2, 2], "strides": [2, 2], "ceil_mode": True},
        lambda x: functional.max_pool2d(x, 2, 2, ceil_mode=True),
    ),
    (
        "avg_pool",
        {"x": MAP, "kernel_sizes": [3, 2], "strides": [2, 2]},
        lambda x: functional.avg_pool2d(x, (3, 2), 2),
    ),
    (
        "avg_pool",
        {"x": MAP, "kernel_sizes": [3, 3], "pad_type": "custom", "pad": [1, 1, 1, 1]},
        lambda x: functional.avg_pool2d(x, 3, 1, 1),
    ),
    (
        "avg_pool",
        {
            "x": MAP,
            "kernel_sizes": [2, 2],
            "strides": [2, 2],
            "ceil_mode": True,
            "exclude_padding_from_average": True,
        },
        lambda x: functional.avg_pool2d(x, 2, 2, ceil_mode=True, count_include_pad=False),
    ),
    (
        "upsample_nearest_neighbor",
        {"x": MAP, "scale_factor_height": 2.0, "scale_factor_width": 3.0},
        lambda x: functional.interpolate(x, scale_factor=(2.0, 3.0)),
    ),
    (
        "batch_norm",
        {"x": MAP, "mean": SMALL, "variance": POSITIVE, "gamma": -SMALL, "beta": POSITIVE, "epsilon": 0.01},
        lambda x: functional.batch_norm(
            x, *(torch.from_numpy(part) for part in (SMALL, POSITIVE, -SMALL, POSITIVE)), eps=0.01
        ),
    ),
    (
        "instance_norm",
        {"x": MAP, "gamma": SMALL, "beta": POSITIVE, "epsilon": 0.01},
        lambda x: functional.instance_norm(
            x, weight=torch.from_numpy(SMALL), bias=torch.from_numpy(POSITIVE), eps=0.01
        ),
    ),
    (
        "linear",
        {"x": ROWS, "weight": MATRIX, "bias": MATRIX[:, 0]},
        lambda x: functional.linear(x, torch.from_numpy(MATRIX), torch.from_numpy(MATRIX[:, 0].copy())),
    ),
    ("linear", {"x": ROWS, "weight": MATRIX}, lambda x: functional.linear(x, torch.from_numpy(MATRIX))),
    ("matmul", {"x": ROWS, "y": OTHER}, lambda x: x @ torch.from_numpy(OTHER)),
    (
        "matmul",
        {"x": ROWS, "y": SQUARE, "transpose_x": True, "transpose_y": True},
        lambda x: x.mT @ torch.from_numpy(SQUARE).mT,
    ),
    (
        "einsum",
        {"values": [ROWS, OTHER], "equation": "abc,acd->abd"},
        lambda _: torch.from_numpy(ROWS) @ torch.from_numpy(OTHER),
    ),
    (
        "layer_norm",
        {"x": ROWS, "axes": [-1], "gamma": SMALL, "beta": POSITIVE, "epsilon": 0.01},
        lambda x: functional.layer_norm(x, (6,), torch.from_numpy(SMALL), torch.from_numpy(POSITIVE), 0.01),
    ),
    ("reduce_mean", {"x": MAP, "axes": [2, 3]}, reduced("mean")),
    ("reduce_mean", {"x": MAP, "axes": [-1], "keep_dims": True}, lambda x: x.mean(-1, keepdim=True)),
    ("reduce_mean", {"x": MAP}, torch.mean),
    ("reduce_sum", {"x": MAP, "axes": [2, 3]}, reduced("sum")),
    ("reduce_max", {"x": MAP, "axes": [2, 3]}, reduced("amax")),
    ("reduce_min", {"x": MAP, "axes": [2, 3]}, reduced("amin")),
    ("reduce_prod", {"x": ROWS, "axes": [2]}, lambda x: x.prod(2)),
    ("reduce_l1_norm", {"x": MAP, "axes": [1]}, lambda x: x.norm(1, 1)),
    ("reduce_l2_norm", {"x": MAP, "axes": [1]}, lambda x: x.norm(2, 1)),
    ("reduce_sum_square", {"x": MAP, "axes": [1]}, lambda x: x.square().sum(1)),
    ("reshape", {"x": MAP, "shape": [0, -1, 4]}, lambda x: x.reshape(2, -1, 4)),
    ("transpose", {"x": MAP, "perm": [0, 2, -1, 1]}, lambda x: x.permute(0, 2, 3, 1)),
    ("expand_dims", {"x": ROWS, "axes": [1, -1]}, lambda x: x[:, None, :, :, None]),
    ("squeeze", {"x": MAP[:1], "axes": [0]}, lambda x: x[0]),
    ("squeeze", {"x": MAP[:1, :, :1]}, torch.squeeze),
    ("flatten2d", {"x": MAP, "axis": 2}, lambda x: x.reshape(12, -1)),
    (
        "concat",
        {"values": [MAP, -MAP], "axis": 1},
        lambda _: torch.from_numpy(np.concatenate([MAP, -MAP], 1)),
    ),
    ("concat", {"values": MAP, "axis": 1}, lambda _: torch.from_numpy(MAP)),
    ("stack", {"values": [MAP, -MAP], "axis": 1}, lambda _: torch.from_numpy(np.stack([MAP, -MAP], 1))),
    ("split", {"x": MAP, "axis": 1, "num_splits": 3}, lambda x: x.split(2, 1)),
    ("split", {"x": MAP, "axis": 1, "split_sizes": [1, 5]}, lambda x: x.split([1, 5], 1)),
    (
        "slice_by_index",
        {
            "x": MAP,
            "begin": [0, 1, -3, 2],
            "end": [0, 5, 0, 3],
            "stride": [1, 2, 1, 1],
            "begin_mask": [True, False, False, False],
            "end_mask": [True, False, True, False],
            "squeeze_mask": [False, False, False, True],
        },
        lambda x: x[:, 1:5:2, -3:, 2],
    ),
    ("slice_by_size", {"x": ROWS, "begin": [0, 1, 2], "size": [-1, 3, -1]}, lambda x: x[:, 1:4, 2:]),
    ("tile", {"x": ROWS, "reps": [1, 2, 3]}, lambda x: x.repeat(1, 2, 3)),
    ("reverse", {"x": MAP, "axes": [1]}, lambda x: x.flip(1)),
    ("reverse", {"x": ROWS}, lambda x: x.flip(0, 1, 2)),
    ("gather", {"x": MAP, "indices": INDEX, "axis": 1}, lambda x: x[:, torch.from_numpy(INDEX).long()]),
    (
        "pad",
        {"x": MAP, "pad": [1, 0, 2, 3], "constant_val": 0.5},
        lambda x: functional.pad(x, (2, 3, 1, 0), value=0.5),
    ),
    (
        "pad",
        {"x": MAP, "pad": [1, 0, 2, 3], "mode": "reflect"},
        lambda x: functional.pad(x, (2, 3, 1, 0), "reflect"),
    ),
    (
        "pad",
        {"x": MAP, "pad": [1, 0, 2, 3], "mode": "replicate"},
        lambda x: functional.pad(x, (2, 3, 1, 0), "replicate"),
    ),
    ("topk", {"x": MAP, "k": 3, "axis": 1}, lambda x: tuple(x.topk(3, 1))),
    ("topk", {"x": ROWS, "k": 2, "ascending": True}, lambda x: tuple(x.topk(2, largest=False))),
    ("pixel_shuffle", {"x": MAP[:, :4], "upscale_factor": 2}, lambda x: functional.pixel_shuffle(x, 2)),
]
ROWS_TABLE = [
    (
        name,
        given,
        conv(DENSE, bias=torch.from_numpy(DENSE[:, 0, 0, 0].copy())) if expected is None else expected,
    )
    for name, given, expected in ROWS_TABLE
]


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    ROWS_TABLE,
    ids=[f"{number}-{row[0]}" for number, row in enumerate(ROWS_TABLE)],
)
def test_an_operation_computes_what_torch_computes(
    name: str, given: dict[str, Any], expected: Callable[..., Any]
) -> None:
    first = next(iter(given.values()))
    wanted = expected(torch.from_numpy(first.copy()) if isinstance(first, np.ndarray) else None)

    received = OPERATIONS[name](**given)

    if not isinstance(wanted, tuple):
        wanted, received = (wanted,), (received,)
    assert len(wanted) == len(received)
    for part, answer in zip(wanted, received, strict=True):
        assert np.shape(answer) == tuple(part.shape)
        np.testing.assert_allclose(answer, part.numpy(), rtol=1e-5, atol=2e-6)


def test_every_operation_is_compared() -> None:
    assert {row[0] for row in ROWS_TABLE} == set(OPERATIONS)


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("gelu", {"x": MAP, "mode": "OTHER"}),
        ("cast", {"x": MAP, "dtype": "string"}),
        ("conv", {"x": MAP, "weight": THREE, "pad_type": "other"}),
        ("conv", {"x": MAP, "weight": THREE, "groups": 2}),
        ("avg_pool", {"x": MAP, "kernel_sizes": [2, 2], "strides": [2, 2], "ceil_mode": True}),
        ("upsample_nearest_neighbor", {"x": MAP, "scale_factor_height": 1.5}),
        ("concat", {"values": [MAP, MAP], "axis": 1, "interleave": True}),
        ("split", {"x": MAP, "axis": 1}),
        ("pad", {"x": MAP, "pad": [1, 1], "mode": "other"}),
    ],
)
def test_what_is_not_known_is_refused(name: str, given: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedError):
        OPERATIONS[name](**given)
