"""`dvc exp run -S ...`: DVC composes `conf/` by itself, and must agree with `dahlia params`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pipeline_projects import Project, succeeded

import dahlia
from dahlia import layout

pytestmark = pytest.mark.slow


def test_a_domain_is_tried(project: Project) -> None:
    project.commit()
    done = succeeded(project.dvc("exp", "run", "-S", "domain=food_compact", "train"))
    assert done.ran == ["train"]
    assert project.params["domain"]["name"] == "Food (compact)"
    card = json.loads((project.root / "models/bundle/model.json").read_text())
    assert card["domain"] == "Food (compact)"
    assert card["input"]["size"] == project.params["domain"]["input"]["size"]
    succeeded(project.dahlia("params", "--check", "domain=food_compact"))


def test_a_recipe_composes(project: Project) -> None:
    project.commit()
    succeeded(project.dvc("exp", "run", "-S", "training=advanced", "validate"))
    assert project.params["training"]["recipe"] == "advanced"
    succeeded(project.dahlia("params", "--check", "training=advanced"))


@pytest.mark.parametrize(
    ("override", "by_dvc", "by_dahlia"),
    [
        ("split.fold=3", "Key 'fold' is not in struct", "unknown key `split.fold`; did you mean folds?"),
        ("domain=fod", "Could not find 'domain/fod'", "`domain` has no choice 'fod'; did you mean food"),
        ("splt.folds=3", "Key 'splt' is not in struct", "unknown group `splt`; did you mean split?"),
        ("split.folds=1", "`split.folds` cannot be 1", "`split.folds` cannot be 1"),
    ],
)
def test_a_typo_is_refused(project: Project, override: str, by_dvc: str, by_dahlia: str) -> None:
    project.commit()
    for done, message in (
        (project.dahlia("params", override), by_dahlia),
        (project.dvc("exp", "run", "-S", override), by_dvc),
    ):
        assert done.code != 0
        assert message in done.output
        assert "Traceback" not in done.output


def test_an_upgrade_trains_again(project: Project, tmp_path: Path) -> None:
    """Where the project's links lead, another version is installed: here a folder of links to this one."""
    package = tmp_path / "site" / "dahlia"
    package.mkdir(parents=True)
    for part in Path(dahlia.__file__).parent.iterdir():
        if part.name != "__init__.py":
            (package / part.name).symlink_to(part)
    installed = Path(dahlia.__file__).read_text(encoding="utf-8")
    (package / "__init__.py").write_text(installed.replace(dahlia.__version__, "9.0.0"), encoding="utf-8")
    link = project.root / layout.ENVIRONMENT_LINKS / "dahlia"
    assert link.read_text(encoding="utf-8") == installed
    link.unlink()
    link.symlink_to(package / "__init__.py")
    project = project.cold
    project.environment["PYTHONPATH"] = str(package.parent)
    done = succeeded(project.dvc("repro", "train"))
    assert done.ran == ["environment", "train"]
    assert f"environment: Dahlia 9.0.0 instead of {dahlia.__version__}: the model is trained" in done.output
