"""The wheel in an environment of its own, away from the checkout."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import sysconfig
import time
import tomllib
import urllib.request
import zipfile
from pathlib import Path

import pytest

from dahlia.project import SHARED
from dahlia_samples import generate_garden
from shared_graphs import share_graphs
from small_projects import REPOSITORY

pytestmark = pytest.mark.slow

SMALL = (
    "domain.recipe.views=[plain]", "training.max_iterations=20", "split.folds=3",
    "evaluate.bootstrap_samples=50", "export.verification_images=8",
)  # fmt: skip


class Installed:
    """An environment with the wheel alone; what the wheel depends on lies in the environment of the tests.

    Args:
        folder: for the environment.
        wheel: to install.
    """

    def __init__(self, folder: Path, wheel: Path) -> None:
        self.bin = folder / "bin"
        run([sys.executable, "-m", "venv", "--without-pip", str(folder)], folder.parent)
        install = "install", "--quiet", "--no-deps", "--no-index", "--no-compile", str(wheel)
        run([sys.executable, "-m", "pip", "--python", str(self.bin / "python"), *install], folder.parent)
        (packages,) = folder.glob("lib/python3*/site-packages")
        (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"))

    @property
    def environment(self) -> dict[str, str]:
        """That of a shell in which it is activated."""
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "DAHLIA"))
        }
        path = f"{self.bin}{os.pathsep}{os.environ['PATH']}"
        return kept | {"PATH": path, "DVC_NO_ANALYTICS": "1", "VIRTUAL_ENV": str(self.bin.parent)}

    def __call__(self, folder: Path, *command: str) -> str:
        """What a command of Python prints, run in a folder."""
        return run([str(self.bin / "python"), *command], folder, self.environment)


def run(command: list[str], folder: Path, environment: dict[str, str] | None = None) -> str:
    ended = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=200)
    assert ended.returncode == 0, f"{command}\n{ended.stdout}\n{ended.stderr}"
    return ended.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)], REPOSITORY)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return Installed(tmp_path_factory.mktemp("environment") / "venv", wheel)


def test_the_wheel_has_every_file_of_the_package(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as packed:
        names = set(packed.namelist())
    package = REPOSITORY / "src"
    files = (path for path in package.rglob("*") if path.is_file())
    own = {path.relative_to(package).as_posix() for path in files if "__pycache__" not in path.parts}
    assert own - names == set()
    for part in SHARED:
        assert any(name.startswith(f"dahlia/template/{part}") for name in names), part
    built = (REPOSITORY / "portal" / "dist" / "index.html").is_file()
    assert ("dahlia/portal/index.html" in names) is built, "the portal is in it once `make portal` was run"


def test_a_project_and_a_server_outside_the_checkout(
    installed: Installed, tmp_path: Path, shipped_graphs: Path
) -> None:
    whose = (
        "import dahlia as d, importlib.metadata as m; print(d.__file__, d.__version__, m.version('dahlia'))"
    )
    place, *versions = installed(tmp_path, "-c", whose).split()
    assert Path(place).is_relative_to(installed.bin.parent)
    declared = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["version"]
    assert versions == [declared, declared]
    assert "Custom Vision that you own" in run([str(installed.bin / "dahlia"), "--help"], tmp_path)

    drawn = installed(tmp_path, "-m", "dahlia", "sample", "--out", "drawn", "--images-per-tag", "1")
    assert drawn == "drawn: 3 photos\n"
    installed(tmp_path, "-m", "dahlia", "init", "fruit")
    project = tmp_path / "fruit"
    share_graphs(project, shipped_graphs)
    generate_garden(project / "data" / "images", images_per_tag=6, seed=1, size=96)
    installed(project, "-m", "dahlia", "params", *SMALL)
    assert "largest difference" in installed(project, "-m", "dvc", "repro")
    served(installed, tmp_path)


def served(installed: Installed, folder: Path) -> None:
    """Start a server and ask whether it lives."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = {"DAHLIA_SERVER_PORT": str(port), "DAHLIA_JOBS_WORKERS": "0", "DAHLIA_JOBS_LONG_WORKERS": "0"}
    with (folder / "serve.log").open("w") as log:
        server = subprocess.Popen(
            [str(installed.bin / "dahlia"), "serve"],
            cwd=folder,
            env=installed.environment | settings,
            stdout=log,
            stderr=log,
        )
    try:
        assert b'"ok"' in answer(f"http://127.0.0.1:{port}/healthz")
        assert b"<title>Dahlia</title>" in answer(f"http://127.0.0.1:{port}/")
    finally:
        server.terminate()
        server.wait(30)


def answer(url: str) -> bytes:
    until = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5) as response:
                return bytes(response.read())
        except OSError:
            assert time.monotonic() < until
            time.sleep(0.2)
