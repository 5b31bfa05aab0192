"""The command line: exit codes, messages without tracebacks, and what it does not load."""

from __future__ import annotations

import errno
import json
import os
import runpy
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import dahlia_samples
from dahlia import __version__, cli
from dahlia.config import load_params
from dahlia.demo import demo_project
from dahlia.errors import ConfigError, DahliaError, TrainingError, ValidationError
from dahlia.project import task_of
from dahlia.terminal import message
from small_projects import REPOSITORY, SmallProject

HEAVY = ("torch", "mlflow", "pandas", "hydra", "numpy", "cv2", "lightning", "onnx", "bentoml", "rich", "yaml")


@pytest.fixture
def dahlia(monkeypatch: pytest.MonkeyPatch) -> Callable[..., object]:
    """Run a command in this process and give its exit code."""

    def call(*arguments: str) -> object:
        monkeypatch.setattr(sys, "argv", ["dahlia", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return ended.value.code

    return call


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project folder with `conf/` and `params.yaml`, and the process in it."""
    shutil.copytree(REPOSITORY / "conf", tmp_path / "conf")
    shutil.copy(REPOSITORY / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_help_loads_nothing_heavy() -> None:
    script = (
        "import json, sys; sys.argv = ['dahlia', '--help']\n"
        "from dahlia.cli import main\n"
        "try: main()\n"
        "finally: print(json.dumps(sorted(sys.modules)), file=sys.stderr)"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert ended.returncode == 0
    assert "Custom Vision that you own" in ended.stdout
    assert set(HEAVY) & set(json.loads(ended.stderr)) == set()


def test_every_command_is_in_one_section_with_a_whole_line_of_help(
    dahlia: Callable[..., object], capsys: pytest.CaptureFixture[str]
) -> None:
    assert dahlia("-h") == 0
    listing = [line for line in capsys.readouterr().out.splitlines()[7:] if line.startswith("  ")]
    shown = sorted(line.split()[0] for line in listing)
    assert shown == sorted(name for name, command in cli.cli.commands.items() if not command.hidden)
    assert all(len(line.split()) > 2 and not line.endswith("...") for line in listing)


def test_a_former_name_still_works(dahlia: Callable[..., object], folder: Path) -> None:
    former, present = cli.cli.commands["train"], cli.cli.commands["trial"]
    assert former.hidden
    assert former.callback is present.callback


def test_version(dahlia: Callable[..., object], capsys: pytest.CaptureFixture[str]) -> None:
    assert dahlia("--version") == 0
    assert __version__ in capsys.readouterr().out


def test_stages_are_modules() -> None:
    modules = {path.stem for path in (REPOSITORY / "src" / "dahlia" / "stages").glob("[a-z]*.py")}
    assert set(cli.STAGES) == modules


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["stge"], "unknown command `stge`; did you mean stage?"),
        (["publsh", "1"], "unknown command `publsh`; did you mean publish or unpublish or push?"),
        (["zzz"], "unknown command `zzz`; known: adopt, audit, backup, checkout, "),
        (["stage", "trian"], "'trian' is not one of 'ingest', 'validate', 'split', 'environment'"),
        (["stage"], "Missing argument"),
        (["publish", "one", "--as", "x"], "'one' is not a valid integer"),
        (["sample", "--images-per-tag", "0"], "0 is not in the range x>=1"),
    ],
)
def test_commands_that_are_not_understood(
    dahlia: Callable[..., object], capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert dahlia(*arguments) == 2
    said = capsys.readouterr()
    assert message in said.err
    assert said.out == ""


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (ConfigError("a\nb"), 2, "ConfigError: a\nb\n"),
        (ValidationError("bad photos"), 2, "ValidationError: bad photos\n"),
        (TrainingError("no"), 1, "TrainingError: no\n"),
        (DahliaError("no"), 1, "DahliaError: no\n"),
        (KeyboardInterrupt(), 130, "Interrupted. What was finished is kept; run the same command again.\n"),
        (MemoryError(), 1, "Out of memory. Close other programs, or lower `training.batch_size`.\n"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None,
)
def test_errors_are_said_without_a_traceback(
    dahlia: Callable[..., object],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    folder: Path,
    error: BaseException,
    code: int,
    message: str,
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("dahlia.stages.split.run", fail)
    assert dahlia("stage", "split") == code
    said = capsys.readouterr()
    assert said.err.lstrip("\n") == message
    assert said.out == ""


def test_an_error_of_ours_keeps_its_traceback(
    dahlia: Callable[..., object], monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("dahlia.stages.split.run", fail)
    monkeypatch.setattr(sys, "argv", ["dahlia", "stage", "split"])
    with pytest.raises(ZeroDivisionError):
        cli.main()


def test_a_stage_runs_with_the_parameters(
    dahlia: Callable[..., object], monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    seen: list[tuple[object, object]] = []
    monkeypatch.setattr(
        "dahlia.stages.split.run", lambda params, root: seen.append((params.split.folds, root))
    )
    assert dahlia("stage", "split") == 0
    assert seen == [("auto", Path())]


def test_a_stage_outside_a_project(
    dahlia: Callable[..., object],
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert dahlia("stage", "ingest") == 2
    assert "params.yaml was expected and is not there" in capsys.readouterr().err


def test_params_are_written_and_checked(
    dahlia: Callable[..., object], capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    assert dahlia("params", "--check") == 0
    assert dahlia("params", "domain=food", "split.folds=10") == 0
    assert "params.yaml: garden, Food, quick" in capsys.readouterr().out
    assert dahlia("params", "--check") == 2
    assert "is not the composition of conf/. Write it with `dahlia params`." in capsys.readouterr().err
    assert dahlia("params", "--check", "domain=food", "split.folds=10") == 0
    assert dahlia("params", "domain=fod") == 2


@pytest.mark.parametrize(
    ("text", "message"), [("a: [", "is not YAML"), (None, "is not there")], ids=["not yaml", "missing"]
)
def test_params_that_cannot_be_checked(
    dahlia: Callable[..., object],
    capsys: pytest.CaptureFixture[str],
    folder: Path,
    text: str | None,
    message: str,
) -> None:
    (folder / "params.yaml").unlink()
    if text is not None:
        (folder / "params.yaml").write_text(text)
    assert dahlia("params", "--check") == 2
    assert message in capsys.readouterr().err


def test_init_and_domains(
    dahlia: Callable[..., object],
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert dahlia("init", str(tmp_path / "garden")) == 0
    assert "dvc repro" in capsys.readouterr().out
    assert dahlia("init", str(tmp_path / "garden")) == 2
    assert "which has files" in capsys.readouterr().err
    monkeypatch.chdir(tmp_path / "garden")
    assert dahlia("params", "--check") == 0
    assert dahlia("domains") == 0


def test_a_project_of_detection(
    dahlia: Callable[..., object],
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert dahlia("init", "--task", "detection", str(tmp_path / "garden")) == 0
    assert "regions.csv" in capsys.readouterr().out
    monkeypatch.chdir(tmp_path / "garden")
    assert dahlia("params", "--check") == 0
    assert dahlia("sample", "--scenes", "3") == 0
    assert Path("data/images/regions.csv").is_file()
    assert dahlia("params", "domain=general_compact") == 0
    assert load_params(Path("params.yaml")).kind == "multiclass"
    assert dahlia("params", "domain=detection_general_compact") == 0
    assert load_params(Path("params.yaml")).kind == "detection"


@pytest.mark.parametrize(
    ("arguments", "drawn"),
    [
        (("--task", "detection"), {"scene_000.jpg", "scene_059.jpg", "regions.csv"}),
        (("--images-per-tag", "1"), {"daisy", "daffodil", "dahlia"}),
        (("--task", "classification", "--images-per-tag", "1"), {"daisy", "daffodil", "dahlia"}),
    ],
)
def test_sample_photos_are_those_of_the_task(
    dahlia: Callable[..., object],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    drawn: set[str],
) -> None:
    def scenes(target: Path, *, images: int, seed: int, size: int) -> None:
        assert size > 0
        target.mkdir()
        for name in (*(f"scene_{number:03d}.jpg" for number in range(images)), "regions.csv"):
            (target / name).touch()

    monkeypatch.setattr(dahlia_samples, "generate_scenes", scenes)
    assert dahlia("sample", "--out", str(tmp_path / "photos"), *arguments) == 0
    found = {path.name for path in (tmp_path / "photos").iterdir()}
    assert drawn <= found


def test_a_demo_of_another_task_has_a_project_of_its_own(tmp_path: Path, folder: Path) -> None:
    assert demo_project(folder, None) == folder
    assert demo_project(folder, "classification") == folder
    made = demo_project(folder, "detection")
    assert made == folder / "demo-detection"
    assert task_of(made) == "detection"
    assert demo_project(folder, "detection") == made
    assert demo_project(made, "detection") == made


def test_a_full_disk_is_said(
    dahlia: Callable[..., object],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    folder: Path,
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    before = (folder / "params.yaml").read_bytes()
    monkeypatch.setattr(os, "fsync", full)
    assert dahlia("params", "domain=food") == 1
    assert "No space left on device. Free some space" in capsys.readouterr().err
    assert (folder / "params.yaml").read_bytes() == before


def test_a_reader_that_leaves_early_sees_no_traceback() -> None:
    script = (
        "import sys; sys.argv = ['dahlia', 'x']; import click; from dahlia import cli\n"
        "@cli.cli.command('x')\n"
        "def x(): [click.echo('y' * 9999) for _ in range(99)]\n"
        "cli.main()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == ""
    process.stderr.close()
    process.wait()


def test_python_m_dahlia_is_dahlia(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["dahlia", "--version"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("dahlia", run_name="__main__")
    assert ended.value.code == 0


def _interrupt(process: subprocess.Popen[str], ready: Callable[[], bool]) -> str:
    """Ctrl-C as a terminal sends it, to the process and its children, once it is ready."""
    deadline = time.monotonic() + 120
    while not ready():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    return process.communicate(timeout=120)[1]


def _start(folder: Path, *command: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *command],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_ctrl_c_ends_with_130_and_a_line(folder: Path) -> None:
    script = (
        "import pathlib, sys, time; sys.argv = ['dahlia', 'stage', 'track']\n"
        "from dahlia import cli\n"
        "import dahlia.stages.track as stage\n"
        "stage.run = lambda *_: (pathlib.Path('ready').touch(), time.sleep(60))\n"
        "cli.main()"
    )
    process = _start(folder, "-c", script)
    said = _interrupt(process, (folder / "ready").exists)
    assert process.returncode == 130
    assert said.strip() == "Interrupted. What was finished is kept; run the same command again."


@pytest.mark.slow
def test_ctrl_c_while_training_keeps_the_features(project: SmallProject) -> None:
    import yaml

    project.plant(red=800, blue=800)
    values = project.params.model_dump(by_alias=True)
    (project.root / "params.yaml").write_text(yaml.safe_dump(values))
    features = project.root / ".dahlia" / "features"
    process = _start(project.root, "-m", "dahlia", "stage", "train")
    said = _interrupt(
        process, lambda: any(path.stat().st_size > 50_000 for path in features.glob("*.sqlite"))
    )
    assert process.returncode == 130
    assert said.strip().splitlines()[-1].startswith("Interrupted. What was finished is kept")
    assert "Traceback" not in said
    assert not (project.root / "models").exists()


def test_a_message_is_printable_and_not_too_long() -> None:
    assert message("a\x1b[2J\u202e\nb") == "a\N{REPLACEMENT CHARACTER}[2J\N{REPLACEMENT CHARACTER}\nb"
    assert len(message("x" * 10_000_000)) < 3000
