"""Extras: each is declared, and what needs one that is missing says so before it starts."""

from __future__ import annotations

import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest
from click.testing import CliRunner

from dahlia import imports, params
from dahlia.cli import cli
from dahlia.errors import ConfigError, DahliaError, ExportError
from dahlia.export.downloads import write_downloads
from dahlia.export.formats import FORMATS
from dahlia.server.database.sessions import Database
from dahlia.server.storage.backend import StorageError
from dahlia.server.storage.remote import Remote
from dahlia.tracking.store import connect
from dahlia.trials import run_trials
from small_projects import REPOSITORY


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """An installation without any extra."""
    missing = {name: tuple(f"{module}_absent" for module in of) for name, of in imports.EXTRAS.items()}
    monkeypatch.setattr(imports, "EXTRAS", missing)


def test_every_extra_is_declared_and_installed() -> None:
    declared = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set(declared) - {"all"} == set(imports.EXTRAS)
    assert declared["all"] == [f"dahlia[{','.join(name for name in declared if name != 'all')}]"]
    assert all(imports.is_installed(name) for name in imports.EXTRAS)


def test_the_lock_file_is_made_with_every_extra() -> None:
    assert "--all-extras" in (REPOSITORY / "Makefile").read_text()


def test_every_format_has_its_extra() -> None:
    needed = {form.name: imports.extra_of_format(form.name) for form in FORMATS}
    assert set(needed) == set(get_args(params.ExportName))
    without = {name for name, extra in needed.items() if extra is None}
    assert without == {"onnx", "onnx-float16", "onnx-int8", "docker", "docker-arm"}


REFUSED: dict[str, tuple[Callable[[], object], type[DahliaError], str]] = {
    "formats": (
        lambda: imports.require_formats(["onnx", "litert-int8", "coreml"]),
        ConfigError,
        r"export of litert-int8, coreml needs packages .*pip install 'dahlia\[coreml,tensorflow\]'",
    ),
    "export": (
        lambda: write_downloads(FORMATS, None, None, None, Path(), Path()),  # type: ignore[arg-type]
        ExportError,
        r"pip install 'dahlia\[coreml,openvino,tensorflow\]'",
    ),
    "storage": (lambda: Remote("s3://bucket/photos"), StorageError, r"pip install 'dahlia\[s3\]'"),
    "database": (lambda: Database("postgresql://h/x"), ConfigError, r"pip install 'dahlia\[postgres\]'"),
    "tracking": (
        lambda: connect("postgresql+psycopg://h/x", Path()),
        DahliaError,
        r"MLflow in PostgreSQL needs .*\(psycopg_absent\).*'dahlia\[postgres\]'",
    ),
    "search": (
        lambda: run_trials(Path(), ["hydra/sweeper=optuna"], sweep=True),
        ConfigError,
        r"pip install 'dahlia\[optuna\]'",
    ),
}


@pytest.mark.usefixtures("bare")
@pytest.mark.parametrize(("use", "kind", "message"), REFUSED.values(), ids=REFUSED)
def test_what_needs_a_missing_extra_is_refused(
    use: Callable[[], object], kind: type[DahliaError], message: str
) -> None:
    with pytest.raises(kind, match=message):
        use()


@pytest.mark.usefixtures("bare")
def test_the_pipeline_is_refused_before_it_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(REPOSITORY / "conf", tmp_path / "conf")
    shutil.copy(REPOSITORY / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    before = Path("params.yaml").read_text()
    run = CliRunner().invoke
    assert "'dahlia[openvino]'" in str(run(cli, ["params", "export.formats=[onnx,openvino]"]).exception)
    assert Path("params.yaml").read_text() == before
    changed = before.replace("  - onnx\n  verification", "  - onnx\n  - coreml\n  verification")
    assert changed != before
    Path("params.yaml").write_text(changed)
    assert "'dahlia[coreml]'" in str(run(cli, ["stage", "ingest"]).exception)
