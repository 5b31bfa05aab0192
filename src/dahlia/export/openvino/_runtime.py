"""OpenVINO itself, without its reports."""

from __future__ import annotations

import importlib
import sys
from typing import Any

_REPORTS = "openvino_telemetry"


def _load() -> Any:
    # Importing it sends usage statistics, unless the package that sends them is absent.
    absent = _REPORTS not in sys.modules
    if absent:
        sys.modules[_REPORTS] = None  # type: ignore[assignment]
    try:
        return importlib.import_module("openvino")
    finally:
        if absent:
            del sys.modules[_REPORTS]


ov: Any = _load()
