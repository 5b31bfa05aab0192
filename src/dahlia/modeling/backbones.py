"""Backbones: timm networks that turn RGB pixels into a feature vector."""

from __future__ import annotations

import difflib
import warnings
from typing import cast

import timm
import torch
from torch import Tensor, nn
from torch.nn import functional

from dahlia.errors import WeightsError
from dahlia.modeling.weights import read_weights, weights_fingerprint


class Backbone(nn.Module):
    """A timm network without its classifier, with its normalisation inside.

    The features are the mean of the last map joined with what the network's own classifier would read,
    each scaled to unit length: their raw scales differ by orders of magnitude between channels and images,
    and length says more about contrast than about content. Where both are the same, only one is taken.

    Attributes:
        architecture: timm's name.
        fingerprint: SHA-256 of architecture, normalisation and weights; features of equal fingerprints
            are interchangeable.
        features: length of the feature vector.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, architecture: str, tensors: dict[str, Tensor] | None) -> None:
        super().__init__()
        self.architecture = architecture
        self.network = _create(architecture)
        if tensors is not None:
            _load(self.network, tensors, architecture)
        config = self.network.pretrained_cfg
        self.normalisation = (tuple(config["mean"]), tuple(config["std"]))
        self.register_buffer("mean", torch.tensor(config["mean"]).view(1, 3, 1, 1) * 255, persistent=False)
        self.register_buffer("std", torch.tensor(config["std"]).view(1, 3, 1, 1) * 255, persistent=False)
        self.fingerprint = weights_fingerprint(architecture, self.normalisation, self.network.state_dict())
        self.eval()
        with torch.inference_mode():
            self.features = self(torch.zeros(1, 3, 64, 64)).shape[1]

    def forward(self, pixels: Tensor) -> Tensor:
        """(N, 3, H, W) float32 RGB, 0 to 255, to (N, features)."""
        maps = self.network.forward_features((pixels - self.mean) / self.std)
        last = self.network.forward_head(maps, pre_logits=True)
        parts = [last]
        if maps.ndim == 4 and maps.shape[1] != last.shape[1]:
            parts = [maps.mean((2, 3)), last]
        return torch.cat([functional.normalize(part, dim=1) for part in parts], 1)


def load_backbone(architecture: str, weights: str) -> Backbone:
    """Make a backbone; see `dahlia.modeling.weights` for what `weights` may say.

    Raises:
        WeightsError: the architecture is unknown (near misses are named), or the weights cannot be had
            or do not fit.
    """
    tensors = read_weights(architecture, weights)
    if tensors is None:
        warnings.warn(
            "`weights: none` means random numbers: the model will be poor. It is meant for tests.",
            stacklevel=2,
        )
        torch.manual_seed(0)
    return Backbone(architecture, tensors)


def _create(architecture: str) -> nn.Module:
    known = timm.list_models()
    if architecture not in known:
        close = difflib.get_close_matches(architecture, known, n=3) or ["mobilenetv4_conv_small"]
        raise WeightsError(
            f"The backbone {architecture!r} is not known to timm; did you mean {' or '.join(close)}? "
            "Correct `domain.backbone.architecture`."
        )
    return cast(nn.Module, timm.create_model(architecture, pretrained=False, num_classes=0))


def _load(network: nn.Module, tensors: dict[str, Tensor], architecture: str) -> None:
    expected = network.state_dict()
    classifier = {name for name in tensors if name.startswith(("classifier.", "head.fc.", "fc.", "head."))}
    given = {name: value for name, value in tensors.items() if name in expected or name not in classifier}
    missing = [name for name in expected if name not in given]
    unknown = [name for name in given if name not in expected]
    reshaped = [name for name in given if name in expected and given[name].shape != expected[name].shape]
    if missing or unknown or reshaped:
        first = [
            f"{kind} {name}"
            for kind, names in (("missing", missing), ("unknown", unknown), ("other shape", reshaped))
            for name in names[:2]
        ]
        raise WeightsError(
            f"The weights do not fit {architecture}: {len(missing)} keys missing, {len(unknown)} unknown, "
            f"{len(reshaped)} of another shape; the first: {', '.join(first)}. Give weights that were saved "
            "from this architecture, or name the architecture that they are of."
        )
    network.load_state_dict(given)
