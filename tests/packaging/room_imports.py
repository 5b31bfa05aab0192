"""What a room of the package imports: read from the source, nothing is run."""

from __future__ import annotations

import ast
import sys
from collections import defaultdict
from collections.abc import Collection, Iterator
from pathlib import Path

import dahlia

SOURCE = Path(dahlia.__file__).parents[1]


def third_party(entries: Collection[str], without: Collection[str] = ()) -> dict[str, set[str]]:
    """Top-level modules of others that modules of ours import, with who imports them.

    Args:
        entries: modules of ours, from which imports are followed, those inside functions included.
        without: modules of ours that are not followed.
    """
    found: dict[str, set[str]] = defaultdict(set)
    seen, waiting = set(without), list(entries)
    while waiting:
        module = waiting.pop()
        if module in seen:
            continue
        seen.add(module)
        for name in imported_by(module):
            top = name.partition(".")[0]
            if top in ("dahlia", "dahlia_samples"):
                waiting += [name]
            elif top not in sys.stdlib_module_names:
                found[top].add(module)
    return found


def imported_by(module: str) -> Iterator[str]:
    """The modules that a module of ours imports, with the packages around it."""
    path = file_of(module)
    assert path is not None, module
    yield from (module.rsplit(".", count)[0] for count in range(1, module.count(".") + 1))
    for node in ran(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            for name in (f"{node.module}.{alias.name}" for alias in node.names):
                if name.startswith("dahlia.") and file_of(name):
                    yield name


def ran(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a module, without what only a type checker reads."""
    for inner in ast.iter_child_nodes(node):
        if not (isinstance(inner, ast.If) and "TYPE_CHECKING" in ast.unparse(inner.test)):
            yield inner
            yield from ran(inner)


def file_of(module: str) -> Path | None:
    """The source of a module of ours."""
    place = SOURCE.joinpath(*module.split("."))
    files = (place / "__init__.py", place.with_suffix(".py"))
    return next((path for path in files if path.is_file()), None)
