"""What `bentoml build` packs, and that it answers where there is neither the checkout nor a project.

That it passes the tests of the clients is in `test_clients.py`, whose server is a Bento too.
"""

from __future__ import annotations

import os
import signal
import urllib.request
from importlib.metadata import version
from pathlib import Path

import psutil
import pytest
import yaml
from running_services import CHECKOUT, Bento, build_bento, make_project, post_file, until, workers
from serving_helpers import picture, serving

from dahlia.serving.bentoml_support import missing_requirements
from dahlia.tracking.registry import Registry


def files_in(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_what_a_bento_carries(bento: Bento, contract_project: Registry) -> None:
    source = bento.folder / "src"
    assert files_in(source / "published") == files_in(contract_project.root / "published")
    assert {path.name for path in source.iterdir()} == {"bentofile.yaml", "dahlia", "published"}
    needed = (bento.folder / "env" / "python" / "requirements.txt").read_text().lower()
    assert "onnxruntime" in needed
    assert not any(name in needed for name in ("torch", "timm", "mlflow", "tensorflow", "scikit"))


@pytest.mark.slow
def test_a_bento_of_several_names_in_a_container(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", {"red one": 1, "green one": 2}, iterations=2)
    bento = build_bento(project.root, tmp_path / "bentoml")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    packed = files_in(bento.folder)
    settings = {"BENTOML_CONTAINERIZED": "true", "DAHLIA_WORKERS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    with serving(str(bento.folder), elsewhere, tmp_path / "home", **settings) as (base, pid):
        for name, iteration in project.published().items():
            answer = post_file(f"{base}/predict", picture(), name=name)
            assert answer["iteration"] == iteration.id
            assert answer["predictions"][0]["tagName"] == name.split()[0]
        with urllib.request.urlopen(f"{base}/readyz", timeout=30) as response:
            assert response.status == 200
        assert [path.name for path in elsewhere.iterdir()] == ["serve.log"]
        assert files_in(bento.folder) == packed
        (worker,) = workers(pid)
        os.kill(worker, signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
        # In a container BentoML starts no other process: it ends, and what started it starts it again.
        until(lambda: psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    assert f"from {bento.home / 'bentos'}" in (elsewhere / "serve.log").read_text()


def test_the_bento_pins_what_the_lock_file_pins() -> None:
    packages = yaml.safe_load((CHECKOUT / "bentofile.yaml").read_text())["python"]["packages"]
    lock = (CHECKOUT / "requirements.lock").read_text().splitlines()
    locked = {line.split(" \\")[0].split("#")[0].strip() for line in lock}
    assert [package for package in packages if package not in locked] == []


@pytest.mark.parametrize(
    ("listed", "added"),
    [
        ("pydantic==2.14.3\nh11\n", True),
        ("pydantic-settings-x==1\n", True),
        ("# pydantic-settings\n", True),
        ("h11\npydantic-settings==2.16.3 ; python_version > '3'\n", False),
        ("Pydantic_Settings\n", False),
    ],
)
def test_what_bentofiles_of_earlier_versions_lack_is_added(listed: str, added: bool) -> None:
    expected = f"pydantic-settings=={version('pydantic-settings')}\n" if added else ""
    assert missing_requirements(listed) == expected


@pytest.mark.slow
def test_a_bento_of_a_project_of_an_earlier_version(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", {"red": 1})
    file = project.root / "bentofile.yaml"
    lines = file.read_text().splitlines()
    file.write_text("\n".join(line for line in lines if "pydantic-settings" not in line))
    bento = build_bento(project.root, tmp_path / "bentoml")
    needed = (bento.folder / "env" / "python" / "requirements.txt").read_text().splitlines()
    assert f"pydantic-settings=={version('pydantic-settings')}" in needed
    assert any(line.startswith("uvloop==") for line in needed)  # the last one that is listed
