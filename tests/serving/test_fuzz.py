"""Schemathesis against the OpenAPI page of a running service: 2,000 cases, right and wrong.

`pytest tests/serving/test_fuzz.py` is the command. Three of the checks do not fit: the photos are made up, so
right requests may be refused; unknown fields and queries are ignored, and an unknown method is an unknown
route, as with Custom Vision.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from fake_project import write_project
from serving_helpers import serving
from test_activation import PLAIN, write

from child_processes import python_path
from dahlia.tracking.record import record
from dahlia.tracking.registry import Registry

TESTS = Path(__file__).parents[1]
CASES = 2000
UNFIT = "positive_data_acceptance,negative_data_rejection,unsupported_method"
COMMAND = (
    *("run", "--seed", "1", "--generation-deterministic", "--no-shrink"),
    *("--phases", "examples,coverage,fuzzing", "--exclude-checks", UNFIT, "--continue-on-failure"),
    *("--suppress-health-check", "all", "--warnings", "off", "--request-timeout", "20", "--no-color"),
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a published model that can explain itself."""
    root = tmp_path_factory.mktemp("project")
    shutil.copy(TESTS.parent / "bentofile.yaml", root)
    params = write_project(root)
    write(root / "exports" / "onnx", *PLAIN)
    record(root, params)
    Registry.of(root, params).publish(1, "Iteration 1")
    return root


def fuzz(base: str, calls: Path, *options: str, **environment: str) -> list[list[str]]:
    """Gives method, path, status and content type of every answer."""
    places = (TESTS, TESTS / "serving", TESTS / "tracking")
    done = subprocess.run(
        [Path(sys.executable).parent / "schemathesis", *COMMAND, f"{base}/docs.json", *options],
        cwd=calls.parent,
        env=os.environ
        | {"SCHEMATHESIS_HOOKS": "fuzz_hooks", "PYTHONPATH": python_path(*places)}
        | {"FUZZ_CALLS": str(calls)}
        | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr
    return [line.split(" ", 3) for line in calls.read_text().splitlines()]


def test_no_case_is_too_much(project: Path, tmp_path: Path) -> None:
    environment = {"DAHLIA_URL_FETCH": "off", "DAHLIA_WORKERS": "1"}
    with serving(".", project, tmp_path / "bentoml", **environment) as (base, _):
        answers = fuzz(base, tmp_path / "calls", "-n", "80")
    assert len(answers) >= CASES
    statuses = Counter(status for _, _, status, _ in answers)
    assert {"200", "400", "404", "415"} <= set(statuses)
    assert not [status for status in statuses if status >= "500"]
    assert {kind for _, path, status, kind in answers if (path, status) == ("/predict", "200")} == {
        "application/json; charset=utf-8",
        "application/json",
        "image/png",
    }
    assert not tracebacks(project)


def test_addresses_that_are_refused(project: Path, tmp_path: Path) -> None:
    environment = {"DAHLIA_URL_FETCH": "public", "DAHLIA_WORKERS": "1"}
    with serving(".", project, tmp_path / "bentoml", **environment) as (base, _):
        answers = fuzz(
            *(base, tmp_path / "calls", "-n", "10", "--include-path-regex", "/url"),
            FUZZ_ADDRESSES="refused",
        )
    assert {status for _, _, status, _ in answers} <= {"400", "404", "405"}
    assert not tracebacks(project)


def tracebacks(project: Path) -> list[str]:
    log = (project / "serve.log").read_text()
    return re.findall(r"Traceback \(most.*?(?=\n\d{4}-)", log, re.DOTALL)
