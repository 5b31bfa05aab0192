"""What this processor is, and what it can compute at once."""

from __future__ import annotations

import platform
from pathlib import Path

_CPU_INFO = Path("/proc/cpuinfo")
_TELLING = (  # as Linux names them; those of x86, then those of ARM
    "avx2", "avx512f", "avx_vnni", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16",
    "asimd", "asimddp", "i8mm", "bf16", "sve",
)  # fmt: skip
_ADDS_PRODUCTS = {"avx_vnni", "avx512_vnni", "asimd"}


def processor_name() -> str:
    """What it calls itself."""
    return _entry("model name") or platform.processor() or platform.machine()


def processor_features(cpu_info: Path = _CPU_INFO) -> tuple[str, ...]:
    """What the time of a network depends on; empty where the system does not say."""
    words = set((_entry("flags", cpu_info) or _entry("Features", cpu_info)).split())
    return tuple(name for name in _TELLING if name in words)


def adds_products(cpu_info: Path = _CPU_INFO) -> bool:
    """Whether sums of products of 8 bits are right: without VNNI, x86 adds pairs of them in 16 bits."""
    return not _ADDS_PRODUCTS.isdisjoint(processor_features(cpu_info))


def _entry(key: str, cpu_info: Path = _CPU_INFO) -> str:
    try:
        lines = cpu_info.read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.split(":")[0].strip() == key), "")
