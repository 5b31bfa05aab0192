"""Where backbone weights come from: shipped with the package, a file, or a model hub.

`weights` in a domain is one of

- `bundled`: the file that the package ships for the architecture (see `BUNDLED`);
- a path ending in `.safetensors`;
- a timm name such as `mobilenetv3_large_100.ra_in1k` (or `hub:ra_in1k`; `hub` alone is timm's default): from
  the Hugging Face hub or its local cache;
- `none`: random numbers, for tests; training with it prints a warning.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dahlia.config import nearest
from dahlia.errors import WeightsError

if TYPE_CHECKING:
    from timm.models import PretrainedCfg
    from torch import Tensor

Normalisation = tuple[tuple[float, float, float], tuple[float, float, float]]
HUB_TIMEOUT_SECONDS = 5.0
_HUB_FILE = "model.safetensors"
_FOLDER = Path(__file__).parent / "weights"


@dataclass(frozen=True)
class BundledWeights:
    """One pretrained choice: the file, what it fits, and what it may be used for.

    Attributes:
        architecture: timm's name.
        file: in the package's `modeling/weights`.
        sha256: of the file.
        licence: of the weights.
    """

    architecture: str
    file: str
    sha256: str
    licence: str


BUNDLED = {
    record.architecture: record
    for record in (
        BundledWeights(
            architecture="mobilenetv4_conv_small",
            file="mobilenetv4_conv_small.safetensors",
            sha256="f1bda5066d2f00ac65ad1336f95133b462222d3ed0069a6ef494e874d0d793ae",
            licence="MIT",
        ),
    )
}


def read_weights(architecture: str, weights: str) -> dict[str, Tensor] | None:
    """Read the tensors, as float32; `None` for `weights: none`.

    Raises:
        WeightsError: they are not there, are damaged, or cannot be had from the hub.
    """
    weights = _without_architecture(architecture, weights)
    if weights == "none":
        return None
    if weights == "bundled":
        return _read_safetensors(_bundled(architecture))
    if _is_hub(weights):
        return _read_safetensors(_from_hub(architecture, weights))
    if weights.endswith(".safetensors"):
        return _read_safetensors(Path(weights))
    raise WeightsError(
        f"`backbone.weights` is {weights!r}, expected bundled, hub, a timm name such as {architecture}.TAG, "
        "none, or the path of a .safetensors file. Choose one in conf/domain."
    )


def hub_normalisation(architecture: str, weights: str) -> Normalisation | None:
    """The mean and standard deviation that weights of the hub were trained with; `None` for others.

    Raises:
        WeightsError: the hub has no such weights.
    """
    weights = _without_architecture(architecture, weights)
    if not _is_hub(weights):
        return None
    config = _hub_record(architecture, weights)
    return as_normalisation(config.mean, config.std)


def as_normalisation(mean: Iterable[float], std: Iterable[float]) -> Normalisation:
    """Mean and standard deviation of red, green and blue, 0 to 1, as timm lists them."""
    (red, green, blue), (red_spread, green_spread, blue_spread) = mean, std
    return (red, green, blue), (red_spread, green_spread, blue_spread)


def weights_fingerprint(architecture: str, normalisation: object, tensors: dict[str, Tensor]) -> str:
    """SHA-256 over the architecture, the normalisation, and every tensor's name, shape and bytes."""
    digest = hashlib.sha256(json.dumps([architecture, normalisation]).encode())
    for name in sorted(tensors):
        array = tensors[name].detach().cpu().numpy()
        digest.update(f"{name}{array.shape}{array.dtype}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def _bundled(architecture: str) -> Path:
    record = BUNDLED.get(architecture)
    if record is None:
        raise WeightsError(
            f"No weights are bundled for {architecture}, only for {', '.join(sorted(BUNDLED))}. Use one of "
            "these, or give `weights` a .safetensors file or hub."
        )
    path = _FOLDER / record.file
    if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != record.sha256:
        raise WeightsError(
            f"The bundled weights {path} are missing or damaged, expected SHA-256 {record.sha256}. "
            "Install Dahlia again."
        )
    return path


def _without_architecture(architecture: str, weights: str) -> str:
    if weights == architecture:
        return "hub"
    if weights.startswith(f"{architecture}.") and not weights.endswith(".safetensors"):
        return f"hub:{weights.removeprefix(architecture + '.')}"
    return weights


def _is_hub(weights: str) -> bool:
    return weights == "hub" or weights.startswith("hub:")


def _from_hub(architecture: str, weights: str) -> Path:
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url, try_to_load_from_cache

    name = str(_hub_record(architecture, weights).hf_hub_id)
    cached = try_to_load_from_cache(name, _HUB_FILE)
    if isinstance(cached, str):
        return Path(cached)
    try:
        # Asked once first: where there is no network the download would try again for half a minute.
        get_hf_file_metadata(hf_hub_url(name, _HUB_FILE), timeout=HUB_TIMEOUT_SECONDS)
        return Path(hf_hub_download(name, _HUB_FILE, etag_timeout=HUB_TIMEOUT_SECONDS))
    except _hub_errors() as error:
        raise WeightsError(
            f"{name} could not be had from the model hub or its local cache "
            f"({type(error).__name__}). Check the name and the network, or use `weights: bundled`."
        ) from error


def _hub_errors() -> tuple[type[Exception], ...]:
    # The hub's client lets errors of its HTTP library through, and which library differs by version.
    from huggingface_hub.errors import HfHubHTTPError

    kinds = [kind for kind in HfHubHTTPError.__mro__ if issubclass(kind, Exception)]
    return (OSError, *(kind for kind in kinds if kind.__name__ == "HTTPError"))


def _hub_record(architecture: str, weights: str) -> PretrainedCfg:
    import timm

    config = timm.get_pretrained_cfg(architecture)
    if config is None or not config.hf_hub_id:
        raise WeightsError(
            f"timm knows no pretrained weights of {architecture} on the hub. Give `weights` a "
            ".safetensors file, or choose another architecture."
        )
    tag = weights.partition(":")[2]
    if not tag:
        return config
    tags = [name.partition(".")[2] for name in timm.list_pretrained(f"{architecture}.*")]
    tagged = timm.get_pretrained_cfg(f"{architecture}.{tag}") if tag in tags else None
    if tagged is None:
        raise WeightsError(
            f"timm knows no weights {tag!r} of {architecture}{nearest(tag, tags)} Correct `weights`."
        )
    return tagged


def _read_safetensors(path: Path) -> dict[str, Tensor]:
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
