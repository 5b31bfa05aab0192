from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import lightning.pytorch as pl
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from dahlia.composition import choices, compose
from dahlia.config import check_params
from dahlia.errors import ConfigError
from dahlia.params import TrainerParams
from dahlia.training.trainer import make_trainer, translated_refusals
from small_projects import REPOSITORY

CPU = TrainerParams(accelerator="cpu")
CSV = "lightning.pytorch.loggers.CSVLogger"


class Module(pl.LightningModule):
    def __init__(self, error: BaseException | None = None) -> None:
        super().__init__()
        self.error = error
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def training_step(self, batch: object, batch_idx: int) -> torch.Tensor:
        if self.error is not None:
            raise self.error
        self.log("train_loss", self.weight.sum())
        return self.weight.sum()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.1)


class Counter(pl.Callback):
    batches = 0

    def on_train_batch_end(self, *_: object) -> None:
        self.batches += 1


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    before = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, before)


def fit(module: Module, **options: object) -> None:
    loader = DataLoader(TensorDataset(torch.zeros(3, 1)), batch_size=1)
    settings = options.pop("settings", CPU)
    assert isinstance(settings, TrainerParams)
    make_trainer(settings, max_epochs=1, **options).fit(module, loader)


def test_training_is_silent(capfd: pytest.CaptureFixture[str]) -> None:
    module = Module()
    fit(module)
    assert module.weight.item() == pytest.approx(-0.3)
    assert capfd.readouterr() == ("", "")


def test_callbacks_are_kept() -> None:
    counter = Counter()
    fit(Module(), callbacks=[counter])
    assert counter.batches == 3


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), ZeroDivisionError()], ids=lambda error: type(error).__name__
)
def test_interruptions_and_errors_come_through(error: BaseException) -> None:
    with pytest.raises(type(error)):
        fit(Module(error))


def settings_of(*overrides: str) -> TrainerParams:
    return check_params(compose(REPOSITORY, overrides), "conf/").trainer


def test_the_default_of_conf_is_that_of_older_projects() -> None:
    assert settings_of() == TrainerParams()


@pytest.mark.filterwarnings("ignore")  # MLflow and SQLAlchemy warn of each other
@pytest.mark.parametrize(
    "override",
    [
        *(f"trainer={name}" for name in choices(REPOSITORY, "trainer") if name != "gpu"),
        "trainer/logger=none",
        "trainer/logger=csv",
        pytest.param("trainer/logger=mlflow", marks=pytest.mark.slow),  # MLflow makes a database
    ],
)
def test_every_choice_of_conf_trains_a_step(
    override: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    module = Module()
    fit(module, settings=settings_of("trainer.accelerator=cpu", override))
    assert module.weight.item() == pytest.approx(-0.3)


def test_every_logger_of_conf_is_tried() -> None:
    assert choices(REPOSITORY, "trainer/logger") == ["csv", "mlflow", "none"]


def test_a_gpu_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(
        ConfigError, match=r"Lightning refused the settings of `trainer`: .*gpu.*trainer=default"
    ):
        make_trainer(settings_of("trainer=gpu"))


def test_loggers_and_callbacks_are_made_and_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ours = "lightning.pytorch.callbacks"
    settings = TrainerParams(
        accelerator="cpu",
        logger={"csv": {"_target_": CSV, "save_dir": ".", "name": "run"}},
        callbacks={
            "rates": {"_target_": f"{ours}.LearningRateMonitor", "logging_interval": "step"},
            "bar": {"_target_": f"{ours}.RichProgressBar"},
            "kept": {"_target_": f"{ours}.ModelCheckpoint", "dirpath": "kept"},
        },
    )
    fit(Module(), settings=settings)
    header = (tmp_path / "run/version_0/metrics.csv").read_text().partition("\n")[0]
    assert set(header.split(",")) >= {"train_loss", "lr-SGD"}
    assert list((tmp_path / "kept").iterdir())
    unwatched = make_trainer(settings, watched=False)
    assert unwatched.loggers == []
    assert not unwatched.checkpoint_callbacks


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"logger": {"csv": {"_target_": CSV, "save_dr": "x"}}},
            r"`trainer\.logger\.csv`: unknown argument `save_dr` of lightning.*CSVLogger; known: save_dir",
        ),
        (
            {"logger": {"csv": {"_target_": CSV}}},
            r"`trainer\.logger\.csv`: lightning.*CSVLogger refused its arguments: .*save_dir",
        ),
        (
            {"logger": {"csv": {"_target_": "lightning.pytorch.callbacks.Timer"}}},
            r"`trainer\.logger\.csv\._target_` cannot be .*expected a class that extends .*Logger",
        ),
        ({"target": CSV}, r"`trainer\._target_` cannot be .*expected a class that extends .*Trainer"),
    ],
    ids=["argument", "missing", "kind", "trainer"],
)
def test_what_cannot_be_made(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make_trainer(CPU.model_copy(update=changes))


def test_what_lightning_refuses_when_it_starts() -> None:
    watching = {"stats": {"_target_": "lightning.pytorch.callbacks.DeviceStatsMonitor"}}
    with (
        pytest.raises(ConfigError, match="Lightning refused the settings of `trainer`: Cannot use"),
        translated_refusals(),
    ):
        fit(Module(), settings=CPU.model_copy(update={"callbacks": watching}))
