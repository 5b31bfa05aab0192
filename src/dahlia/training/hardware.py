"""What fine-tuning runs on: devices, precision, and what to say when memory is short."""

from __future__ import annotations

from typing import Any

import torch

# Starting processes and loading photos into each takes 10 to 20 s per run.
_SEVERAL_PAY_FROM = 60.0


def precision() -> str:
    """Lightning's name of it: bfloat16 where a GPU computes it natively, else float32.

    CPUs with bfloat16 instructions stay with float32: on one with AVX512-BF16 a step of
    mobilenetv4_conv_small at 160 px took 3 to 5 times as long in bfloat16.
    """
    native = torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False)
    return "bf16-mixed" if native else "32-true"


def narrowed_inference(device: torch.device) -> torch.autocast:
    """A context in which convolutions without gradients run in bfloat16, where the device multiplies it.

    On a CPU with AVX512-BF16 the forward pass of MobileNet 1.0 takes 0.45 of its time in float32; training
    does not gain (see `precision`).
    """
    if device.type == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        native = bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return torch.autocast(device.type, torch.bfloat16, enabled=native)


def devices_for(seconds_per_run: float) -> int:
    """All GPUs where one needs more than a minute for a run, else one device."""
    return max(1, torch.cuda.device_count()) if seconds_per_run > _SEVERAL_PAY_FROM else 1


def trainer_options(devices: int) -> dict[str, Any]:
    """Options of a Lightning trainer. Several devices are one process each, started for the fit alone."""
    return {
        "accelerator": "auto",
        "devices": devices,
        "strategy": "ddp_spawn" if devices > 1 else "auto",
        "precision": precision(),
        # CPU kernels repeat themselves as they are; on a GPU it takes the slower ones.
        "deterministic": "warn" if torch.cuda.is_available() else False,
        "use_distributed_sampler": False,
    }


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory of a GPU or of the machine was refused."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and (
        "can't allocate memory" in text or "outofmemoryerror" in text or "cuda out of memory" in text
    )
