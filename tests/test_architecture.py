"""The arrows between packages, as pyproject.toml draws them."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from small_projects import REPOSITORY


def test_imports_keep_to_the_contracts() -> None:
    script = "import sys; from importlinter.cli import lint_imports_command; lint_imports_command()"
    ended = subprocess.run(
        [sys.executable, "-c", script, "--no-cache", "--no-logo"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stdout
    assert "0 broken" in ended.stdout


@pytest.mark.parametrize(
    "module",
    ["serving.service", "evaluation.evaluation", "export.artifacts", "tracking.store", "predict.models"],
)
def test_what_works_without_torch_does_not_load_it(module: str) -> None:
    script = f"import sys, dahlia.{module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-W", "ignore", "-c", script]).returncode == 0


def test_marks_that_choose_tests_stand_in_their_files() -> None:
    """Files without the mark that `-m` asks for are not even imported."""
    helpers = [path for path in (REPOSITORY / "tests").rglob("*.py") if not path.name.startswith("test_")]
    marked = re.compile(r"^(?!.*\bre\.).*\bmark\.(slow|alone|portable)\b", re.MULTILINE)
    assert [path.name for path in helpers if marked.search(path.read_text(encoding="utf-8"))] == []
