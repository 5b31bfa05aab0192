from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import dahlia
from child_processes import python_path


def test_a_child_process_imports_the_package_that_is_tested(tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text("")
    done = subprocess.run(
        [sys.executable, "-c", "import beside, dahlia; print(dahlia.__file__)"],
        cwd=tmp_path.parent,
        env=os.environ | {"PYTHONPATH": python_path(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == dahlia.__file__
