"""Where backbone weights come from: shipped with the package, a file, or a model hub.

`weights` in a domain is one of

- `bundled`: the file that the package ships for the architecture (see `dahlia.modeling.pretrained`);
- `hub`, for timm's default, `hub:ra_in1k`, or a timm name such as `mobilenetv3_large_100.ra_in1k`: from the
  local cache of the Hugging Face hub, else the hub itself; safetensors only;
- `auto`: what `hub` finds, else `bundled`;
- a path ending in `.safetensors`;
- `none`: random numbers, for tests; training with it prints a warning.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dahlia.errors import WeightsError
from dahlia.files import sha256_of
from dahlia.modeling.pretrained import (
    BUNDLED,
    FOLDER,
    HubError,
    Normalisation,
    Pretrained,
    fetch,
    hub_record,
)

if TYPE_CHECKING:
    from torch import Tensor

Tensors = dict[str, "Tensor"]
ASKED_FOR = "as asked for"


@dataclass(frozen=True)
class Origin:
    """Which weights were taken and why, without paths; alike for alike runs.

    Attributes:
        weights: what was asked for; of a file its name only.
        source: what was taken, for example `hub timm/mobilenetv4_conv_small.e2400_r224_in1k`.
        reason: why that.
    """

    weights: str
    source: str
    reason: str

    def __str__(self) -> str:
        return f"{self.source}, {self.reason}"


@dataclass(frozen=True)
class Weights:
    """What was found.

    Attributes:
        tensors: as float32; `None` for `weights: none`.
        normalisation: what they were trained with; `None` where that is not known.
        origin: which they are.
    """

    tensors: Tensors | None
    normalisation: Normalisation | None
    origin: Origin


def find_weights(architecture: str, weights: str) -> Weights:
    """Find and read what `weights` asks for; see the module for what it may say.

    Raises:
        WeightsError: they are missing, damaged, or not available from the hub.
    """
    asked = _without_architecture(architecture, weights)
    if asked == "none":
        return Weights(None, None, Origin(weights, "random", ASKED_FOR))
    if asked == "bundled":
        return _bundled(architecture, Origin(weights, "", ASKED_FOR))
    if asked == "auto":
        return _best(architecture)
    if asked == "hub" or asked.startswith("hub:"):
        return _from_hub(architecture, asked.partition(":")[2], weights)
    if asked.endswith(".safetensors"):
        path = Path(asked)
        return Weights(_read_safetensors(path), None, Origin(path.name, f"file {path.name}", ASKED_FOR))
    raise WeightsError(
        f"`backbone.weights` is {weights!r}, expected auto, bundled, hub, a timm name such as "
        f"{architecture}.TAG, none, or the path of a .safetensors file. Choose one in conf/domain."
    )


def weights_file(architecture: str, weights: str) -> Path | None:
    """The file on this machine that `weights` means, there or not; None for others, such as the hub's."""
    asked = _without_architecture(architecture, weights)
    if asked in ("bundled", "auto") and architecture in BUNDLED:
        return FOLDER / BUNDLED[architecture].file
    return Path(asked) if asked.endswith(".safetensors") else None


def weights_fingerprint(architecture: str, normalisation: object, tensors: Tensors) -> str:
    """SHA-256 over the architecture, the normalisation, and every tensor's name, shape and bytes."""
    digest = hashlib.sha256(json.dumps([architecture, normalisation]).encode())
    for name in sorted(tensors):
        array = tensors[name].detach().cpu().numpy()
        digest.update(f"{name}{array.shape}{array.dtype}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def _best(architecture: str) -> Weights:
    try:
        record = hub_record(architecture)
        return _of(record, _read_safetensors(fetch(record)), Origin("auto", "", "the first choice of auto"))
    except HubError as error:
        reason = str(error)
    if architecture not in BUNDLED:
        raise WeightsError(
            f"No pretrained weights of {architecture} are available: {reason}, and none are bundled for it, "
            f"only for {', '.join(sorted(BUNDLED))}. Fix that and retry, give `weights` a .safetensors "
            "file, or choose an architecture with bundled weights."
        )
    return _bundled(architecture, Origin("auto", "", f"because {reason}"))


def _from_hub(architecture: str, tag: str, weights: str) -> Weights:
    record = hub_record(architecture, tag)
    try:
        path = fetch(record)
    except HubError as error:
        raise WeightsError(
            f"{record.repository} is not available from the model hub or its local cache: {error}. Fix that "
            "and retry, give `weights` a .safetensors file, or use `weights: bundled`."
        ) from error
    return _of(record, _read_safetensors(path), Origin(weights, "", ASKED_FOR))


def _bundled(architecture: str, origin: Origin) -> Weights:
    record = BUNDLED.get(architecture)
    if record is None:
        raise WeightsError(
            f"No weights are bundled for {architecture}, only for {', '.join(sorted(BUNDLED))}. Use one of "
            "these, or give `weights` a .safetensors file or hub."
        )
    path = FOLDER / record.file
    if not path.is_file() or sha256_of(path) != record.sha256:
        raise WeightsError(
            f"The bundled weights {path} are missing or damaged, expected SHA-256 {record.sha256}. "
            "Install Dahlia again."
        )
    return _of(record, _read_safetensors(path), origin)


def _of(record: Pretrained, tensors: Tensors, origin: Origin) -> Weights:
    return Weights(tensors, record.normalisation, Origin(origin.weights, record.source, origin.reason))


def _without_architecture(architecture: str, weights: str) -> str:
    if weights == architecture:
        return "hub"
    if weights.startswith(f"{architecture}.") and not weights.endswith(".safetensors"):
        return f"hub:{weights.removeprefix(architecture + '.')}"
    return weights


def _read_safetensors(path: Path) -> Tensors:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors = load_file(path)
    except FileNotFoundError:
        raise WeightsError(
            f"{path} was expected and is not there. Correct `backbone.weights`, or use `bundled`."
        ) from None
    except (SafetensorError, OSError) as error:
        raise WeightsError(
            f"{path} is not a safetensors file ({error}). Pickled checkpoints are not read: convert it with "
            "safetensors, or use `bundled`."
        ) from error
    return {
        name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()
    }
