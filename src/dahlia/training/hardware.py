"""What training runs on where `trainer` says `auto`, and what to say when memory is short."""

from __future__ import annotations

from typing import Any

import torch

from dahlia.params import TrainerParams

# Starting processes and loading photos into each takes 10 to 20 s per run.
_SEVERAL_PAY_FROM = 60.0


def uses_gpu(settings: TrainerParams) -> bool:
    """Whether these trainers run on a GPU of CUDA."""
    return settings.accelerator in ("auto", "gpu") and torch.cuda.is_available()


def precision(settings: TrainerParams) -> str:
    """Lightning's name of it; `auto` is bfloat16 where a GPU computes it natively, else float32.

    CPUs with bfloat16 instructions stay with float32: on one with AVX512-BF16 a step of
    mobilenetv4_conv_small at 160 px took 3 to 5 times as long in bfloat16.
    """
    if settings.precision != "auto":
        return settings.precision
    native = uses_gpu(settings) and torch.cuda.is_bf16_supported(including_emulation=False)
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


def devices_for(settings: TrainerParams, seconds_per_run: float) -> int:
    """`auto` is all GPUs where one needs more than a minute for a run, else one device."""
    if settings.devices != "auto":
        return settings.devices
    several = uses_gpu(settings) and seconds_per_run > _SEVERAL_PAY_FROM
    return max(1, torch.cuda.device_count()) if several else 1


def fit_options(settings: TrainerParams, devices: int) -> dict[str, Any]:
    """Options of fine-tuning's trainers. Several devices are one process each, started for the fit alone."""
    spawned = devices > 1 and settings.strategy == "auto"
    return {
        "devices": devices,
        **({"strategy": "ddp_spawn"} if spawned else {}),
        # CPU kernels repeat themselves as they are; on a GPU it takes the slower ones.
        "deterministic": "warn" if uses_gpu(settings) else False,
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
