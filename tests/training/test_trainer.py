from __future__ import annotations

import signal
from collections.abc import Iterator

import lightning.pytorch as pl
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from dahlia.training.trainer import make_trainer


class Module(pl.LightningModule):
    def __init__(self, error: BaseException | None = None) -> None:
        super().__init__()
        self.error = error
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def training_step(self, batch: object, batch_idx: int) -> torch.Tensor:
        if self.error is not None:
            raise self.error
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
    make_trainer(max_epochs=1, accelerator="cpu", **options).fit(module, loader)


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
