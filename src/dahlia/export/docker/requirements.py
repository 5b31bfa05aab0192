"""`requirements.txt` of the container: what its server imports, at the versions that were proven here."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, distribution

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from dahlia.errors import ExportError

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
