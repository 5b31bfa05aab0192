"""Every neural network layer that the interpreter knows, against torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from coreml_layer_cases import CONVOLUTION, MAP, MATRIX, SMALL, TABLE, floats, layer_of

from dahlia.export.coreml.interpreter import LAYERS
from dahlia.export.coreml.interpreter.registry import UnsupportedError


@pytest.mark.parametrize(
    ("kind", "parameters", "given", "expected"),
    TABLE,
    ids=[f"{number}-{row[0]}" for number, row in enumerate(TABLE)],
)
def test_a_layer_computes_what_torch_computes(
    kind: str, parameters: dict[str, Any], given: list[Any], expected: Callable[..., Any]
) -> None:
    wanted = expected(*(torch.from_numpy(np.array(value)) for value in given))

    received = LAYERS[kind](layer_of(kind, parameters), *given)

    if not isinstance(wanted, tuple):
        wanted, received = (wanted,), (received,)
    assert len(wanted) == len(received)
    for part, answer in zip(wanted, received, strict=True):
        assert np.shape(answer) == tuple(part.shape)
        np.testing.assert_allclose(answer, part.numpy(), rtol=1e-5, atol=2e-6)


def test_every_layer_is_compared() -> None:
    assert {row[0] for row in TABLE} == set(LAYERS)


def test_weights_of_half_precision_are_what_they_say() -> None:
    halves = SMALL.astype(np.float16)
    made = layer_of("loadConstantND", {"shape": [6], "data": {"float16Value": halves.tobytes()}})

    np.testing.assert_array_equal(LAYERS["loadConstantND"](made), halves.astype(np.float32))


@pytest.mark.parametrize(
    ("kind", "parameters", "given"),
    [
        ("convolution", CONVOLUTION | {"isDeconvolution": True}, [MAP]),
        ("pooling", {"type": 2, "valid": {}}, [MAP]),
        ("pooling", {"type": 1, "includeLastPixel": {}}, [MAP]),
        ("batchnorm", {"computeMeanVar": True, "gamma": floats(SMALL), "beta": floats(SMALL)}, [MAP]),
        ("upsample", {"scalingFactor": [2, 2], "mode": 1}, [MAP]),
        ("innerProduct", {"inputChannels": 6, "outputChannels": 7, "weights": floats(MATRIX)}, [MAP]),
        ("loadConstantND", {"shape": [6], "data": {"rawValue": b"abcdef"}}, []),
        ("concat", {"sequenceConcat": True}, [MAP]),
        ("constantPad", {"padToGivenOutputSizeMode": True}, [MAP]),
        ("activation", {}, [MAP]),
    ],
)
def test_what_is_not_known_is_refused(kind: str, parameters: dict[str, Any], given: list[Any]) -> None:
    with pytest.raises(UnsupportedError):
        LAYERS[kind](layer_of(kind, parameters), *given)
