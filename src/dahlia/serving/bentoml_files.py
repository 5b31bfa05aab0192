"""Files inside BentoML's package, for those that do not import it; a test says when a version moves them."""

from __future__ import annotations

import importlib.util
from pathlib import Path


def static_files() -> Path | None:
    """The folder of Swagger UI's files, found without the seconds that importing BentoML takes.

    Returns:
        None where BentoML is not installed.
    """
    found = importlib.util.find_spec("bentoml")
    if found is None or found.origin is None:
        return None
    return Path(found.origin).parent / "_internal" / "server" / "static_content"
