"""What people choose a form by: its title and where it runs, by the name of its entry in the pipeline."""

from __future__ import annotations

from dataclasses import dataclass

from dahlia.export.formats import Format


@dataclass(frozen=True)
class Description:
    """What is said of a form.

    Attributes:
        title: its name.
        text: where it runs, and what it is chosen for; sentences.
    """

    title: str
    text: str


_DESCRIPTIONS = {
    "onnx": Description("ONNX", "For ONNX Runtime and Windows ML: servers, desktops, phones and browsers."),
    "onnx-float16": Description(
        "ONNX, 16 bits", "Half the size of ONNX, with nearly the same answers; faster on GPUs."
    ),
    "onnx-int8": Description(
        "ONNX, 8 bits",
        "A quarter of the size of ONNX, and the fastest on processors. It is written only if its answers "
        "stay close to the trained model's.",
    ),
    "coreml": Description("Core ML program", "For apps on iOS 15, macOS 12 and later."),
    "coreml-float16": Description(
        "Core ML program, 16 bits",
        "Half the size, and faster on the Neural Engine; iOS 15, macOS 12 and later.",
    ),
    "coreml-mlmodel": Description(
        "Core ML", "For apps on iOS 13, macOS 10.15 and later: the file that Custom Vision exports."
    ),
    "coreml-mlmodel-float16": Description(
        "Core ML, 16 bits",
        "Half the size of Core ML, with nearly the same answers; iOS 13, macOS 10.15 and later.",
    ),
    "tensorflow": Description(
        "TensorFlow", "A frozen graph, as Custom Vision exports it, for programs with TensorFlow."
    ),
    "tensorflow-saved-model": Description(
        "TensorFlow SavedModel", "For TensorFlow 2 and TensorFlow Serving."
    ),
    "litert": Description("TensorFlow Lite", "For LiteRT on Android, Raspberry Pi and other small devices."),
    "litert-float16": Description(
        "TensorFlow Lite, 16 bits", "Half the size of TensorFlow Lite, with nearly the same answers."
    ),
    "litert-int8": Description(
        "TensorFlow Lite, 8 bits",
        "A quarter of the size, for microcontrollers and accelerators. It is written only if its answers "
        "stay close to the trained model's.",
    ),
    "tfjs": Description("TensorFlow.js", "For web pages: the model runs in the browser, no photo leaves it."),
    "openvino": Description("OpenVINO, 16 bits", "For processors, graphics and vision devices of Intel."),
    "openvino-int8": Description(
        "OpenVINO, 8 bits",
        "Smaller and faster on Intel's processors. It is written only if its answers stay close to the "
        "trained model's.",
    ),
    "openvino-raw": Description(
        "OpenVINO, without post-processing",
        "For programs that suppress overlapping boxes themselves; the others are easier to use.",
    ),
    "docker": Description(
        "Docker, Linux", "A small prediction server for machines with an Intel or AMD processor."
    ),
    "docker-arm": Description(
        "Docker, ARM", "The same server for ARM processors, such as those of a Raspberry Pi."
    ),
}


def description_of(form: Format) -> Description:
    """What is said of a form."""
    return _DESCRIPTIONS[form.name]
