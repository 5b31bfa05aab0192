"""Small uses of neural network layers, and what torch computes of the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from dahlia.export.coreml.interpreter.files import messages
from dahlia.export.coreml.interpreter.registry import Layer

numbers = np.random.default_rng(0)
MAP = numbers.normal(size=(2, 6, 9, 8)).astype(np.float32)
ROWS = numbers.normal(size=(2, 5, 6)).astype(np.float32)
ABOVE = np.abs(MAP) + np.float32(0.1)
SMALL = numbers.normal(size=(6,)).astype(np.float32)
POSITIVE = np.abs(SMALL) + np.float32(0.1)
THREE = numbers.normal(size=(4, 6, 3, 3)).astype(np.float32)
STRIPES = numbers.normal(size=(6, 1, 5, 3)).astype(np.float32)
MATRIX = numbers.normal(size=(7, 6)).astype(np.float32)
OTHER = numbers.normal(size=(2, 6, 5)).astype(np.float32)
AROUND = {"borderAmounts": [{"startEdgeSize": 1, "endEdgeSize": 2}, {"startEdgeSize": 0, "endEdgeSize": 1}]}
EVEN = {"borderAmounts": [{"startEdgeSize": 1, "endEdgeSize": 1}] * 2}


def floats(values: Any) -> dict[str, Any]:
    return {"floatValue": np.ravel(values).tolist()}


def t(values: Any) -> torch.Tensor:
    return torch.from_numpy(np.array(values))


def activation(name: str, **parameters: Any) -> dict[str, Any]:
    return {name: parameters}


def layer_of(kind: str, parameters: dict[str, Any]) -> Layer:
    message = messages().NeuralNetwork_pb2.NeuralNetworkLayer(
        name="made", output=["made"], **{kind: parameters}
    )
    return Layer(message)


def unary(name: str, **more: Any) -> dict[str, Any]:
    kinds = messages().NeuralNetwork_pb2.UnaryFunctionLayerParams.Operation
    return {"type": kinds.Value(name), "scale": 1.0, "alpha": 1.0, "epsilon": 1e-6, **more}


CONVOLUTION = {
    "outputChannels": 4,
    "kernelChannels": 6,
    "kernelSize": [3, 3],
    "stride": [2, 1],
    "weights": floats(THREE),
    "hasBias": True,
    "bias": floats(SMALL[:4]),
    "valid": {"paddingAmounts": EVEN},
}
DEPTHWISE = {
    "outputChannels": 6,
    "kernelChannels": 1,
    "nGroups": 6,
    "kernelSize": [5, 3],
    "weights": floats(STRIPES),
    "same": {},
}
Row = tuple[str, dict[str, Any], list[Any], Callable[..., Any]]
TABLE: list[Row] = [
    ("add", {"alpha": 0.5}, [MAP], lambda x: x + 0.5),
    ("add", {}, [MAP, MAP[:, :, :1, :1]], lambda x, y: x + y),
    ("multiply", {"alpha": 0.5}, [MAP], lambda x: x * 0.5),
    ("multiply", {}, [MAP, ABOVE, MAP], lambda x, y, z: x * y * z),
    ("max", {}, [MAP, -MAP], torch.maximum),
    ("min", {}, [MAP, -MAP], torch.minimum),
    ("topK", {"axis": 1, "K": 3}, [MAP], lambda x: tuple(x.topk(3, 1))),
    ("topK", {"axis": -1, "K": 2, "useBottomK": True}, [ROWS], lambda x: tuple(x.topk(2, largest=False))),
    ("equal", {}, [np.round(MAP), np.round(OTHER[0, 0, 0]).reshape(1)], lambda x, y: (x == y).float()),
    ("equal", {"alpha": 1.0}, [np.round(MAP)], lambda x: (x == 1).float()),
    ("addBroadcastable", {}, [MAP, SMALL[:, None, None]], torch.add),
    ("subtractBroadcastable", {}, [MAP, SMALL[:, None, None]], torch.sub),
    ("multiplyBroadcastable", {}, [MAP, SMALL[:, None, None]], torch.mul),
    ("divideBroadcastable", {}, [MAP, ABOVE], torch.div),
    ("floorDivBroadcastable", {}, [MAP * 9, ABOVE], lambda x, y: torch.floor(x / y)),
    ("modBroadcastable", {}, [MAP * 9, ABOVE], torch.remainder),
    ("powBroadcastable", {}, [ABOVE, MAP], torch.pow),
    ("maxBroadcastable", {}, [MAP, SMALL[:, None, None]], torch.maximum),
    ("minBroadcastable", {}, [MAP, SMALL[:, None, None]], torch.minimum),
    ("ceil", {}, [MAP], torch.ceil),
    ("floor", {}, [MAP], torch.floor),
    ("round", {}, [MAP], torch.round),
    ("sign", {}, [MAP], torch.sign),
    ("exp2", {}, [MAP], torch.exp2),
    ("sin", {}, [MAP], torch.sin),
    ("cos", {}, [MAP], torch.cos),
    ("tanh", {}, [MAP], torch.tanh),
    ("erf", {}, [MAP], torch.erf),
    ("copy", {}, [MAP], lambda x: x),
    ("reduceL1", {"axes": [1], "keepDims": True}, [MAP], lambda x: x.norm(1, 1, keepdim=True)),
    ("reduceL2", {"axes": [1]}, [MAP], lambda x: x.norm(2, 1)),
    ("reduceMax", {"axes": [1]}, [MAP], lambda x: x.amax(1)),
    ("reduceMin", {"axes": [1]}, [MAP], lambda x: x.amin(1)),
    ("reduceSum", {"axes": [1, -1]}, [MAP], lambda x: x.sum((1, 3))),
    ("reduceProd", {"axes": [1]}, [MAP], lambda x: x.prod(1)),
    ("reduceMean", {"axes": [1], "reduceAll": True}, [MAP], torch.mean),
    ("reduceSumSquare", {"axes": [1]}, [MAP], lambda x: x.square().sum(1)),
    ("clip", {"minVal": -0.2, "maxVal": 0.4}, [MAP], lambda x: x.clamp(-0.2, 0.4)),
    ("softmax", {}, [MAP], lambda x: x.softmax(-3)),
    ("softmaxND", {"axis": -1}, [MAP], lambda x: x.softmax(-1)),
    ("gelu", {"mode": 0}, [MAP], functional.gelu),
    ("gelu", {"mode": 1}, [MAP], lambda x: functional.gelu(x, approximate="tanh")),
    ("activation", activation("ReLU"), [MAP], torch.relu),
    ("activation", activation("sigmoid"), [MAP], torch.sigmoid),
    ("activation", activation("tanh"), [MAP], torch.tanh),
    ("activation", activation("softplus"), [MAP], functional.softplus),
    ("activation", activation("softsign"), [MAP], functional.softsign),
    ("activation", activation("PReLU", alpha=floats(SMALL)), [MAP], lambda x: functional.prelu(x, t(SMALL))),
    ("activation", activation("leakyReLU", alpha=0.2), [MAP], lambda x: functional.leaky_relu(x, 0.2)),
    ("activation", activation("thresholdedReLU", alpha=0.5), [MAP], lambda x: torch.where(x >= 0.5, x, 0.0)),
    ("activation", activation("ELU", alpha=0.7), [MAP], lambda x: functional.elu(x, 0.7)),
    ("activation", activation("linear", alpha=-2, beta=3), [MAP], lambda x: -2 * x + 3),
    ("activation", activation("sigmoidHard", alpha=1 / 6, beta=0.5), [MAP * 4], functional.hardsigmoid),
    ("activation", activation("scaledTanh", alpha=2, beta=0.5), [MAP], lambda x: 2 * torch.tanh(x / 2)),
    (
        "clampedReLU",
        {"alpha": 0.3, "beta": 0.8},
        [MAP],
        lambda x: functional.leaky_relu(x, 0.3).clamp(max=0.8),
    ),
    ("unary", unary("SQRT"), [ABOVE], torch.sqrt),
    ("unary", unary("RSQRT", epsilon=0.1), [ABOVE], lambda x: torch.rsqrt(x + 0.1)),
    ("unary", unary("INVERSE", epsilon=0.1), [ABOVE], lambda x: 1 / (x + 0.1)),
    ("unary", unary("POWER", alpha=2.0, scale=3.0, shift=0.5), [MAP], lambda x: (3 * x + 0.5) ** 2),
    ("unary", unary("EXP"), [MAP], torch.exp),
    ("unary", unary("LOG"), [ABOVE], torch.log),
    ("unary", unary("ABS"), [MAP], torch.abs),
    ("unary", unary("THRESHOLD", alpha=-0.3), [MAP], lambda x: x.clamp(min=-0.3)),
    ("convolution", CONVOLUTION, [MAP], lambda x: functional.conv2d(x, t(THREE), t(SMALL[:4]), (2, 1), 1)),
    ("convolution", DEPTHWISE, [MAP], lambda x: functional.conv2d(x, t(STRIPES), padding="same", groups=6)),
    (
        "pooling",
        {"type": 1, "globalPooling": True, "valid": {}},
        [MAP],
        lambda x: x.mean((2, 3), keepdim=True),
    ),
    (
        "pooling",
        {"type": 0, "globalPooling": True, "valid": {}},
        [MAP],
        lambda x: x.amax((2, 3), keepdim=True),
    ),
    (
        "pooling",
        {"type": 0, "kernelSize": [3, 3], "stride": [2, 2], "valid": {"paddingAmounts": EVEN}},
        [MAP],
        lambda x: functional.max_pool2d(x, 3, 2, 1),
    ),
    (
        "pooling",
        {"type": 1, "kernelSize": [3, 3], "stride": [2, 2], "valid": {"paddingAmounts": EVEN}},
        [MAP],
        lambda x: functional.avg_pool2d(x, 3, 2, 1),
    ),
    (
        "pooling",
        {
            "type": 1,
            "kernelSize": [2, 2],
            "stride": [2, 2],
            "avgPoolExcludePadding": True,
            "includeLastPixel": {"paddingAmounts": [0, 0]},
        },
        [MAP],
        lambda x: functional.avg_pool2d(x, 2, 2, ceil_mode=True, count_include_pad=False),
    ),
    (
        "batchnorm",
        {
            "channels": 6,
            "epsilon": 0.01,
            "gamma": floats(SMALL),
            "beta": floats(POSITIVE),
            "mean": floats(-SMALL),
            "variance": floats(POSITIVE),
        },
        [MAP],
        lambda x: functional.batch_norm(x, t(-SMALL), t(POSITIVE), t(SMALL), t(POSITIVE), eps=0.01),
    ),
    (
        "batchnorm",
        {
            "channels": 6,
            "epsilon": 0.01,
            "computeMeanVar": True,
            "instanceNormalization": True,
            "gamma": floats(SMALL),
            "beta": floats(POSITIVE),
        },
        [MAP],
        lambda x: functional.instance_norm(x, weight=t(SMALL), bias=t(POSITIVE), eps=0.01),
    ),
    (
        "mvn",
        {"normalizeVariance": True, "epsilon": 0.01},
        [MAP],
        lambda x: functional.layer_norm(x, (9, 8), eps=0.01),
    ),
    ("mvn", {"acrossChannels": True}, [MAP], lambda x: x - x.mean((1, 2, 3), keepdim=True)),
    (
        "upsample",
        {"scalingFactor": [2, 3]},
        [MAP],
        lambda x: functional.interpolate(x, scale_factor=(2.0, 3.0)),
    ),
    (
        "padding",
        {"constant": {"value": 0.5}, "paddingAmounts": AROUND},
        [MAP],
        lambda x: functional.pad(x, (0, 1, 1, 2), value=0.5),
    ),
    (
        "padding",
        {"reflection": {}, "paddingAmounts": AROUND},
        [MAP],
        lambda x: functional.pad(x, (0, 1, 1, 2), "reflect"),
    ),
    (
        "padding",
        {"replication": {}, "paddingAmounts": AROUND},
        [MAP],
        lambda x: functional.pad(x, (0, 1, 1, 2), "replicate"),
    ),
    (
        "innerProduct",
        {
            "inputChannels": 6,
            "outputChannels": 7,
            "weights": floats(MATRIX),
            "hasBias": True,
            "bias": floats(MATRIX[:, 0]),
        },
        [ROWS],
        lambda x: functional.linear(x, t(MATRIX), t(MATRIX[:, 0])),
    ),
    ("batchedMatmul", {}, [ROWS, OTHER], torch.matmul),
    ("batchedMatmul", {"transposeA": True, "transposeB": True}, [OTHER, ROWS], lambda x, y: x.mT @ y.mT),
    (
        "batchedMatmul",
        {"weightMatrixFirstDimension": 6, "weightMatrixSecondDimension": 7, "weights": floats(MATRIX)},
        [ROWS],
        lambda x: x @ t(MATRIX).T,
    ),
    (
        "scale",
        {
            "shapeScale": [6, 1, 1],
            "scale": floats(SMALL),
            "hasBias": True,
            "shapeBias": [1],
            "bias": floats([0.5]),
        },
        [MAP],
        lambda x: x * t(SMALL)[:, None, None] + 0.5,
    ),
    (
        "layerNormalization",
        {"normalizedShape": [6], "eps": 0.01, "gamma": floats(SMALL), "beta": floats(POSITIVE)},
        [ROWS],
        lambda x: functional.layer_norm(x, (6,), t(SMALL), t(POSITIVE), 0.01),
    ),
    ("loadConstant", {"shape": [1, 2, 3], "data": floats(SMALL)}, [], lambda: t(SMALL).reshape(1, 2, 3)),
    ("loadConstantND", {"shape": [2, 3], "data": floats(SMALL)}, [], lambda: t(SMALL).reshape(2, 3)),
    ("reshapeStatic", {"targetShape": [2, -1, 4]}, [MAP], lambda x: x.reshape(2, -1, 4)),
    ("rankPreservingReshape", {"targetShape": [0, -1, 1, 4]}, [MAP], lambda x: x.reshape(2, -1, 1, 4)),
    ("flattenTo2D", {"axis": 1}, [MAP], lambda x: x.flatten(1)),
    ("transpose", {"axes": [0, 2, 3, 1]}, [MAP], lambda x: x.permute(0, 2, 3, 1)),
    ("expandDims", {"axes": [1]}, [ROWS], lambda x: x[:, None]),
    ("squeeze", {"axes": [0]}, [MAP[:1]], lambda x: x[0]),
    ("squeeze", {"squeezeAll": True}, [MAP[:1, :, :1]], torch.squeeze),
    ("concatND", {"axis": 1}, [MAP, -MAP], lambda *x: torch.cat(x, 1)),
    ("concat", {}, [MAP, -MAP], lambda *x: torch.cat(x, 1)),
    ("stack", {"axis": 1}, [MAP, -MAP], lambda *x: torch.stack(x, 1)),
    ("splitND", {"axis": 1, "numSplits": 3}, [MAP], lambda x: x.split(2, 1)),
    ("splitND", {"axis": 1, "splitSizes": [1, 5]}, [MAP], lambda x: x.split([1, 5], 1)),
    ("slice", {"startIndex": 1, "endIndex": -1, "stride": 2, "axis": 1}, [MAP], lambda x: x[:, :, 1:-1:2]),
    (
        "sliceStatic",
        {
            "beginIds": [0, 1, 2, 3],
            "beginMasks": [True, False, False, False],
            "endIds": [0, 5, 9, 4],
            "endMasks": [True, False, False, False],
            "strides": [1, 2, 3, 1],
            "squeezeMasks": [False, False, False, True],
        },
        [MAP],
        lambda x: x[:, 1:5:2, 2:9:3, 3],
    ),
    ("gather", {"axis": 1}, [MAP, np.array([2.0, 0.0])], lambda x, _: x[:, [2, 0]]),
    ("tile", {"reps": [1, 2, 3]}, [ROWS], lambda x: x.repeat(1, 2, 3)),
    ("reverse", {"reverseDim": [False, True, False, False]}, [MAP], lambda x: x.flip(1)),
    (
        "constantPad",
        {"value": 0.5, "padAmounts": [0, 0, 1, 0, 2, 3]},
        [ROWS],
        lambda x: functional.pad(x, (2, 3, 1, 0), value=0.5),
    ),
]
