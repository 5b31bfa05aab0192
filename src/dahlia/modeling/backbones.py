"""Backbones: timm networks that turn RGB pixels into a feature vector."""

from __future__ import annotations

import difflib
import warnings
from typing import Any, Literal

import timm
import torch
from timm.models import EfficientNet
from torch import Tensor, nn
from torch.nn import functional

from dahlia.errors import WeightsError
from dahlia.modeling.card import BackboneCard
from dahlia.modeling.pretrained import RECOMMENDED, Normalisation, as_normalisation
from dahlia.modeling.tensors import COUNTER, weights_fingerprint
from dahlia.modeling.weights import Origin, find_weights

Reads = Literal["map", "stage"]
_RECOMMENDED = [name.partition(".")[0] for name in RECOMMENDED]


class Backbone(nn.Module):
    """A timm network without its classifier, with its normalisation inside.

    The features are the mean of a late map joined with what the network's own classifier would read, each
    scaled to unit length: their raw scales differ by orders of magnitude between channels and images, and
    length says more about contrast than about content. The map is that of the last stage, before what widens
    it for the classifier, if anything does. Where both are the same, only one is taken.

    Args:
        architecture: timm's name.
        tensors: the weights; `None` keeps random ones.
        normalisation: mean and standard deviation per channel, 0 to 1; `None` takes timm's own for the
            architecture. Weights that are pretrained otherwise want their own.
        smoothing: how much of each of its two neighbours a pixel takes on, 0 to a third, along either axis.
            Programs that shrink a photo without averaging leave fine noise in it; a little of it hides that.
        reads: `stage`, or `map` for models of before stages were read: the map is then the widened one.

    Attributes:
        architecture: timm's name.
        normalisation: as given or found.
        smoothing: as given.
        reads: as given.
        parts: lengths of the vectors that are joined, in their order.
        features: length of the feature vector, their sum.
        origin: which weights it started from.
    """

    network: Any  # timm's networks share methods that no type of theirs declares
    origin: Origin
    mean: Tensor
    std: Tensor
    blur: Tensor

    def __init__(
        self,
        architecture: str,
        tensors: dict[str, Tensor] | None,
        normalisation: Normalisation | None = None,
        smoothing: float = 0.0,
        reads: Reads = "stage",
    ) -> None:
        super().__init__()
        self.architecture = architecture
        self.origin = Origin("tensors", "tensors", "given by the caller")
        self.network = _create(architecture)
        if tensors is not None:
            _load(self.network, tensors, architecture)
        config = self.network.pretrained_cfg
        self.normalisation = normalisation or as_normalisation(config["mean"], config["std"])
        for name, values in zip(("mean", "std"), self.normalisation, strict=True):
            self.register_buffer(name, torch.tensor(values).view(1, 3, 1, 1) * 255, persistent=False)
        self.smoothing = smoothing
        line = torch.tensor([smoothing, 1 - 2 * smoothing, smoothing])
        self.register_buffer("blur", torch.outer(line, line).repeat(3, 1, 1, 1), persistent=False)
        self.reads = reads
        self._widens = reads == "stage" and _widens(self.network)
        self.eval()
        with torch.inference_mode():
            seen = self._parts_of(torch.zeros(1, 3, 64, 64))
        self.parts: tuple[int, ...] = tuple(part.shape[1] for part in seen)
        self.features = sum(self.parts)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of architecture, preprocessing, weights, and which map is read.

        Equal ones give equal features on one machine.
        """
        seen: object = (self.normalisation, self.smoothing) if self.smoothing else self.normalisation
        if self._widens:
            seen = (seen, self.reads)
        return weights_fingerprint(self.architecture, seen, self.network.state_dict())

    def forward(self, pixels: Tensor) -> Tensor:
        """(N, 3, H, W) float32 RGB, 0 to 255, to (N, features)."""
        return torch.cat([functional.normalize(part, dim=1) for part in self._parts_of(pixels)], 1)

    def prepared(self, pixels: Tensor) -> Tensor:
        """(N, 3, H, W) float32 RGB, 0 to 255, to what the network sees: normalised, and smoothed if asked."""
        seen = (pixels - self.mean) / self.std
        return functional.conv2d(seen, self.blur, padding=1, groups=3) if self.smoothing else seen

    def _parts_of(self, pixels: Tensor) -> list[Tensor]:
        seen = self.prepared(pixels)
        if self._widens:
            maps, (late,) = self.network.forward_intermediates(seen, 1)
        else:
            maps = late = self.network.forward_features(seen)
        last = self.network.forward_head(maps, pre_logits=True)
        channels = 3 if getattr(self.network, "output_fmt", "NCHW") == "NHWC" else 1
        if late.ndim == 4 and late.shape[channels] != last.shape[1]:
            return [late.mean((1, 2) if channels == 3 else (2, 3)), last]
        return [last]


def card_of(backbone: Backbone) -> BackboneCard:
    """What a model's card says of its backbone."""
    mean, std = backbone.normalisation
    return BackboneCard(
        architecture=backbone.architecture,
        weights=backbone.origin.weights,
        source=backbone.origin.source,
        reason=backbone.origin.reason,
        licence=backbone.origin.licence,
        note=backbone.origin.note,
        fingerprint=backbone.fingerprint,
        features=backbone.features,
        mean=mean,
        std=std,
        smoothing=backbone.smoothing,
        reads=backbone.reads,
    )


def load_backbone(architecture: str, weights: str, smoothing: float = 0.0) -> Backbone:
    """Make a backbone; see `dahlia.modeling.weights` for what `weights` may say.

    Raises:
        WeightsError: the architecture is unknown (near misses are named), or the weights are not available
            or do not fit.
    """
    _require_known(architecture)
    found = find_weights(architecture, weights)
    if found.tensors is None:
        warnings.warn(
            "`weights: none` means random numbers: the model will be poor. It is meant for tests.",
            stacklevel=2,
        )
        torch.manual_seed(0)
    backbone = Backbone(architecture, found.tensors, found.normalisation, smoothing)
    backbone.origin = found.origin
    return backbone


def _require_known(architecture: str) -> None:
    known = timm.list_models()
    if architecture not in known:
        close = difflib.get_close_matches(architecture, known, n=3) or _RECOMMENDED
        raise WeightsError(
            f"The backbone {architecture!r} is not known to timm; did you mean {' or '.join(close)}? "
            "Correct `domain.backbone.architecture`."
        )


def _create(architecture: str) -> nn.Module:
    _require_known(architecture)
    network = timm.create_model(architecture, pretrained=False, num_classes=0)
    config: Any = network.pretrained_cfg
    if config["fixed_input_size"]:
        raise WeightsError(
            f"The backbone {architecture!r} sees photos of one size only, expected one that takes any size, "
            f"such as {', '.join(_RECOMMENDED)}. Choose another `domain.backbone.architecture`."
        )
    return network


def _widens(network: Any) -> bool:
    # EfficientNets widen the map of their last stage before they average it; MobileNets do so afterwards.
    return isinstance(network, EfficientNet) and network.feature_info[-1]["num_chs"] != network.num_features


def _load(network: nn.Module, tensors: dict[str, Tensor], architecture: str) -> None:
    expected = network.state_dict()
    classifier = {name for name in tensors if name.startswith(("classifier.", "head.fc.", "fc.", "head."))}
    given = {name: value for name, value in tensors.items() if name in expected or name not in classifier}
    missing = [name for name in expected if name not in given and not name.endswith(COUNTER)]
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
    network.load_state_dict(expected | given)
