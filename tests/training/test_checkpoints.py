"""Checkpoints: whole or not at all, without pickle, and a run that goes on from one is the same run."""

from __future__ import annotations

import json
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from safetensors.torch import save_file
from torch.utils.data import DataLoader, TensorDataset

from dahlia.errors import DahliaError, TrainingError
from dahlia.params import TrainerParams
from dahlia.training.trainer import SafetensorsCheckpoints, make_trainer

FILES = SafetensorsCheckpoints()
DTYPES = [
    *(torch.float64, torch.float32, torch.float16, torch.bfloat16),
    *(torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool),
]


def round_trip(value: dict[str, Any], path: Path) -> dict[str, Any]:
    FILES.save_checkpoint(value, path)
    return FILES.load_checkpoint(path)


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"epoch": 3, "rate": 1e-3, "name": "Größe", "on": True, "off": False, "none": None},
        {"state": {0: {"step": 1}, 7: {"step": 2}}, (1, 2): [1, [2.5, (3, "a")], ()]},
        {"inf": [float("inf"), float("-inf")], "empty": [{}, [], ()]},
        {"tensor": "0", "dict": "no tensor", "tuple": [1], 1: True, "1": 1},
        {"nested": {"tensor": {"dict": {"tuple": 1}}}},
    ],
    ids=str,
)
def test_numbers_and_texts_come_back(value: dict[str, Any], tmp_path: Path) -> None:
    back = round_trip(value, tmp_path / "c")
    assert back == value
    assert repr(back) == repr(value)  # 1, 1.0 and True are equal, and are not the same


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3, 4)], ids=str)
def test_tensors_come_back(dtype: torch.dtype, shape: tuple[int, ...], tmp_path: Path) -> None:
    tensor = (torch.arange(24)[: max(1, torch.Size(shape).numel())] % 2).to(dtype)
    tensor = tensor[: torch.Size(shape).numel()].reshape(shape)
    back = round_trip({"a": [tensor]}, tmp_path / "c")["a"][0]
    assert back.dtype == dtype
    assert back.shape == shape
    assert torch.equal(back, tensor)


def test_tensors_that_share_memory(tmp_path: Path) -> None:
    tensor = torch.arange(6.0)
    value = {"tied": tensor, "again": tensor, "part": tensor[2:], "turned": tensor.view(2, 3).T}
    back = round_trip(value, tmp_path / "c")
    assert all(torch.equal(back[name], value[name]) for name in value)
    back["tied"].zero_()
    assert back["part"].tolist() == [2, 3, 4, 5]


@pytest.mark.parametrize("shape", [(4, 3, 5, 2), (4, 1, 3, 3), (4, 3, 1, 1), (1, 3, 2, 2)], ids=str)
def test_tensors_keep_their_layout(shape: tuple[int, ...], tmp_path: Path) -> None:
    tensor = torch.rand(shape).to(memory_format=torch.channels_last)
    back = round_trip({"a": tensor}, tmp_path / "c")["a"]
    assert back.stride() == tensor.stride()
    assert torch.equal(back, tensor)


def test_layouts_that_do_not_fit(tmp_path: Path) -> None:
    header = {"dict": [["a", {"tensor": ["0", [100, 1]]}]]}
    save_file({"0": torch.ones(2, 2)}, tmp_path / "c", metadata={"state": json.dumps(header)})
    with pytest.raises(TrainingError, match=r"cannot be read \(strides"):
        FILES.load_checkpoint(tmp_path / "c")


def test_a_parameter_that_learns(tmp_path: Path) -> None:
    back = round_trip({"p": torch.nn.Parameter(torch.ones(2))}, tmp_path / "c")["p"]
    assert not back.requires_grad
    assert back.tolist() == [1, 1]


@pytest.mark.parametrize("value", [{"a": object()}, {"a": {1, 2}}, {"a": b"bytes"}, {"a": [lambda: 1]}])
def test_what_cannot_be_kept(value: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"may hold tensors, numbers and texts, received \w+\. Keep"):
        FILES.save_checkpoint(value, tmp_path / "c")
    assert list(tmp_path.iterdir()) == []


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def without_header(path: Path) -> None:
    save_file({"a": torch.zeros(2)}, path)


@pytest.mark.parametrize(
    "damage",
    [
        truncated,
        without_header,
        Path.unlink,
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"no tensors here, however long this is"),
        lambda path: save_file({"a": torch.zeros(2)}, path, {"state": "{"}),
        lambda path: save_file({"a": torch.zeros(2)}, path, {"state": '{"tensor": "b"}'}),
        lambda path: save_file({"a": torch.zeros(2)}, path, {"state": '{"other": 1}'}),
        lambda path: save_file({"a": torch.zeros(2)}, path, {"state": '{"dict": 1, "tuple": 2}'}),
    ],
)
def test_a_file_that_is_damaged(damage: Any, tmp_path: Path) -> None:
    path = tmp_path / "c.safetensors"
    FILES.save_checkpoint({"a": torch.ones(100)}, path)
    damage(path)
    with pytest.raises(TrainingError, match=r"c\.safetensors cannot be read .*Delete it"):
        FILES.load_checkpoint(path)


@contextmanager
def disk_of(size: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_that_is_full_keeps_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "c"
    FILES.save_checkpoint({"a": torch.ones(2)}, path)
    with disk_of(4096), pytest.raises(DahliaError, match=r"could not be written: .*Free some space"):
        FILES.save_checkpoint({"a": torch.ones(100_000)}, path)
    assert FILES.load_checkpoint(path)["a"].tolist() == [1, 1]
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DahliaError, match=r"could not be written"):
        FILES.save_checkpoint({"a": 1}, tmp_path / "file" / "c")


def test_removal_of_what_is_not_there(tmp_path: Path) -> None:
    FILES.save_checkpoint({}, tmp_path / "c")
    for _ in range(2):
        FILES.remove_checkpoint(tmp_path / "c")
    assert list(tmp_path.iterdir()) == []


class Line(pl.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer = torch.nn.Linear(3, 2)
        self.tied = self.layer

    def training_step(self, batch: list[torch.Tensor], batch_idx: int) -> torch.Tensor:
        return (self.tied(batch[0]) - 1).square().mean()

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.AdamW(self.parameters(), 0.1)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 / (1 + step))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


class Keeps(pl.Callback):
    def __init__(self, path: Path, stop_after: int) -> None:
        self.path, self.stop_after = path, stop_after

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        trainer.save_checkpoint(self.path)
        if trainer.current_epoch + 1 == self.stop_after:
            raise InterruptedError


def fit(path: Path, stop_after: int, ckpt_path: Path | None = None) -> Line:
    torch.manual_seed(1)
    loader = DataLoader(TensorDataset(torch.rand(10, 3)), batch_size=4)
    line = Line()
    trainer = make_trainer(
        TrainerParams(accelerator="cpu"),
        max_epochs=4,
        plugins=[FILES],
        callbacks=[Keeps(path, stop_after)],
        accumulate_grad_batches=2,
    )
    trainer.fit(line, loader, ckpt_path=ckpt_path)
    assert trainer.global_step == 8
    return line


@pytest.mark.portable
@pytest.mark.parametrize("after", [1, 2, 3])
def test_a_fit_that_goes_on_is_the_same_fit(after: int, tmp_path: Path) -> None:
    whole = fit(tmp_path / "whole", 0)
    with pytest.raises(InterruptedError):
        fit(tmp_path / "part", after)
    again = fit(tmp_path / "part", 0, tmp_path / "part")
    assert all(torch.equal(one, two) for one, two in zip(whole.parameters(), again.parameters(), strict=True))
