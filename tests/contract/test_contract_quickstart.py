"""The first program that people write with the SDK runs unchanged but for endpoint and keys."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from contract_projects import PREDICTION_ID
from contract_server import RunningServer

pytestmark = pytest.mark.slow

QUICKSTART = Path(__file__).parent / "clients" / "quickstart.py"


def test_the_quickstart(server: RunningServer, garden: Path) -> None:
    ask = garden / "dahlia" / "dahlia_000.jpg"  # one that it was trained on: it must know it
    place = {
        "VISION_ENDPOINT": server.base,
        "VISION_TRAINING_KEY": server.training_key,
        "VISION_PREDICTION_KEY": server.prediction_key,
        "VISION_PREDICTION_RESOURCE_ID": PREDICTION_ID,
    }
    done = subprocess.run(
        [sys.executable, "-W", "error", str(QUICKSTART), str(garden), str(ask)],
        env=os.environ | place,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    said = done.stdout.splitlines()
    assert said[:3] == ["Creating project...", "Adding images...", "Training..."]
    end = said.index("Done!")
    assert set(said[3:end]) <= {"Training status: Training", "Training status: Completed"}
    assert said[end - 1] == "Training status: Completed"
    names = [line.strip().partition(":")[0] for line in said[end + 1 :]]
    assert names[0] == "dahlia", done.stdout
    assert set(names) == {"daffodil", "dahlia", "daisy"}
