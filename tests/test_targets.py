"""Which classes parameters may name by `_target_`."""

from __future__ import annotations

import importlib
import inspect
import shutil
import sys
from pathlib import Path

import pytest
import yaml

from dahlia.composition import compose, write_params
from dahlia.config import load_params
from dahlia.errors import ConfigError
from dahlia.target_classes import CLASSES, TRAINER
from dahlia.targets import CALLBACK, TRACKING_URI, TRUSTED, arguments_of, named_class
from small_projects import REPOSITORY

CSV = "lightning.pytorch.loggers.CSVLogger"
MLFLOW = "lightning.pytorch.loggers.MLFlowLogger"
CHECKPOINT = "lightning.pytorch.callbacks.ModelCheckpoint"
NAMES = r"expected a class that docs/training\.md lists, .*DAHLIA_TRAINER_CLASSES.*no other code is run"
PLAIN = "expected plain arguments, received"
BELOW = "expected a relative path below the project"
STORE = r"`trainer\.logger\.mine\.tracking_uri` is not in the project: .*set DAHLIA_TRACKING_URI"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    shutil.copytree(REPOSITORY / "conf", tmp_path / "conf")
    return tmp_path


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (TRUSTED, TRACKING_URI, "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)


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
        (
            {"_target_": "lightning.pytorch.loggers.CSVLoger"},
            r"such as lightning\.pytorch\.loggers\.CSVLogger",
        ),
        ({"_target_": "lightning.pytorch.loggers.WandbLogger"}, NAMES),
        ({"_target_": "lightning.pytorch.loggers.csv_logs.CSVLogger"}, NAMES),
        ({"_target_": "dahlia.targets.named_class"}, NAMES),
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
        ({"_target_": "lightning.pytorch.Trainer"}, "expected a class that extends .*Logger"),
        ({"_target_": CHECKPOINT}, "expected a class that extends .*Logger"),
        ({"_target_": CSV, "version": "x"}, "unknown argument `version` .*known: save_dir, name"),
        ({"_target_": CSV, "prefix": 1}, "`prefix` cannot be 1: Input should be a valid string"),
        ({"_target_": CSV, "save_dir": "reference::ref.json"}, f"{PLAIN} `reference::ref.json`"),
        ({"_target_": CSV, "save_dir": "http://a.example"}, f"{PLAIN} `http://a.example`"),
        ({"_target_": CSV, "save_dir": "data:x"}, BELOW),
        ({"_target_": CSV, "save_dir": "/tmp/x"}, BELOW),
        ({"_target_": CSV, "save_dir": "logs/../../x"}, BELOW),
        ({"_target_": CSV, "save_dir": "~/x"}, BELOW),
        ({"_target_": CSV, "save_dir": "$HOME"}, BELOW),
        ({"_target_": CSV, "save_dir": "C:\\x"}, BELOW),
        ({"_target_": CSV, "save_dir": "???"}, BELOW),
        ({"_target_": CSV, "save_dir": ""}, BELOW),
        ({"_target_": CSV, "save_dir": "logs", "name": ".."}, BELOW),
        ({"_target_": CSV, "save_dir": "logs", "name": "a/b"}, "expected the name of a folder"),
        ({"_target_": CSV, "save_dir": "linked"}, "linked leads out of the project through a link"),
        (
            {"_target_": CSV, "save_dir": "logs"},
            "logs/lightning_logs leads out of the project through a link",
        ),
        ({"_target_": MLFLOW, "tags": {"a": 1}}, "`tags` cannot be .*Input should be a valid string"),
        ({"_target_": MLFLOW, "artifact_location": "x"}, "unknown argument `artifact_location`"),
        ({"_target_": MLFLOW, "tracking_uri": "https://a.example"}, STORE),
        ({"_target_": MLFLOW, "tracking_uri": "databricks"}, STORE),
        ({"_target_": MLFLOW, "tracking_uri": "sqlite:////tmp/x.db"}, STORE),
        ({"_target_": MLFLOW, "tracking_uri": "sqlite:///../x.db"}, STORE),
        ({"_target_": MLFLOW, "tracking_uri": "sqlite:///file:x?uri=true"}, STORE),
        ({"_target_": MLFLOW, "tracking_uri": "file:///tmp/x"}, STORE),
        ({"_target_": MLFLOW, "tracking_uri": "file:runs"}, STORE),
        ({"_target_": MLFLOW, "tracking_uri": "file:%2e%2e/x"}, STORE),
        (
            {"_target_": MLFLOW, "tracking_uri": "sqlite:///linked/x.db"},
            "linked/x.db leads out",
        ),
    ],
)
def test_refused(root: Path, logger: object, message: str) -> None:
    (root / "linked").symlink_to("/")
    (root / "logs").mkdir()
    (root / "logs/lightning_logs").symlink_to("/")
    with pytest.raises(ConfigError, match=message):
        choose(root, logger)
    assert not (root / "params.yaml").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("'${oc.env:HOME}'", PLAIN),
        ("'${hydra:x}'", PLAIN),
        ("'${nope'", PLAIN),
        ("!!binary aGk=", PLAIN),
        ("2020-01-01", PLAIN),
        ("!!pairs [a: {_target_: os.getcwd}]", PLAIN),
        ("!!omap [a: {_target_: os.getcwd}]", PLAIN),
        ("!!set {a}", PLAIN),
        ("&a [*a]", PLAIN),
        ("{1: 2}", PLAIN),
        ("'???'", BELOW),
    ],
)
def test_values_that_only_params_yaml_can_have(root: Path, text: str, message: str) -> None:
    write_params(root, ["trainer/logger=csv"])
    written = (root / "params.yaml").read_text()
    (root / "params.yaml").write_text(written.replace("save_dir: .dahlia/logs", f"save_dir: {text}"))
    with pytest.raises(ConfigError, match=message):
        load_params(root / "params.yaml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("'${nope'", "cannot be composed with trainer=mine: an interpolation .* cannot be read"),
        ("'q${'", "cannot be composed with trainer=mine: an interpolation .* cannot be read"),
        ("'${hydra:x}'", "cannot be composed with trainer=mine: .*HydraConfig was not set"),
        ("!!set {a}", "cannot be composed with trainer=mine: .*of a kind that Hydra does not take"),
        ("&a [*a]", "holds a value that contains itself"),
        ("!!binary aGk=", PLAIN),
        (r"'\${oc.env:HOME}'", PLAIN),
    ],
)
def test_values_that_conf_cannot_have(root: Path, text: str, message: str) -> None:
    (root / "conf/trainer/mine.yaml").write_text(
        f"defaults: [default]\nlogger: {{mine: {{_target_: {CSV}, save_dir: {text} }} }}\n"
    )
    with pytest.raises(ConfigError, match=message):
        write_params(root, ["trainer=mine"])


def test_interpolations_of_conf_are_resolved_once(root: Path) -> None:
    choose(root, {"_target_": CSV, "save_dir": "logs", "name": "${project.name}"})
    assert load_params(root / "params.yaml").trainer.logger["mine"]["name"] == "garden"


@pytest.mark.parametrize(
    ("trusted", "name", "message"),
    [
        ("own_loggers", "own_loggers.Quiet", None),
        (" x.y, own_loggers.Quiet", "own_loggers.Quiet", None),
        ("own_loggers.Quieter", "own_loggers.Quiet", NAMES),
        ("own", "own_loggers.Quiet", NAMES),
        (",", "own_loggers.Quiet", NAMES),
        ("own_loggers", "own_loggers.Other", "expected a class that extends .*Logger"),
        ("own_loggers", "own_loggers._Private", NAMES),
        ("own_loggers", "own_loggers.Nothing", "has no attribute 'Nothing'.* Correct the name"),
        ("no_such", "no_such.X", "No module named 'no_such'"),
        ("lightning", "lightning.pytorch.seed_everything", "expected a class that extends .*Logger"),
    ],
)
def test_classes_that_the_machine_trusts(
    root: Path, monkeypatch: pytest.MonkeyPatch, trusted: str, name: str, message: str | None
) -> None:
    (root / "own_loggers.py").write_text(
        "from lightning.pytorch.loggers import CSVLogger\n"
        "class Quiet(CSVLogger):\n    def __init__(self, levels): super().__init__('logs')\n"
        "class Other: pass\nclass _Private(Quiet): pass\n"
    )
    monkeypatch.syspath_prepend(str(root))
    monkeypatch.delitem(sys.modules, "own_loggers", raising=False)
    monkeypatch.setenv(TRUSTED, trusted)
    logger = {"_target_": name, "levels": {"a": [1, 2.5, None]}}
    if message is None:
        choose(root, logger)
        return
    with pytest.raises(ConfigError, match=message):
        choose(root, logger)


def test_arguments_of_a_trusted_class_are_plain(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TRUSTED, "lightning")
    choose(root, {"_target_": CSV, "save_dir": "/var/log/x"})
    for value in ("reference::x", "http://a.example", {"a": {"_target_": "os.getcwd"}}, [[[[[1]]]]]):
        with pytest.raises(ConfigError, match=PLAIN):
            choose(root, {"_target_": CSV, "save_dir": value})


@pytest.mark.parametrize("name", sorted(set(CLASSES) - {TRAINER}))
def test_what_is_listed_is_there_and_has_these_arguments(name: str) -> None:
    module, _, last = name.rpartition(".")
    found = getattr(importlib.import_module(module), last)
    assert set(CLASSES[name]) <= set(inspect.signature(found.__init__).parameters)
    listed = (REPOSITORY / "docs/training.md").read_text(encoding="utf-8").splitlines()
    row = next(line for line in listed if line.startswith("|") and f"`{last}`" in line)
    assert all(f"`{argument}`" in row for argument in CLASSES[name])


def arguments(values: dict[str, object], root: Path) -> dict[str, object]:
    return arguments_of({"_target_": MLFLOW, **values}, "trainer.logger.mine", root)


@pytest.mark.parametrize("folder", ["kept", None])
def test_a_checkpoint_is_not_written_through_a_link(root: Path, folder: str | None) -> None:
    values = {"_target_": CHECKPOINT, **({"dirpath": folder} if folder else {})}
    place = root / (folder or "checkpoints")
    place.mkdir()
    (place / "plain.ckpt").touch()
    (place / "last.ckpt").symlink_to("plain.ckpt")
    arguments_of(values, "trainer.callbacks.kept", root)
    (place / "epoch=0-step=1.ckpt").symlink_to(root.parent / "elsewhere")
    with pytest.raises(ConfigError, match=r"epoch=0-step=1\.ckpt leads out of the project"):
        arguments_of(values, "trainer.callbacks.kept", root)


def test_training_runs_go_where_iterations_go(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    local = {"tracking_uri": "sqlite:///mlflow.db"}
    assert arguments(local, root) == local
    assert arguments({}, root) == {}
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://ours.example")
    assert arguments(local, root) == local
    ours = {"tracking_uri": "https://ours.example"}
    assert arguments(ours, root) == ours
    with pytest.raises(ConfigError, match=STORE):
        arguments({"tracking_uri": "https://ours.example.evil.example"}, root)
    monkeypatch.setenv(TRACKING_URI, "https://iterations.example")
    for given in ({}, local, ours, {"tracking_uri": "https://other.example"}):
        assert arguments(given, root) == {"tracking_uri": "https://iterations.example"}


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
