"""The Docker export: `Dockerfile` and `app/`, a server around the ONNX model.

Its flavours are `linux` (x86-64) and `arm` (64-bit ARM). The code is the server of `context/` and the very
decoder that training used. Nothing is kept twice: the modules are read from the installed package when an
export is written, and their imports of each other are turned into imports of neighbours in one folder.
Requirements are pinned to the versions proven here.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import dahlia
from dahlia.boxes import Boxes
from dahlia.errors import ExportError
from dahlia.export.box_answers import size_beside
from dahlia.export.docker.process import APP, running
from dahlia.export.docker.usage import container_usage
from dahlia.export.onnx import port as onnx_port
from dahlia.export.port import Batch, Opened, OpenedDetector, Source, Usage, read_labels, write_labels
from dahlia.export.standalone import neighbourly, packaged_text
from dahlia.files import sha256_of, write_json, write_text
from dahlia.modeling.card import NAMESPACE, ModelCard

_MACHINES = {"linux": ("linux/amd64", "x86_64"), "arm": ("linux/arm64", "aarch64")}


def write(folder: Path, source: Source, flavour: str) -> None:
    """Write `Dockerfile` and `app/` into an empty folder.

    Raises:
        ExportError: the graph cannot be written, or a package of the server is not installed here.
        TrainingError: the bundle is not whole.
    """
    platform, machine = _machine(flavour)
    app = folder / APP.parent
    app.mkdir(parents=True, exist_ok=True)
    onnx_port.write(app, source, "float32")
    write_labels(app, source.card)
    write_json(app / "model.json", _facts(source.card, sha256_of(app / "model.onnx")))
    write_text(app / "requirements.txt", requirements(machine))
    write_code(app)
    write_text(folder / "Dockerfile", dockerfile(platform))


@contextmanager
def opened(folder: Path) -> Iterator[Opened]:
    """Start the server of the export and post photos to it.

    Raises:
        VerificationError: it does not start; and, when it is run, does not answer.
    """
    labels = read_labels(folder / APP.parent)
    with running(folder) as server:

        def run(pixels: Batch) -> Batch:
            return server.probabilities(pixels, labels)

        yield Opened(run, labels, _runtime())


@contextmanager
def opened_detector(folder: Path) -> Iterator[OpenedDetector]:
    """Start the server of the export of a detector and post photos to it; see `opened`."""
    labels, size = read_labels(folder / APP.parent), size_beside(folder / APP.parent)
    with running(folder) as server:

        def find(pixels: Batch) -> Boxes:
            return server.boxes(pixels, labels)

        yield OpenedDetector(find, labels, _runtime(), size)


def usage(card: ModelCard, flavour: str) -> Usage:
    """How to build and run the container, and how to ask it."""
    platform, _ = _machine(flavour)
    return container_usage(card, platform)


def _runtime() -> str:
    return f"app.py on uvicorn {version('uvicorn')}, ONNX Runtime {version('onnxruntime')}"


def _machine(flavour: str) -> tuple[str, str]:
    if flavour not in _MACHINES:
        raise ExportError(f"docker has no flavour `{flavour}`; known: {', '.join(_MACHINES)}.")
    return _MACHINES[flavour]


def _facts(card: ModelCard, digest: str) -> dict[str, object]:
    # An iteration gets its id when it is recorded, after its exports; this one follows from the model itself.
    iteration = uuid.uuid5(NAMESPACE, f"model:{digest}")
    return {
        "project": {"id": card.project_id, "name": card.project},
        "iteration": str(iteration),
        "tags": [tag.model_dump() for tag in card.tags],
    }


SERVER = ("app", "answers", "settings", "model", "readers", "health")
SHARED = {
    "boxes": "dahlia",
    "grid": "dahlia.modeling.detection",
    "outputs": "dahlia.modeling.detection",
    "admission": "dahlia.http",
    "av1": "dahlia.dataset.image_files",
    "bit_reader": "dahlia.dataset.image_files",
    "bmp_file": "dahlia.dataset.image_files",
    "gif_file": "dahlia.dataset.image_files",
    "heif_boxes": "dahlia.dataset.image_files",
    "heif_file": "dahlia.dataset.image_files",
    "heif_writing": "dahlia.dataset.image_files",
    "hevc": "dahlia.dataset.image_files",
    "image_header": "dahlia.dataset.image_files",
    "jpeg_file": "dahlia.dataset.image_files",
    "png_file": "dahlia.dataset.image_files",
    "tiff_file": "dahlia.dataset.image_files",
    "tiff_page": "dahlia.dataset.image_files",
    "webp_file": "dahlia.dataset.image_files",
    "allow_list": "dahlia.http",
    "connections": "dahlia.http",
    "decoding_memory": "dahlia.dataset",
    "deep_samples": "dahlia.dataset",
    "errors": "dahlia",
    "form_images": "dahlia.http",
    "form_parts": "dahlia.http",
    "formats": "dahlia.dataset",
    "framing": "dahlia.http",
    "guard": "dahlia.http",
    "lingering": "dahlia.http",
    "headers": "dahlia.dataset",
    "imaging": "dahlia.dataset",
    "origins": "dahlia.http",
    "parameters": "dahlia.http",
    "pillow_formats": "dahlia.dataset",
    "processes": "dahlia",
    "batching": "dahlia.serving.models",
    "engine": "dahlia.serving.models",
    "quicker": "dahlia.serving.models",
    "sessions": "dahlia.serving.models",
    "body": "dahlia.http",
    "documents": "dahlia.http",
    "fetch": "dahlia.http",
    "paths": "dahlia.http",
    "replies": "dahlia.http",
    "transport": "dahlia.http",
}
_CONTEXT = "dahlia.export.docker.context"


def write_code(app: Path) -> None:
    """Write the server's modules into a folder, side by side."""
    for module in SERVER:
        write_text(app / f"{module}.py", neighbourly(packaged_text(_CONTEXT, f"{module}.py")))
    for module, package in SHARED.items():
        origin = f"# {package}.{module} of Dahlia {dahlia.__version__}, unchanged but for its imports.\n"
        write_text(app / f"{module}.py", origin + neighbourly(packaged_text(package, f"{module}.py")))


def dockerfile(platform: str) -> str:
    """The Dockerfile for a platform such as `linux/arm64`."""
    return packaged_text(_CONTEXT, "Dockerfile").replace("@PLATFORM@", platform)


PYTHON = "3.12"  # of the image in context/Dockerfile
IMPORTED = (
    "anyio",
    "h11",
    "numpy",
    "onnxruntime",
    "opencv-python-headless",
    "pi-heif",
    "pillow",
    "python-multipart",
    "simplejpeg",
    "starlette",
    "uvicorn",
)


def requirements(machine: str) -> str:
    """Every package that the server needs, pinned, one a line.

    Args:
        machine: of the container: `x86_64` or `aarch64`.

    Raises:
        ExportError: one of them is not installed here.
    """
    environment = {
        "extra": "",
        "implementation_name": "cpython",
        "os_name": "posix",
        "platform_machine": machine,
        "platform_python_implementation": "CPython",
        "platform_system": "Linux",
        "python_full_version": f"{PYTHON}.0",
        "python_version": PYTHON,
        "sys_platform": "linux",
    }
    pins: dict[str, str] = {}
    waiting = list(IMPORTED)
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name in pins:
            continue
        pins[name], needed = _installed(name)
        wanted = [Requirement(text) for text in needed]
        waiting += [one.name for one in wanted if one.marker is None or one.marker.evaluate(environment)]
    return "".join(f"{name}=={version}\n" for name, version in sorted(pins.items()))


def _installed(name: str) -> tuple[str, list[str]]:
    try:
        found = distribution(name)
    except PackageNotFoundError:
        raise ExportError(
            f"The container needs {name}, pinned to the version that is installed here, and there is none. "
            f"Run `pip install {name}`, then export again."
        ) from None
    return found.version, list(found.requires or [])
