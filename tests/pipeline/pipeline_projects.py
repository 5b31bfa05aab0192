"""A project as its user has it: a folder, `dvc` and `dahlia` as commands, nothing imported."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from dahlia.warm.protocol import VARIABLE, dvc_command
from warm_commands import UNBUFFERED

STAGES = ("ingest", "validate", "split", "environment", "train", "evaluate", "export", "track")
TAGS = ("daffodil", "dahlia", "daisy")
NEVER_REWRITTEN = (".dvc/cache", "mlartifacts", "data/images")


@dataclass(frozen=True)
class Finished:
    """A command that has ended; `output` is what it printed, errors included."""

    code: int
    output: str

    @property
    def ran(self) -> list[str]:
        """The stages that DVC ran."""
        return re.findall(r"^Running stage '(\w+)(?:@[\w-]+)?'", self.output, re.MULTILINE)


@dataclass(frozen=True)
class Project:
    """A project folder, and a folder that stands for the machine: DVC keeps notes outside of projects.

    Attributes:
        root: the project's folder.
        machine: DVC's and BentoML's notes.
        warm: the socket of the warm process that its commands are forked from; None: each starts by itself.
    """

    root: Path
    machine: Path
    warm: Path | None = None

    @cached_property
    def environment(self) -> dict[str, str]:
        commands = Path(sys.executable).parent  # the stages are run as `python -m dahlia`
        warm = {VARIABLE: str(self.warm)} if self.warm else {}
        return (
            os.environ
            | warm
            | {
                "PATH": f"{commands}{os.pathsep}{os.environ['PATH']}",
                **UNBUFFERED,
                "DVC_NO_ANALYTICS": "1",
                "DVC_SITE_CACHE_DIR": str(self.machine / "site"),
                "DVC_GLOBAL_CONFIG_DIR": str(self.machine / "global"),
                "DVC_SYSTEM_CONFIG_DIR": str(self.machine / "system"),
                "GIT_CONFIG_GLOBAL": os.devnull,
                "GIT_AUTHOR_NAME": "Test",
                "GIT_AUTHOR_EMAIL": "test@example.org",
                "GIT_COMMITTER_NAME": "Test",
                "GIT_COMMITTER_EMAIL": "test@example.org",
                "BENTOML_HOME": str(self.machine / "bentoml"),
                "BENTOML_DO_NOT_TRACK": "True",
                "COLUMNS": "200",
            }
        )

    def run(self, *command: str) -> Finished:
        done = subprocess.run(
            command,
            cwd=self.root,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return Finished(done.returncode, done.stdout)

    def dvc(self, *arguments: str) -> Finished:
        return self.run(*dvc_command(self.environment), *arguments)

    def dahlia(self, *arguments: str) -> Finished:
        return self.run(sys.executable, "-m", "dahlia", *arguments)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """`dvc ...`, in a process group of its own."""
        return subprocess.Popen(
            [*dvc_command(self.environment), *arguments],
            cwd=self.root,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def commit(self) -> None:
        for arguments in (("add", "--all"), ("commit", "--quiet", "--message", "Everything")):
            done = self.run("git", *arguments)
            assert done.code == 0, done.output

    def copy(self, folder: Path) -> Project:
        """The same project in `folder`; files that nobody rewrites share their bytes, links stay links."""
        fixed = tuple(f"{self.root / name}{os.sep}" for name in NEVER_REWRITTEN)

        def copy(source: str, target: str) -> object:
            return os.link(source, target) if source.startswith(fixed) else shutil.copy2(source, target)

        root = folder / self.root.name
        shutil.copytree(self.root, root, symlinks=True, copy_function=copy)
        return Project(root, self.machine, self.warm)

    @property
    def cold(self) -> Project:
        """The same folder; its commands start by themselves."""
        return Project(self.root, self.machine)

    @property
    def evaluation(self) -> bytes:
        return (self.root / "reports" / "evaluation.json").read_bytes()

    @property
    def params(self) -> dict[str, Any]:
        values: dict[str, Any] = yaml.safe_load((self.root / "params.yaml").read_text())
        return values

    @property
    def lock(self) -> dict[str, Any]:
        """`dvc.lock`, by stage."""
        stages: dict[str, Any] = yaml.safe_load((self.root / "dvc.lock").read_text())["stages"]
        return stages


def succeeded(done: Finished) -> Finished:
    assert done.code == 0, done.output
    return done
