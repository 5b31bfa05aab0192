from __future__ import annotations

import pytest
import torch

from dahlia.params import TrainerParams
from dahlia.training import trainer

AUTO, CPU = TrainerParams(), TrainerParams(accelerator="cpu")


@pytest.mark.parametrize(
    ("settings", "available", "native", "expected"),
    [
        (AUTO, False, False, "32-true"),
        (AUTO, True, False, "32-true"),
        (AUTO, True, True, "bf16-mixed"),
        (CPU, True, True, "32-true"),
        (TrainerParams(precision="16-mixed"), True, True, "16-mixed"),
    ],
)
def test_precision(
    monkeypatch: pytest.MonkeyPatch, settings: TrainerParams, available: bool, native: bool, expected: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: available)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: native)
    assert trainer.precision(settings) == expected


@pytest.mark.parametrize(
    ("settings", "gpus", "seconds", "expected"),
    [
        (AUTO, 0, 1e3, 1),
        (AUTO, 1, 1e3, 1),
        (AUTO, 4, 1e3, 4),
        (AUTO, 4, 30.0, 1),
        (CPU, 4, 1e3, 1),
        (TrainerParams(devices=2), 4, 30.0, 2),
    ],
)
def test_several_devices_where_they_pay(
    monkeypatch: pytest.MonkeyPatch, settings: TrainerParams, gpus: int, seconds: float, expected: int
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    devices = trainer.devices_for(settings, seconds)
    assert devices == expected
    options = trainer.fit_options(settings, devices)
    assert (options["devices"], options.get("strategy")) == (devices, "ddp_spawn" if expected > 1 else None)


def test_a_strategy_of_the_users_own_is_left() -> None:
    assert "strategy" not in trainer.fit_options(TrainerParams(strategy="ddp_fork"), 2)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), True),
        (MemoryError(), True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ValueError("can't allocate memory"), False),
        (KeyboardInterrupt(), False),
    ],
)
def test_what_is_out_of_memory(error: BaseException, expected: bool) -> None:
    assert trainer.is_out_of_memory(error) == expected


def test_the_allocators_own_words() -> None:
    with pytest.raises(RuntimeError) as raised:
        torch.empty(2**60)
    assert trainer.is_out_of_memory(raised.value)
