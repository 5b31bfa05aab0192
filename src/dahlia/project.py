"""A project folder: laying out a new one, and saying what it offers."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dahlia import layout
from dahlia.composition import CONF, domains, template, write_params
from dahlia.config import check_domain, load_params, read_yaml
from dahlia.errors import ConfigError
from dahlia.files import staged_directory, write_text
from dahlia.kinds import Task
from dahlia.params import NAMING, PROJECT_NAME, DomainParams

if TYPE_CHECKING:
    from rich.table import Table

SHARED = ("conf", "dvc.yaml", "bentofile.yaml", ".dvcignore", ".dvc/config", ".dvc/.gitignore", ".dvc/plots")
"""What a project has of the package's own, besides its composed parameters."""

_STATE = ".dahlia"
IGNORED = """\
/.dahlia/
/.venv/
/mlflow.db*
/.mlflow.db*
/mlartifacts/
/published/
/data/images/
/data/dataset/
/models/
/exports/
/downloads/
"""


@dataclass(frozen=True)
class Start:
    """How a project of a task begins.

    Attributes:
        domain: the choice in `conf/domain`.
        photos: where photos go, a sentence without its full stop; `{folder}` is the project's.
        scenes: how many scenes with boxes are its sample photos; 0 for a folder of photos per tag.
    """

    domain: str
    photos: str
    scenes: int


STARTS: dict[Task, Start] = {
    "classification": Start("general_compact", "Put photos in {folder}/data/images/<tag>/", 0),
    "detection": Start(
        "detection_general_compact",
        "Put photos in {folder}/data/images/, and beside them their boxes: a table regions.csv with the\n"
        "columns file,tag,left,top,width,height (fractions of the photo), or what a labelling tool exports",
        60,
    ),
}


def task_of(root: Path) -> Task:
    """What the models of the project in a folder do; classification where there is no project.

    Raises:
        ConfigError: its parameters cannot be read.
    """
    path = root / layout.PARAMS
    return load_params(path).domain.task if path.is_file() else "classification"


def create_project(target: Path, task: Task = "classification") -> None:
    """Lay out an empty project: the pipeline, its configuration, Git and DVC.

    Args:
        target: a new or an empty folder; its name becomes the project's.
        task: what its models will do.

    Raises:
        ConfigError: the folder exists and is not empty, or its name cannot be a project's.
        DahliaError: the folder cannot be written.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ConfigError(
            f"Expected a new or empty folder, received {target}, which has files. Name another."
        )
    target = target.resolve()
    if not re.fullmatch(PROJECT_NAME, target.name):
        raise ConfigError(
            f"The folder's name becomes the project's: expected {NAMING}; received {target.name!r}. "
            "Choose another."
        )
    # Somebody may stand in an empty folder: it is filled, not replaced by another of its name.
    filled = target.is_dir()
    with staged_directory(target / _STATE if filled else target) as staged:
        _lay_out(staged, target.name, task)
        if filled:
            for part in sorted(staged.iterdir()):
                part.rename(target / part.name)
    _start_git(target)


def domains_table(root: Path) -> Table:
    """The domains in `conf/domain`, withdrawn ones marked.

    Raises:
        ConfigError: this is no project folder, or a domain cannot be composed.
    """
    from rich.table import Table

    table = Table("domain=", "Task", "Name", "Input", "Id", box=None, padding=(0, 1, 0, 0), pad_edge=False)
    for choice, domain in domains(root).items():
        name, size = (
            (f"{domain.name} (withdrawn)", "") if domain.withdrawn else (domain.name, str(domain.input.size))
        )
        table.add_row(choice, domain.task, name, size, domain.id)
    for column in table.columns:
        column.no_wrap = True
    return table


def shipped_domains() -> dict[str, DomainParams]:
    """The domains that Dahlia ships by their choice in `conf/domain`, read without Hydra.

    Raises:
        ConfigError: a file is damaged.
    """
    folder = template() / CONF / "domain"
    return {path.stem: check_domain(read_yaml(path), str(path)) for path in sorted(folder.glob("*.yaml"))}


def _lay_out(folder: Path, name: str, task: Task) -> None:
    source = template()
    for part in SHARED:
        origin, copy = source / part, folder / part
        copy.parent.mkdir(parents=True, exist_ok=True)
        if origin.is_dir():
            shutil.copytree(origin, copy)
        else:
            shutil.copy(origin, copy)
    (folder / "data" / "images").mkdir(parents=True)
    _name_project(folder, name, STARTS[task].domain)
    write_text(folder / ".gitignore", IGNORED)
    write_params(folder)


def _name_project(folder: Path, name: str, domain: str) -> None:
    # What stands in the root wins over the groups, as its `_self_` comes last. `PROJECT_NAME` has no quotes.
    path = folder / CONF / "config.yaml"
    own = f'\n# This project\'s own values; they win over the groups.\nproject:\n  name: "{name}"\n'
    chosen = re.sub(r"(?m)^  - domain: \w+$", f"  - domain: {domain}", path.read_text(encoding="utf-8"))
    write_text(path, chosen + own)


def _start_git(folder: Path) -> None:
    """A repository with one commit: DVC's experiments start from a commit."""
    inside = _git(folder, "rev-parse", "--is-inside-work-tree") == "true"
    # DVC runs no pipeline that Git ignores, so a folder that a repository leaves out has one of its own.
    ignored = inside and _git(folder, "check-ignore", "--quiet", ".") is not None
    if (folder / ".git").exists() or (inside and not ignored):
        return
    if _git(folder, "init", "--quiet") is None:
        raise ConfigError(
            f"{folder} was laid out, but `git init` failed. Install Git and run `git init` there: DVC "
            "needs it."
        )
    _git(folder, "add", ".")
    commit = ("commit", "--quiet", "--message", "Lay out the project")
    if _git(folder, *commit) is None:  # nobody has told Git who they are yet
        _git(folder, "-c", "user.name=Dahlia", "-c", "user.email=dahlia@localhost", *commit)


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        answer = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True, timeout=30
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip()
