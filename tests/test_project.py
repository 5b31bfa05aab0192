"""A new project: whole, named, composed, and under Git; or not there at all."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from rich.console import Console

from dahlia import project
from dahlia.composition import compose
from dahlia.config import load_params
from dahlia.errors import ConfigError
from dahlia.kinds import TASKS, Task
from dahlia.project import STARTS, create_project, domains_table, shipped_domains
from dahlia.provenance import git_revision
from small_projects import REPOSITORY, shipped

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


def contents(project: Path) -> dict[str, bytes]:
    return {
        path.relative_to(project).as_posix(): path.read_bytes()
        for path in project.rglob("*")
        if path.is_file() and ".git" not in path.relative_to(project).parts
    }


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@b.c", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.mark.parametrize("name", ["garden", "rose garden", "Ölbaum-2", "2024"])
def test_a_project_is_named_after_its_folder(tmp_path: Path, name: str) -> None:
    create_project(tmp_path / name)
    params = load_params(tmp_path / name / "params.yaml")
    assert params.project.name == name
    assert (
        compose(tmp_path / name, ["domain=food"])["project"]["name"] == name
    )  # also of what is composed later
    assert params == load_params(REPOSITORY / "params.yaml").model_copy(update={"project": params.project})


def test_what_a_project_holds(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "garden"
    create_project(target)
    assert names(target) == LAID_OUT
    assert (target / "dvc.yaml").read_bytes() == (REPOSITORY / "dvc.yaml").read_bytes()
    assert list((target / "data" / "images").iterdir()) == []
    assert compose(target)["domain"] == shipped()["domain"]
    assert names(target.parent) == {"garden"}


def test_a_project_of_detection_has_a_domain_of_detection(tmp_path: Path) -> None:
    create_project(tmp_path / "garden", "detection")
    params = load_params(tmp_path / "garden" / "params.yaml")
    assert (params.kind, params.project.name) == ("detection", "garden")
    assert params.domain.detector is not None
    assert compose(tmp_path / "garden")["domain"] == params.model_dump(by_alias=True)["domain"]
    create_project(tmp_path / "other")
    other = contents(tmp_path / "other")
    differing = {name for name, data in contents(tmp_path / "garden").items() if data != other.get(name)}
    assert differing == {"conf/config.yaml", "params.yaml"}


@pytest.mark.parametrize("task", STARTS)
def test_a_task_starts_with_a_domain_of_its_own(task: Task) -> None:
    assert shipped_domains()[STARTS[task].domain].task == task
    assert set(STARTS) == set(TASKS)


def test_what_the_pipeline_makes_is_not_for_git(tmp_path: Path) -> None:
    create_project(tmp_path / "garden")
    made = [
        "models/bundle/model.json",
        "data/images/a/1.jpg",
        "exports/onnx/model.onnx",
        ".dahlia/features/x",
    ]
    ignored = git(tmp_path / "garden", "check-ignore", *made).splitlines()
    assert ignored == made


def test_an_empty_folder_is_filled_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "garden"
    folder.mkdir()
    before = folder.stat().st_ino
    monkeypatch.chdir(folder)
    create_project(Path())
    assert folder.stat().st_ino == before
    assert names(folder) - {".dahlia"} == LAID_OUT
    assert names(tmp_path) == {"garden"}
    assert load_params().project.name == "garden"


@pytest.mark.parametrize("name", ["a!b", "it's", ".hidden", "-", "${x}", "a" * 65, "a\nb"])
def test_names_that_no_project_can_have(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="expected at most 64 letters"):
        create_project(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").touch()
    for target in (tmp_path, tmp_path / "mine.txt"):
        with pytest.raises(ConfigError, match=r"Expected a new or empty folder, received .* Name another"):
            create_project(target)
    assert names(tmp_path) == {"mine.txt"}


@pytest.mark.parametrize("present", [False, True], ids=["new", "empty"])
def test_a_failure_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, present: bool) -> None:
    target = tmp_path / "garden"
    if present:
        target.mkdir()

    def fail(_: Path) -> None:
        raise ConfigError("no")

    monkeypatch.setattr(project, "write_params", fail)
    with pytest.raises(ConfigError, match="no"):
        create_project(target)
    assert list(tmp_path.rglob("*")) == ([target] if present else [])


def test_git_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match=r"`git init` failed\. Install Git"):
        create_project(tmp_path / "garden")


def test_inside_a_repository_no_other_is_made(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    create_project(tmp_path / "garden")
    assert names(tmp_path / "garden") == LAID_OUT - {".git"}


def test_in_a_folder_that_a_repository_ignores_one_is_made(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    (tmp_path / ".gitignore").write_text("/garden/\n")
    create_project(tmp_path / "garden")
    assert names(tmp_path / "garden") == LAID_OUT


@pytest.mark.slow
def test_an_installed_wheel_lays_out_the_same(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*build, "--wheel-dir", str(tmp_path), str(REPOSITORY)], check=True)
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
    for data in ("modeling/bundled", "modeling/negative_sets", "serving/region_proposals"):
        assert contents(site / "dahlia" / data) == contents(REPOSITORY / "src/dahlia" / data)


def test_the_table_of_domains() -> None:
    console = Console(width=250)
    with console.capture() as capture:
        console.print(domains_table(REPOSITORY))
    table = capture.get()
    assert "food_compact" in table
    assert "0732100f-1a38-4e49-a514-c9b44c697ab5" in table
    assert "Adult (withdrawn)" in table
    (compact,) = [
        line.split() for line in table.splitlines() if line.startswith("detection_general_compact ")
    ]
    assert compact[1:5] == ["detection", "General", "(compact)", "416"]


def test_a_folder_without_domains(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="dahlia init"):
        domains_table(tmp_path)


def test_the_revision_of_a_project(tmp_path: Path) -> None:
    assert git_revision(tmp_path) == (None, False)
    git(tmp_path, "init")
    assert git_revision(tmp_path) == (None, False)
    (tmp_path / "a").write_text("a")
    git(tmp_path, "add", "a")
    git(tmp_path, "commit", "-m", "a")
    head = git(tmp_path, "rev-parse", "HEAD")
    assert git_revision(tmp_path) == (head, False)
    (tmp_path / "untracked").touch()
    assert git_revision(tmp_path) == (head, False)
    (tmp_path / "a").write_text("b")
    assert git_revision(tmp_path) == (head, True)
