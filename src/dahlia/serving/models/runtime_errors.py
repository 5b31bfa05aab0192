"""What ONNX Runtime raises."""

from __future__ import annotations


def runtime_errors() -> tuple[type[Exception], ...]:
    """Every kind of error of ONNX Runtime; its own share no base."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    kinds = (getattr(state, name) for name in dir(state))
    errors = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Exception)]
    return (OSError, ValueError, RuntimeError, *errors)
