"""The code that an MLflow model carries, so that it answers as the service does where Dahlia is missing.

The modules that the loader imports are copied under the name `dahlia_<version>`. Under its own name, the copy
would hide an installed Dahlia from the process that loads the model, or be hidden by it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import dahlia

LOADER = "dahlia.serving.models.pyfunc"

_PACKAGE = Path(dahlia.__file__).parent
_NAME = "dahlia_" + re.sub(r"\W", "_", dahlia.__version__)
_OURS = re.compile(r"^(\s*(?:from|import) )dahlia\b", re.MULTILINE)


def loader_name() -> str:
    """The name under which the copied loader is imported."""
    return _renamed(LOADER)


def copy_code(target: Path) -> Path:
    """Copy the loader and all it imports into a new package in `target`, and return the package's folder."""
    for module in sorted(_needed(LOADER)):
        source = _file_of(module)
        copied = target / _NAME / source.relative_to(_PACKAGE)
        copied.parent.mkdir(parents=True, exist_ok=True)
        copied.write_text(_OURS.sub(rf"\1{_NAME}", source.read_text("utf-8")), "utf-8")
    return target / _NAME


def _needed(entry: str) -> set[str]:
    found: set[str] = set()
    waiting = [entry]
    while waiting:
        module = waiting.pop()
        if module not in found:
            found.add(module)
            parts = module.split(".")
            waiting += [".".join(parts[:count]) for count in range(1, len(parts))]
            waiting += _imported(ast.parse(_file_of(module).read_text("utf-8")))
    return found


def _imported(node: ast.AST) -> Iterator[str]:
    """Modules of this package that a module imports, without what only a type checker reads."""
    for inner in ast.iter_child_nodes(node):
        if isinstance(inner, ast.If) and "TYPE_CHECKING" in ast.unparse(inner.test):
            continue
        if isinstance(inner, ast.Import):
            yield from (alias.name for alias in inner.names if _is_ours(alias.name))
        elif isinstance(inner, ast.ImportFrom) and inner.module and _is_ours(inner.module):
            yield inner.module
            names = (f"{inner.module}.{alias.name}" for alias in inner.names)
            yield from (name for name in names if _place_of(name).with_suffix(".py").is_file())
        else:
            yield from _imported(inner)


def _is_ours(module: str) -> bool:
    return module.partition(".")[0] == "dahlia"


def _place_of(module: str) -> Path:
    return _PACKAGE.joinpath(*module.split(".")[1:])


def _file_of(module: str) -> Path:
    place = _place_of(module)
    return place / "__init__.py" if place.is_dir() else place.with_suffix(".py")


def _renamed(module: str) -> str:
    return module.replace("dahlia", _NAME, 1)
