from __future__ import annotations

import subprocess
import sys

import pytest

from dahlia.warm.protocol import dvc_command


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, ["-m", "dvc"]),
        ({"DAHLIA_WARM": ""}, ["-m", "dvc"]),
        ({"DAHLIA_WARM": "/run/warm/socket"}, ["-m", "dahlia.warm", "dvc"]),
    ],
)
def test_dvc(environment: dict[str, str], expected: list[str]) -> None:
    assert dvc_command(environment) == [sys.executable, *expected]


@pytest.mark.parametrize("arguments", [[], ["dahlia"], ["serve"]])
def test_nothing_else_is_run(arguments: list[str]) -> None:
    ended = subprocess.run([sys.executable, "-m", "dahlia.warm", *arguments], capture_output=True, text=True)
    assert ended.returncode == 1
    assert ended.stderr.startswith("Expected `python -m dahlia.warm dvc`")


def test_a_client_loads_little() -> None:
    script = "import sys, dahlia.warm.client; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout.split()
    assert not {"click", "numpy", "pathlib", "dataclasses", "inspect"} & set(loaded)
