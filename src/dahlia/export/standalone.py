"""Modules of Dahlia that leave it: written into an export, where they import each other as neighbours."""

from __future__ import annotations

import importlib.resources
import re

_IMPORT = re.compile(r"^( *from )dahlia(?:\.\w+)*\.(\w+)(?= import )", re.MULTILINE)


def packaged_text(package: str, name: str) -> str:
    """The text of a file of an installed package."""
    return (importlib.resources.files(package) / name).read_text(encoding="utf-8")


def neighbourly(text: str) -> str:
    """Python whose imports of modules of Dahlia are imports of neighbours in one folder."""
    return _IMPORT.sub(r"\1\2", text)
