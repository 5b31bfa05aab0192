"""The forms in which a model can be downloaded: one record each, and what the API calls them."""

from __future__ import annotations

import importlib
import platform
from dataclasses import dataclass, replace
from typing import Literal, cast

from dahlia.config import nearest
from dahlia.errors import ExportError
from dahlia.export.port import Port
from dahlia.kinds import Kind

Precision = Literal["float32", "float16", "int8"]
ALL = "all"
RAW = "raw"
"""The flavour in which files leave suppression to programs; of models that suppress nothing, the default."""


@dataclass(frozen=True)
class Format:
    """One form.

    Attributes:
        family: what `--format` says.
        flavour: what `--flavour` says.
        precision: of its numbers; decides which difference is allowed.
        platform: Custom Vision's word for the family.
        api_flavour: Custom Vision's word for the flavour, where it or its portal has one; else ours.
        model_file: the file, or folder, that is the model.
        port: the module that writes and opens it.
    """

    family: str
    flavour: str
    precision: Precision
    platform: str
    api_flavour: str | None
    model_file: str
    port: str

    @property
    def libraries(self) -> tuple[str, ...]:
        """The packages that write it, by their names in an index."""
        return ("torch", *_LIBRARIES[self.family])

    @property
    def name(self) -> str:
        """Its folder under `exports/` and its entry in the pipeline: `onnx`, `onnx-float16`."""
        return self.family if self.flavour == DEFAULTS[self.family] else f"{self.family}-{self.flavour}"

    def load_port(self) -> Port:
        """Import the module that writes and opens it."""
        return cast(Port, importlib.import_module(f"dahlia.export.{self.port}"))


_TF = "TensorFlow"
_TENSORFLOW = "tensorflow-cpu" if platform.machine() in ("x86_64", "AMD64") else "tensorflow"
_PROGRAM, _SAVED, _LITE = "model.mlpackage", "saved_model.pb", "model.tflite"
FORMATS = (
    Format("onnx", "float32", "float32", "ONNX", None, "model.onnx", "onnx.port"),
    Format("onnx", "float16", "float16", "ONNX", "OnnxFloat16", "model.onnx", "onnx.port"),
    Format("onnx", "int8", "int8", "ONNX", "OnnxInt8", "model.onnx", "onnx.port"),
    Format("coreml", "float32", "float32", "CoreML", "CoreMLProgram", _PROGRAM, "coreml.port"),
    Format("coreml", "float16", "float16", "CoreML", "CoreMLProgramFloat16", _PROGRAM, "coreml.port"),
    Format("coreml", "mlmodel", "float32", "CoreML", None, "model.mlmodel", "coreml.port"),
    Format("coreml", "mlmodel-float16", "float16", "CoreML", "CoreMLFloat16", "model.mlmodel", "coreml.port"),
    Format("tensorflow", "frozen", "float32", _TF, None, "model.pb", "tensorflow.port"),
    Format("tensorflow", "saved-model", "float32", _TF, "TensorFlowSavedModel", _SAVED, "tensorflow.port"),
    Format("litert", "float32", "float32", _TF, "TensorFlowLite", _LITE, "tensorflow.litert"),
    Format("litert", "float16", "float16", _TF, "TensorFlowLiteFloat16", _LITE, "tensorflow.litert"),
    Format("litert", "int8", "int8", _TF, "TensorFlowLiteInt8", _LITE, "tensorflow.litert"),
    Format("tfjs", "float32", "float32", _TF, "TensorFlowJs", "model.json", "tfjs.port"),
    Format("openvino", "float16", "float16", "OpenVino", None, "model.xml", "openvino.port"),
    Format("openvino", "int8", "int8", "OpenVino", "OpenVinoInt8", "model.xml", "openvino.port"),
    Format("openvino", RAW, "float16", "OpenVino", "NoPostProcess", "model.xml", "openvino.port"),
    Format("docker", "linux", "float32", "DockerFile", "Linux", "app/model.onnx", "docker.port"),
    Format("docker", "arm", "float32", "DockerFile", "ARM", "app/model.onnx", "docker.port"),
)
_LIBRARIES: dict[str, tuple[str, ...]] = {
    "onnx": ("onnx", "onnxruntime"),
    "coreml": ("coremltools",),
    "tensorflow": (_TENSORFLOW,),
    "litert": (_TENSORFLOW,),
    "tfjs": (_TENSORFLOW,),
    "openvino": ("openvino",),
    "docker": ("onnx", "onnxruntime"),
}
# The flavour that is meant when none is named: the first of its family.
DEFAULTS = {form.family: form.flavour for form in reversed(FORMATS)}
FAMILIES = tuple(dict.fromkeys(form.family for form in FORMATS))

COMPACT: dict[Kind, str] = {
    "multiclass": "general_compact",
    "multilabel": "general_compact",
    "detection": "detection_general_compact",
}
"""The choice in `conf/domain` that people are sent to who want exports."""

# What clients may also say: names of what is the default here, and old versions of ONNX.
_SAME: dict[tuple[str, str | None], str | None] = {
    ("TensorFlow", "TensorFlowNormal"): None,
    ("ONNX", "ONNX10"): None,
    ("ONNX", "ONNX12"): None,
    ("DockerFile", None): "Linux",
}


def by_name(name: str) -> Format:
    """A form by the name of its entry, such as `onnx-float16`.

    Raises:
        ExportError: there is none.
    """
    known = {form.name: form for form in FORMATS}
    if name not in known:
        raise ExportError(f"unknown format `{name}`{nearest(name, list(known))}")
    return known[name]


def chosen(family: str, flavour: str | None = None) -> tuple[Format, ...]:
    """The forms that `--format` and `--flavour` ask for; `all` means every one.

    Raises:
        ExportError: the family or the flavour is not known.
    """
    if family == ALL:
        if flavour is not None:
            raise ExportError(
                f"`--format all` has every flavour; received `--flavour {flavour}` too. Leave it out."
            )
        return FORMATS
    if family not in FAMILIES:
        return (by_name(family),) if flavour is None else (by_name(f"{family}-{flavour}"),)
    wanted = flavour or DEFAULTS[family]
    own = {form.flavour: form for form in FORMATS if form.family == family}
    if wanted not in own:
        raise ExportError(f"{family} has no flavour `{wanted}`{nearest(wanted, list(own))}")
    return (own[wanted],)


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
