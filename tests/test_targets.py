"""Which classes parameters may name by `_target_`."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from dahlia.composition import compose, write_params
from dahlia.errors import ConfigError
from dahlia.targets import CALLBACK, named_class
from small_projects import REPOSITORY

CSV = "lightning.pytorch.loggers.CSVLogger"
NAMES = r"expected the public name of a class in `lightning\.` or `dahlia\.`.*no other code is run"
PLAIN = "expected plain arguments, received"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    shutil.copytree(REPOSITORY / "conf", tmp_path / "conf")
    return tmp_path


def choose(root: Path, logger: object) -> None:
    chosen = {"defaults": ["default"], "logger": {"mine": logger}}
    (root / "conf/trainer/mine.yaml").write_text(yaml.safe_dump(chosen))
    write_params(root, ["trainer=mine"])


def test_a_logger_of_the_users_own(root: Path) -> None:
    choose(root, {"_target_": CSV, "save_dir": "logs", "prefix": "a"})
    written = yaml.safe_load((root / "params.yaml").read_text())
    assert written["trainer"]["logger"]["mine"]["save_dir"] == "logs"


@pytest.mark.parametrize(
    ("logger", "message"),
    [
        ({"_target_": "os.system", "command": "exit 1"}, NAMES),
        ({"_target_": "subprocess.Popen", "args": ["false"]}, NAMES),
        ({"_target_": "lightning_fabric.x.Y"}, NAMES),
        ({"_target_": "dahlia.__main__.main"}, NAMES),
        ({"_target_": "lightning"}, NAMES),
        ({"_target_": ""}, NAMES),
        ({"save_dir": "logs"}, "expected the name of a class under `_target_`"),
        ({"_target_": 3}, "expected the name of a class under `_target_`"),
        ({"_target_": CSV, "save_dir": {"_target_": "os.getcwd"}}, f"{PLAIN} `_target_`"),
        ({"_target_": CSV, "save_dir": [{"_target_": "os.getcwd"}]}, f"{PLAIN} `_target_`"),
        ({"_target_": CSV, "_partial_": True}, f"{PLAIN} `_partial_`"),
        ({"_target_": CSV, "save_dir": {"_args_": [1]}}, f"{PLAIN} `_args_`"),
        (
            {"_target_": "lightning.pytorch.loggers.CSVLoger"},
            r"`trainer\.logger\.mine\._target_` cannot be .*no attribute 'CSVLoger'\. Correct the name",
        ),
        ({"_target_": "lightning.nothing.X"}, "No module named 'lightning.nothing'"),
        ({"_target_": "lightning.pytorch.seed_everything"}, "expected a class that extends .*Logger"),
        ({"_target_": "lightning.pytorch.Trainer"}, "expected a class that extends .*Logger"),
        ({"_target_": "dahlia.targets.named_class"}, "expected a class that extends .*Logger"),
    ],
)
def test_refused(root: Path, logger: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        choose(root, logger)
    assert not (root / "params.yaml").exists()


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("trainer._target_=os.system", NAMES),
        ("trainer.devices=0", r"`trainer\.devices` cannot be 0: .*auto or a number of devices"),
        ("trainer.devices=all", "cannot be 'all': .*auto or a number of devices"),
        ("trainer.precision=bf16", "cannot be 'bf16'; known: auto, 32-true, bf16-mixed"),
        ("trainer.strategy=ddp", "cannot be 'ddp'; known: auto, ddp_spawn"),
        ("trainer.acelerator=cpu", r"unknown key `trainer\.acelerator`; did you mean accelerator"),
        ("trainer=gp", "`trainer` has no choice 'gp'; did you mean gpu"),
        ("trainer/logger=cvs", "`trainer/logger` has no choice 'cvs'; did you mean csv"),
        ("trainer/loger=csv", "unknown group `trainer/loger`; did you mean trainer/logger"),
    ],
)
def test_settings_of_trainers_that_are_refused(override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        compose(REPOSITORY, [override])


def test_overrides_as_in_other_projects_of_hydra_and_lightning() -> None:
    found = compose(REPOSITORY, ["trainer=gpu", "trainer.precision=16-mixed", "trainer/logger=mlflow"])[
        "trainer"
    ]
    assert (found["accelerator"], found["precision"]) == ("gpu", "16-mixed")
    assert found["logger"]["mlflow"]["tracking_uri"] == "sqlite:///mlflow.db"


def test_a_name_is_checked_again_before_it_is_imported() -> None:
    with pytest.raises(ConfigError, match=NAMES):
        named_class("os.system", CALLBACK, "trainer.callbacks.x")
