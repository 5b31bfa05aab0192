from __future__ import annotations

from pathlib import Path

import dahlia
from dahlia.serving.bentoml_support import copy_package


def test_the_package_without_what_only_training_needs(tmp_path: Path) -> None:
    copy_package(tmp_path)
    copied = {path.relative_to(tmp_path / "dahlia") for path in tmp_path.rglob("*.py")}
    package = Path(dahlia.__file__).parent
    assert copied == {path.relative_to(package) for path in package.rglob("*.py")}
    suffixes = {path.suffix for path in tmp_path.rglob("*") if path.is_file()}
    assert ".safetensors" not in suffixes
    assert ".pyc" not in suffixes
