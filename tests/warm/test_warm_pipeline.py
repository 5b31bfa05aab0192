"""The pipeline, forked: the same bits, and nothing is imported twice."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from warm_helpers import PATIENCE

from dahlia.files import sha256_of
from dahlia.project import create_project
from dahlia.warm.process import WarmProcess
from dahlia.warm.protocol import dvc_command
from dahlia_samples import generate_garden
from shared_graphs import share_graphs

pytestmark = pytest.mark.slow

TAGS = ("daffodil", "dahlia")
EDGE = 416
IN_ONE_PROCESS = """
import sys
from dahlia.warm.server import prepare
prepare()
before = set(sys.modules)
from dahlia.cli import cli
for stage in ("ingest", "validate", "split", "environment", "train", "evaluate", "export onnx", "track"):
    cli.main(["stage", *stage.split()], standalone_mode=False)
from dvc.cli import main
main(["repro", "--dry", "--quiet"])
print("late:", *sorted(set(sys.modules) - before))
"""


def results(root: Path) -> dict[str, str]:
    """Checksums of all that is the same whenever it is made, as DVC took them, and of the export."""
    stages = yaml.safe_load((root / "dvc.lock").read_text())["stages"]
    sums = {
        out["path"]: out["md5"]
        for name in ("ingest", "validate", "split", "train", "evaluate")
        for out in stages[name]["outs"]
    }
    for path in ("models/bundle/model.safetensors", "models/predictions.parquet", "exports/onnx/model.onnx"):
        sums[path] = sha256_of(root / path)
    return sums


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    machine = tmp_path_factory.mktemp("machine")
    return os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONUNBUFFERED": "1",
        "DVC_NO_ANALYTICS": "1",
        "DVC_SITE_CACHE_DIR": str(machine / "site"),
        "DVC_GLOBAL_CONFIG_DIR": str(machine / "global"),
        "DVC_SYSTEM_CONFIG_DIR": str(machine / "system"),
    }


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of ten photos of each of two tags. Copy it, do not change it."""
    photos = tmp_path_factory.mktemp("photos")
    generate_garden(photos, images_per_tag=10, size=EDGE)
    root = tmp_path_factory.mktemp("planted") / "garden"
    create_project(root)
    for tag in TAGS:
        shutil.copytree(photos / tag, root / "data" / "images" / tag)
    return root


@pytest.fixture(scope="module")
def graphs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The graph that `cold` converts, for tests that are not about clean runs."""
    return tmp_path_factory.mktemp("graphs")


@pytest.fixture(scope="module")
def cold(
    tmp_path_factory: pytest.TempPathFactory, planted: Path, graphs: Path, environment: dict[str, str]
) -> dict[str, str]:
    """What the project gives without a warm process."""
    root = Path(shutil.copytree(planted, tmp_path_factory.mktemp("cold") / "garden"))
    share_graphs(root, graphs)
    command = [*dvc_command(environment), "repro", "evaluate", "export@onnx"]
    done = subprocess.run(command, cwd=root, env=environment)
    assert done.returncode == 0
    return results(root)


@pytest.fixture(scope="module")
def warm(tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str]) -> Iterator[Path]:
    """The socket of a warm process; at the end, it has forked all that it was asked for."""
    read, written = os.pipe()
    saved = os.dup(2)
    os.dup2(written, 2)
    try:
        process = WarmProcess.start(environment)
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(written)
    with process, os.fdopen(read) as log:
        assert process.wait_until_ready(120)
        yield process.socket
        process.close()
        assert "not forked" not in log.read()


@pytest.mark.portable
def test_a_forked_pipeline_gives_the_same_bits(
    tmp_path: Path, planted: Path, cold: dict[str, str], warm: Path, environment: dict[str, str]
) -> None:
    root = Path(shutil.copytree(planted, tmp_path / "garden"))
    variables = environment | {"DAHLIA_WARM": str(warm)}
    done = subprocess.run(
        [*dvc_command(variables), "repro"], cwd=root, env=variables, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Running stage") == 8
    assert results(root) == cold


@pytest.mark.portable
def test_a_killed_pipeline_goes_on(
    tmp_path: Path,
    planted: Path,
    cold: dict[str, str],
    graphs: Path,
    warm: Path,
    environment: dict[str, str],
) -> None:
    root = Path(shutil.copytree(planted, tmp_path / "garden"))
    share_graphs(root, graphs)
    variables = environment | {"DAHLIA_WARM": str(warm)}
    process = subprocess.Popen(
        [*dvc_command(variables), "repro"],
        cwd=root,
        env=variables,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout
    for line in process.stdout:
        if line.startswith("train: "):
            os.killpg(process.pid, signal.SIGKILL)
            break
    process.stdout.read()  # to the end: then nobody holds it any more
    assert process.wait(PATIENCE) == -signal.SIGKILL
    process.stdout.close()
    assert not (root / "models" / "bundle").exists()
    done = subprocess.run([*dvc_command(variables), "repro"], cwd=root, env=variables)
    assert done.returncode == 0
    assert results(root) == cold


def test_little_is_imported_late(tmp_path: Path, planted: Path, environment: dict[str, str]) -> None:
    root = Path(shutil.copytree(planted, tmp_path / "garden"))
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", IN_ONE_PROCESS],
        cwd=root,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    late = done.stdout.splitlines()[-1].removeprefix("late:").split()
    assert len(late) < 20, late
