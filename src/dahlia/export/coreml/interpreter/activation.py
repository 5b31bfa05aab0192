"""What is applied to each number of a map between layers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from dahlia.export.coreml.interpreter.files import messages
from dahlia.export.coreml.interpreter.registry import Array, Layer, UnsupportedError, layer, operation


@operation("relu")
def relu(x: Array) -> Array:
    """What is above 0."""
    return np.maximum(x, np.float32(0))


@operation("relu6")
def relu6(x: Array) -> Array:
    """What is above 0, up to 6."""
    return np.clip(x, np.float32(0), np.float32(6))


@operation("leaky_relu")
def leaky_relu(x: Array, alpha: float = 0.01) -> Array:
    """Below 0 times `alpha`."""
    return np.where(x >= 0, x, x * np.float32(alpha))


@operation("prelu")
def prelu(x: Array, alpha: Array) -> Array:
    """Below 0 times the channel's own `alpha`."""
    return np.where(x >= 0, x, x * alpha.reshape(-1, *[1] * (x.ndim - 2)))


@operation("elu")
def elu(x: Array, alpha: float = 1.0) -> Array:
    """Below 0, `alpha (e^x - 1)`."""
    return np.where(x >= 0, x, np.float32(alpha) * np.expm1(np.minimum(x, np.float32(0))))


@operation("clamped_relu")
def clamped_relu(x: Array, alpha: float, beta: float) -> Array:
    """Below 0 times `alpha`, and up to `beta`."""
    return np.minimum(leaky_relu(x, alpha), np.float32(beta))


@layer("clampedReLU")
def clamped_relu_layer(made: Layer, x: Array) -> Array:
    """Below 0 times a number, and up to another."""
    return clamped_relu(x, made.parameters.alpha, made.parameters.beta)


@operation("thresholded_relu")
def thresholded_relu(x: Array, alpha: float = 1.0) -> Array:
    """What is at least `alpha`; the rest is 0."""
    return np.where(x >= np.float32(alpha), x, np.float32(0))


@operation("linear_activation")
def linear_activation(x: Array, alpha: float, beta: float = 0.0) -> Array:
    """`alpha x + beta`."""
    return np.asarray(x * np.float32(alpha) + np.float32(beta))


@operation("sigmoid")
def sigmoid(x: Array) -> Array:
    """`1 / (1 + e^-x)`, without overflow."""
    return np.asarray(np.float32(0.5) * np.tanh(np.float32(0.5) * x) + np.float32(0.5))


@operation("sigmoid_hard")
def sigmoid_hard(x: Array, alpha: float = 0.2, beta: float = 0.5) -> Array:
    """`alpha x + beta`, from 0 to 1."""
    return np.clip(linear_activation(x, alpha, beta), np.float32(0), np.float32(1))


@operation("silu")
def silu(x: Array) -> Array:
    """`x sigmoid(x)`."""
    return np.asarray(x * sigmoid(x))


@operation("tanh")
def tanh(x: Array) -> Array:
    """The hyperbolic tangent."""
    return np.tanh(x)


@operation("scaled_tanh")
def scaled_tanh(x: Array, alpha: float = 1.0, beta: float = 1.0) -> Array:
    """`alpha tanh(beta x)`."""
    return np.asarray(np.float32(alpha) * np.tanh(np.float32(beta) * x))


@operation("softplus")
def softplus(x: Array) -> Array:
    """`log(1 + e^x)`."""
    return np.logaddexp(x, np.float32(0))


@operation("softsign")
def softsign(x: Array) -> Array:
    """`x / (1 + |x|)`."""
    return np.asarray(x / (1 + np.abs(x)))


@layer("activation")
def activation_layer(made: Layer, x: Array) -> Array:
    """One of the functions between layers."""
    kind = made.parameters.WhichOneof("NonlinearityType")
    own = getattr(made.parameters, str(kind), None)
    simple: dict[str, Callable[[Array], Array]] = {
        "ReLU": relu,
        "sigmoid": sigmoid,
        "tanh": tanh,
        "softplus": softplus,
        "softsign": softsign,
    }
    if kind in simple:
        return simple[kind](x)
    if kind == "PReLU":
        return prelu(x, made.numbers("alpha", -1, of=own))
    with_alpha: dict[str, Callable[..., Array]] = {
        "leakyReLU": leaky_relu,
        "thresholdedReLU": thresholded_relu,
        "ELU": elu,
    }
    if own is not None and kind in with_alpha:
        return with_alpha[kind](x, own.alpha)
    with_both: dict[str, Callable[..., Array]] = {
        "linear": linear_activation,
        "sigmoidHard": sigmoid_hard,
        "scaledTanh": scaled_tanh,
    }
    if own is not None and kind in with_both:
        return with_both[kind](x, own.alpha, own.beta)
    raise UnsupportedError(f"the function {kind}")


@operation("erf")
def erf(x: Array) -> Array:
    """The error function."""
    from scipy import special

    return np.asarray(special.erf(x), np.float32)


@operation("gelu")
def gelu(x: Array, mode: str = "EXACT") -> Array:
    """The Gaussian error linear unit, exact or approximated (Hendrycks and Gimpel 2016)."""
    if mode == "EXACT":
        return np.asarray(np.float32(0.5) * x * (1 + erf(x * np.float32(np.sqrt(0.5)))))
    if mode == "TANH_APPROXIMATION":
        inner = np.float32(np.sqrt(2 / np.pi)) * (x + np.float32(0.044715) * x**3)
        return np.asarray(np.float32(0.5) * x * (1 + np.tanh(inner)))
    if mode == "SIGMOID_APPROXIMATION":
        return np.asarray(x * sigmoid(np.float32(1.702) * x))
    raise UnsupportedError(f"the mode {mode}")


@layer("gelu")
def gelu_layer(made: Layer, x: Array) -> Array:
    """The Gaussian error linear unit, exact or approximated."""
    modes = messages().NeuralNetwork_pb2.GeluLayerParams.GeluMode
    return gelu(x, modes.Name(made.parameters.mode))


@operation("softmax")
def softmax(x: Array, axis: int = -1) -> Array:
    """`e^x` over its sum along an axis."""
    powers = np.exp(x - x.max(axis, keepdims=True))
    return np.asarray(powers / powers.sum(axis, keepdims=True))


@layer("softmaxND")
def softmax_layer(made: Layer, x: Array) -> Array:
    """`e^x` over its sum along an axis."""
    return softmax(x, made.parameters.axis)


@layer("softmax")
def softmax_of_channels_layer(_: Layer, x: Array) -> Array:
    """`e^x` over its sum along the channels."""
    return softmax(x, -3)
