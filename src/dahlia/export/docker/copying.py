"""The code in the export: the server of `context/`, and the very decoder that training used.

Nothing is kept twice: the modules are read from the installed package when an export is written, and their
imports of each other are turned into imports of neighbours in one folder.
"""

from __future__ import annotations

import importlib.resources
import re
from pathlib import Path

import dahlia
from dahlia.files import write_text

SERVER = ("app", "settings", "door", "routes", "answers", "model", "health")
SHARED = {
    "admission": "dahlia.serving.http",
    "allow_list": "dahlia.serving.http",
    "cores": "dahlia.serving",
    "connections": "dahlia.serving.http",
    "cross_origin": "dahlia.serving.http",
    "decoding_memory": "dahlia.dataset",
    "errors": "dahlia",
    "foreign_files": "dahlia.dataset",
    "form_images": "dahlia.serving.http",
    "form_parts": "dahlia.serving.http",
    "formats": "dahlia.dataset",
    "framing": "dahlia.serving.http",
    "guard": "dahlia.serving.http",
    "headers": "dahlia.dataset",
    "imaging": "dahlia.dataset",
    "key_texts": "dahlia.serving.http",
    "names": "dahlia.serving.http",
    "limits": "dahlia.serving.http",
    "machine_memory": "dahlia.dataset",
    "origins": "dahlia.serving.http",
    "pillow_formats": "dahlia.dataset",
    "body": "dahlia.serving.http",
    "documents": "dahlia.serving.http",
    "fetch": "dahlia.serving.http",
    "paths": "dahlia.serving.http",
    "query": "dahlia.serving.http",
    "replies": "dahlia.serving.http",
    "runtime_errors": "dahlia.serving.models",
    "transport": "dahlia.serving.http",
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
