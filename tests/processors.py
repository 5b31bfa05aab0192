"""Processors that this one can stand in for: their variables restrict libraries to older instructions.

A library reads its variable once, when it is loaded. What a processor lacks cannot be switched on, so on
one without AVX-512 the first of these changes little. A library that does not know its variable (on ARM)
stays as it is.
"""

from __future__ import annotations

PROCESSORS = {
    "avx2": {
        "ATEN_CPU_CAPABILITY": "avx2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2",
        "OPENBLAS_CORETYPE": "ZEN",
    },
    "sse": {
        "ATEN_CPU_CAPABILITY": "default",
        "ONEDNN_MAX_CPU_ISA": "SSE41",
        "MKL_ENABLE_INSTRUCTIONS": "SSE4_2",
        "OPENBLAS_CORETYPE": "NEHALEM",
    },
}
