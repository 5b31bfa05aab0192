from __future__ import annotations

import contextlib
import csv
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from pretraining_corpora import folder_corpus
from safetensors.torch import load_file

from dahlia import targets
from dahlia.cli import main
from dahlia.composition import compose_alone
from dahlia.errors import ConfigError
from dahlia.modeling.backbones import load_backbone
from dahlia.project import create_project
from dahlia_pretraining import PretrainingParams
from dahlia_pretraining.pretraining import pretrain

LOGGERS = "lightning.pytorch.loggers"
SMALL = (
    "student.weights=none",
    "batch_size=8",
    "sizes=[32]",
    "stored_size=32",
    "epochs=8",
    "checkpoint_steps=3",
    "teacher={architecture: mobilenetv4_conv_small, weights: none}",
)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("pretraining") / "project"
    create_project(root)
    folder_corpus(root / "corpus")
    return root


def command(project: Path, *overrides: str, warnings: str = "ignore") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-u", "-m", "dahlia", "pretrain", *SMALL, *overrides],
        cwd=project,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": warnings},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_the_settings_are_those_of_conf(project: Path) -> None:
    settings = compose_alone(project, "pretrain", PretrainingParams, ["corpus=photos.zip", "sizes=[64]"])
    assert (settings.corpus, settings.sizes) == ("photos.zip", [64])
    written = yaml.safe_load((project / "conf/pretrain.yaml").read_text())
    assert set(written) - {"defaults"} | {"trainer"} == set(PretrainingParams.model_fields)
    chosen = compose_alone(project, "pretrain", PretrainingParams, ["trainer=gpu", "trainer.devices=2"])
    assert (chosen.trainer.accelerator, chosen.trainer.devices) == ("gpu", 2)


@pytest.mark.parametrize("choice", ["csv", "mlflow"])
def test_loggers_are_chosen_as_for_params(project: Path, choice: str) -> None:
    chosen = compose_alone(project, "pretrain", PretrainingParams, [f"trainer/logger={choice}"])
    assert list(chosen.trainer.logger) == [choice]


def test_a_project_of_an_older_version(project: Path, tmp_path: Path) -> None:
    conf = Path(shutil.copytree(project / "conf", tmp_path / "conf"))
    older = (conf / "pretrain.yaml").read_text().replace("  - trainer: default", "  #") + "devices: auto\n"
    (conf / "pretrain.yaml").write_text(older)
    message = r"older version of Dahlia\. Copy pretrain\.yaml and trainer/ from .*conf"
    for overrides in ([], ["devices=2"], ["trainer=gpu"]):
        with pytest.raises(ConfigError, match=message):
            compose_alone(tmp_path, "pretrain", PretrainingParams, overrides)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("epoch=3", r"unknown key `epoch`; did you mean epochs"),
        ("student.weight=none", r"unknown key `student.weight`; did you mean weights"),
        ("epochs=0", r"`epochs` cannot be 0: Input should be greater than 0"),
        ("sizes=[]", r"`sizes` cannot be \[\]"),
        ("corpus", r"Expected an override like epochs=10, received 'corpus'"),
        ("sizes=[96,129]", r"`sizes.1` cannot be 129: Input should be a multiple of 2"),
        ("sizes=[16]", r"`sizes.0` cannot be 16: .*greater than or equal to 32"),
        ("trainer/logger=cvs", "`trainer/logger` has no choice 'cvs'; did you mean csv"),
        ("trainer/loger=csv", "unknown key `trainer/loger`; did you mean logger"),
        ("trainer/accelerator=cpu", "unknown group `trainer/accelerator`"),
        ("trainer=gp", "`trainer` has no choice 'gp'; did you mean gpu"),
        ("trainer.precision=bf17", r"`trainer.precision` cannot be 'bf17'; known: auto, 32-true"),
    ],
)
def test_what_settings_cannot_be(project: Path, override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        compose_alone(project, "pretrain", PretrainingParams, [override])


@pytest.mark.slow
@pytest.mark.portable
def test_killed_and_resumed_it_ends_where_it_would_have(project: Path) -> None:
    whole = command(project, "out=whole.safetensors", "trainer.devices=1")
    output = whole.communicate(timeout=280)[0]
    assert whole.returncode == 0, output
    assert "step 24 of 24" in output
    # Another folder of checkpoints: the steps between them determine nothing.
    for path in (project / ".dahlia/pretraining").rglob("last.ckpt"):
        path.unlink()
    killed = command(project, "out=resumed.safetensors")
    assert killed.stdout
    for line in killed.stdout:
        if "step 6 of" in line:
            break
    _until(lambda: any((project / ".dahlia/pretraining").rglob("last.ckpt")))
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    killed.stdout.close()
    resumed = command(project, "out=resumed.safetensors")
    output = resumed.communicate(timeout=280)[0]
    assert resumed.returncode == 0, output
    assert "continuing from the last checkpoint" in output
    assert "step 3 of" not in output
    first, second = load_file(project / "whole.safetensors"), load_file(project / "resumed.safetensors")
    assert all((first[name] == second[name]).all() for name in first)
    backbone = load_backbone("mobilenetv4_conv_small", str(project / "resumed.safetensors"))
    assert backbone.features == 2240
    record = yaml.safe_load((project / "resumed.json").read_text())
    assert (record["photos"], record["classes"], record["steps"]) == (24, 3, 24)


@pytest.mark.slow
def test_loggers_see_every_step_to_the_end(project: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(project, tmp_path / "project"))
    (root / "conf/trainer/logger/both.yaml").write_text(
        f"defaults: [mlflow]\nrows: {{_target_: {LOGGERS}.CSVLogger, save_dir: logs, name: rows}}\n"
    )
    overrides = ["epochs=2", "teacher=null", "trainer/logger=both", "trainer=cpu", "out=b.safetensors"]
    running = command(root, *overrides, warnings="ignore,error:Initializing zero-element")
    output = running.communicate(timeout=280)[0]
    assert running.returncode == 0, output
    assert "step 6 of 6" in output
    assert "database" not in output
    load_backbone("mobilenetv4_conv_small", str(root / "b.safetensors"))
    with (root / "logs/rows/version_0/metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["step"]) for row in rows] == [*range(6)]
    with contextlib.closing(sqlite3.connect(root / "mlflow.db")) as store:
        assert store.execute("SELECT status FROM runs").fetchall() == [("FINISHED",)]
        logged = store.execute("SELECT value FROM metrics WHERE key = 'label' ORDER BY step").fetchall()
    assert [value for (value,) in logged] == pytest.approx([float(row["label"]) for row in rows])


def test_a_logger_that_cannot_be_used_is_refused_before_a_photo_is_read(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(targets, "PACKAGES", {f"{LOGGERS}.TensorBoardLogger": ("not_installed_anywhere",)})
    conf = Path(shutil.copytree(project / "conf", tmp_path / "conf"))
    (conf / "trainer/logger/board.yaml").write_text(
        f"board: {{_target_: {LOGGERS}.TensorBoardLogger, save_dir: logs}}\n"
    )
    settings = compose_alone(tmp_path, "pretrain", PretrainingParams, ["trainer/logger=board"])
    with pytest.raises(ConfigError, match=r"`trainer\.logger\.board\._target_`: .*pip install not_installed"):
        pretrain(settings, tmp_path)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("corpus=nowhere", "was expected and is not there"),
        ("out=backbone.pt", "ends in .safetensors"),
        ("trainer.devices=64", "`trainer.devices` is 64, and "),
    ],
)
def test_what_a_user_can_do_wrong_has_no_traceback(
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    override: str,
    message: str,
) -> None:
    monkeypatch.chdir(project)
    monkeypatch.setattr(sys, "argv", ["dahlia", "pretrain", *SMALL, override])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code not in (0, None)
    printed = capsys.readouterr()
    assert message in printed.err
    assert "Traceback" not in printed.out + printed.err


def _until(condition: object) -> None:
    assert callable(condition)
    for _ in range(600):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("it did not happen")
