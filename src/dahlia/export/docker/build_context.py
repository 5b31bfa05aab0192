"""What `docker build` needs beside the model: the code, the Dockerfile and `requirements.txt`.

The code is the server of `context/` and the very decoder that training used. Nothing is kept twice: the
modules are read from the installed package when an export is written, and their imports of each other are
turned into imports of neighbours in one folder. Requirements are pinned to the versions proven here.
"""

from __future__ import annotations

import importlib.resources
import re
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import dahlia
from dahlia.errors import ExportError
from dahlia.files import write_text

SERVER = ("app", "settings", "routes", "model", "health")
SHARED = {
    "admission": "dahlia.http",
    "allow_list": "dahlia.http",
    "connections": "dahlia.http",
    "cross_origin": "dahlia.http",
    "decoding_memory": "dahlia.dataset",
    "errors": "dahlia",
    "form_images": "dahlia.http",
    "form_parts": "dahlia.http",
    "formats": "dahlia.dataset",
    "framing": "dahlia.http",
    "guard": "dahlia.http",
    "headers": "dahlia.dataset",
    "imaging": "dahlia.dataset",
    "key_texts": "dahlia.http",
    "limits": "dahlia.http",
    "lingering": "dahlia.http",
    "origins": "dahlia.http",
    "parameters": "dahlia.http",
    "pillow_formats": "dahlia.dataset",
    "processes": "dahlia",
    "body": "dahlia.http",
    "documents": "dahlia.http",
    "fetch": "dahlia.http",
    "paths": "dahlia.http",
    "replies": "dahlia.http",
    "transport": "dahlia.http",
}
_CONTEXT = "dahlia.export.docker.context"
_IMPORT = re.compile(r"^( *from )dahlia(?:\.\w+)*\.(\w+)(?= import )", re.MULTILINE)


def write_code(app: Path) -> None:
    """Write the server's modules into a folder, side by side."""
    for module in SERVER:
        write_text(app / f"{module}.py", _neighbourly(_read(_CONTEXT, f"{module}.py")))
    for module, package in SHARED.items():
        origin = f"# {package}.{module} of Dahlia {dahlia.__version__}, unchanged but for its imports.\n"
        write_text(app / f"{module}.py", origin + _neighbourly(_read(package, f"{module}.py")))


def dockerfile(platform: str) -> str:
    """The Dockerfile for a platform such as `linux/arm64`."""
    return _read(_CONTEXT, "Dockerfile").replace("@PLATFORM@", platform)


def _read(package: str, name: str) -> str:
    return (importlib.resources.files(package) / name).read_text(encoding="utf-8")


def _neighbourly(text: str) -> str:
    return _IMPORT.sub(r"\1\2", text)


PYTHON = "3.12"  # of the image in context/Dockerfile
IMPORTED = (
    "anyio",
    "h11",
    "numpy",
    "onnxruntime",
    "opencv-python-headless",
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
