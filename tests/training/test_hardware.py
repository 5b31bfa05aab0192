from __future__ import annotations

import pytest
import torch

from dahlia.training import hardware


@pytest.mark.parametrize(
    ("available", "native", "expected"),
    [(False, False, "32-true"), (True, False, "32-true"), (True, True, "bf16-mixed")],
)
def test_precision(monkeypatch: pytest.MonkeyPatch, available: bool, native: bool, expected: str) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: available)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: native)
    assert hardware.precision() == expected


@pytest.mark.parametrize(
    ("gpus", "seconds", "expected"), [(0, 1e3, 1), (1, 1e3, 1), (4, 1e3, 4), (4, 30.0, 1)]
)
def test_several_devices_where_they_pay(
    monkeypatch: pytest.MonkeyPatch, gpus: int, seconds: float, expected: int
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    devices = hardware.devices_for(seconds)
    assert devices == expected
    assert hardware.trainer_options(devices)["strategy"] == ("ddp_spawn" if expected > 1 else "auto")


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
    assert hardware.is_out_of_memory(error) == expected


def test_the_allocators_own_words() -> None:
    with pytest.raises(RuntimeError) as raised:
        torch.empty(2**60)
    assert hardware.is_out_of_memory(raised.value)
