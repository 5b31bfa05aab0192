"""What a Bento carries beside the published models: the code that serves them.

A Bento must answer where Dahlia is not installed, and a project folder holds no code. So the service hands
BentoML an image that copies the installed package into the Bento, whatever folder it is built in.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import bentoml

import dahlia

_CODE = "src"  # in a Bento, where BentoML imports from
_LEFT_OUT = shutil.ignore_patterns("__pycache__", "weights", "template")  # for training and new projects


class CodeCarrier(bentoml.images.Image):  # type: ignore[misc]
    """An image whose Bento holds the package that is running."""

    def freeze(self, bento_fs: Path, *rest: Any, **options: Any) -> Any:
        """Complete the Bento in `bento_fs`; BentoML calls this once while it builds."""
        copy_package(Path(bento_fs) / _CODE)
        return super().freeze(bento_fs, *rest, **options)


def copy_package(target: Path) -> None:
    """Copy the installed package to `target/dahlia`, without backbone weights and the project template."""
    shutil.copytree(Path(dahlia.__file__).parent, target / "dahlia", ignore=_LEFT_OUT, dirs_exist_ok=True)
