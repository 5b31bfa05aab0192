"""Which format the API means by a platform and a flavour; read without any exporter's libraries."""

from __future__ import annotations

from dataclasses import replace

from dahlia.export.formats import FORMATS, Format

# What clients may also say: names of what is the default here, and old versions of ONNX.
_SAME: dict[tuple[str, str | None], str | None] = {
    ("TensorFlow", "TensorFlowNormal"): None,
    ("ONNX", "ONNX10"): None,
    ("ONNX", "ONNX12"): None,
    ("OpenVino", "NoPostProcess"): None,  # there is none: post-processing is the detectors'
    ("DockerFile", None): "Linux",
}


def form_of(platform: str, flavor: str | None) -> Format | None:
    """The format; None for what is not offered, such as VAIDK and Windows containers.

    Args:
        platform: as clients spell it, `TensorFlow`.
        flavor: as clients spell it, `TensorFlowLite`. `cvexport.manifest` in the zip says it as they did.
    """
    meant = meant_flavor(platform, flavor)
    found = next((form for form in FORMATS if (form.platform, form.api_flavour) == (platform, meant)), None)
    return replace(found, api_flavour=flavor or found.api_flavour) if found else None


def meant_flavor(platform: str, flavor: str | None) -> str | None:
    """The flavour's name here; clients may say it in several ways, or omit it."""
    return _SAME.get((platform, flavor), flavor)


def flavors_of(platform: str) -> tuple[str | None, ...]:
    """The flavours of a platform, each as clients spell it; none for a platform that is not offered."""
    ours = [form.api_flavour for form in FORMATS if form.platform == platform]
    theirs = [flavor for known, flavor in _SAME if known == platform]
    return tuple(dict.fromkeys(ours + theirs))
