from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

from dahlia.errors import ConfigError
from dahlia.project import create_project

CHECKOUT = Path(__file__).parents[1]
LAID_OUT = {
    ".dvc",
    ".dvcignore",
    ".git",
    ".gitignore",
    "bentofile.yaml",
    "conf",
    "data",
    "dvc.yaml",
    "params.yaml",
}


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_new_project(tmp_path: Path) -> None:
    create_project(tmp_path / "rose garden")
    assert names(tmp_path) == {"rose garden"}
    project = tmp_path / "rose garden"
    assert names(project) == LAID_OUT
    assert list((project / "data" / "images").iterdir()) == []
    assert yaml.safe_load((project / "params.yaml").read_text())["project"]["name"] == "rose garden"


def test_an_empty_folder_is_filled_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "garden"
    folder.mkdir()
    before = folder.stat().st_ino
    monkeypatch.chdir(folder)
    create_project(Path())
    assert folder.stat().st_ino == before
    assert names(folder) == LAID_OUT | {".dahlia"}
    assert names(tmp_path) == {"garden"}
    assert yaml.safe_load(Path("params.yaml").read_text())["project"]["name"] == "garden"


def test_a_folder_with_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ConfigError, match="new or empty folder"):
        create_project(tmp_path)
    assert names(tmp_path) == {"mine.txt"}


@pytest.mark.parametrize("existing", [False, True])
def test_a_name_that_no_project_can_have(tmp_path: Path, existing: bool) -> None:
    folder = tmp_path / "a+b"
    if existing:
        folder.mkdir()
    with pytest.raises(ConfigError, match=r"project\.name"):
        create_project(folder)
    assert list(tmp_path.rglob("*")) == ([folder] if existing else [])


def test_inside_a_repository_no_other_is_made(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    create_project(tmp_path / "garden")
    assert names(tmp_path / "garden") == LAID_OUT - {".git"}


@pytest.mark.slow
def test_an_installed_wheel_lays_out_the_same(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*build, "--wheel-dir", str(tmp_path), str(CHECKOUT)], check=True)
    (wheel,) = tmp_path.glob("dahlia-*.whl")
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    code = (
        f"import sys; sys.path.insert(0, {str(site)!r}); import dahlia; print(dahlia.__file__); "
        "from pathlib import Path; from dahlia.project import create_project; create_project(Path('garden'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    assert done.stdout.startswith(str(site))
    create_project(tmp_path / "checkout" / "garden")
    installed, expected = tmp_path / "garden", tmp_path / "checkout" / "garden"
    assert contents(installed) == contents(expected)


def contents(project: Path) -> dict[str, bytes]:
    return {
        path.relative_to(project).as_posix(): path.read_bytes()
        for path in project.rglob("*")
        if path.is_file() and ".git" not in path.relative_to(project).parts
    }
