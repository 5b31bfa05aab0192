"""Every pretrained choice is one record: what it is, how it was trained, and what it may be used for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dahlia.config import nearest
from dahlia.errors import WeightsError

if TYPE_CHECKING:
    from timm.models import PretrainedCfg

Triple = tuple[float, float, float]
Normalisation = tuple[Triple, Triple]
FOLDER = Path(__file__).parent / "bundled"
_HUB_FILE = "model.safetensors"


@dataclass(frozen=True)
class Pretrained:
    """Weights of one network.

    Attributes:
        architecture: timm's name of the network.
        tag: which weights of it.
        repository: on the model hub; empty for weights that the package ships.
        file: in the repository, or in the package's `modeling/bundled`.
        size: edge of the photos that it was trained on, in pixels.
        mean: of red, green and blue, 0 to 1, as it was trained.
        std: the standard deviations likewise.
        licence: of the weights.
        sha256: of the file; `None` where the hub states it.
    """

    architecture: str
    tag: str
    repository: str
    file: str
    size: int
    mean: Triple
    std: Triple
    licence: str
    sha256: str | None

    @property
    def source(self) -> str:
        """Where it comes from, without a path."""
        return f"hub {self.repository}" if self.repository else f"bundled {self.architecture}"

    @property
    def normalisation(self) -> Normalisation:
        """Mean and standard deviation."""
        return self.mean, self.std


BUNDLED = {
    record.architecture: record
    for record in (
        Pretrained(
            architecture="mobilenetv4_conv_small",
            tag="dahlia",
            repository="",
            file="mobilenetv4_conv_small.safetensors",
            size=128,
            mean=(0.485, 0.456, 0.406),
            std=(0.229, 0.224, 0.225),
            licence="MIT",
            sha256="94b82fcdb9b1644020c568ab8e02d2793bc949da082f5683e0d5c613d4991c7e",
        ),
    )
}

# Small to large; each takes photos of any size and may be used for anything. timm knows the rest of each.
RECOMMENDED = (
    "mobilenetv4_conv_small.e2400_r224_in1k",
    "mobilenetv3_large_100.ra_in1k",
    "mobilenetv4_conv_medium.e500_r256_in1k",
)


def hub_record(architecture: str, tag: str = "") -> Pretrained:
    """The record of weights on the model hub, as timm describes them.

    Args:
        architecture: timm's name.
        tag: which weights; timm's default if empty.

    Raises:
        WeightsError: timm knows none, or no such tag; the nearest tags are named.
    """
    config = _config(architecture, tag)
    file = str(config.hf_hub_filename or "")
    mean, std = as_normalisation(config.mean, config.std)
    return Pretrained(
        architecture=architecture,
        tag=str(config.tag or ""),
        repository=str(config.hf_hub_id),
        file=file if file.endswith(".safetensors") else _HUB_FILE,
        size=int(config.input_size[-1]),
        mean=mean,
        std=std,
        licence=str(config.license or "not stated"),
        sha256=None,
    )


def as_normalisation(mean: Iterable[float], std: Iterable[float]) -> Normalisation:
    """Mean and standard deviation of red, green and blue, 0 to 1, as timm lists them."""
    (red, green, blue), (red_spread, green_spread, blue_spread) = mean, std
    return (red, green, blue), (red_spread, green_spread, blue_spread)


def _config(architecture: str, tag: str) -> PretrainedCfg:
    import timm

    config = timm.get_pretrained_cfg(architecture)
    if config is None or not config.hf_hub_id:
        raise WeightsError(
            f"timm knows no pretrained weights of {architecture} on the hub. Give `weights` a "
            f".safetensors file, or choose another architecture, such as {RECOMMENDED[0].partition('.')[0]}."
        )
    if not tag:
        return config
    tags = [name.partition(".")[2] for name in timm.list_pretrained(f"{architecture}.*")]
    tagged = timm.get_pretrained_cfg(f"{architecture}.{tag}") if tag in tags else None
    if tagged is None:
        raise WeightsError(
            f"timm knows no weights {tag!r} of {architecture}{nearest(tag, tags)} Correct `weights`."
        )
    return tagged
