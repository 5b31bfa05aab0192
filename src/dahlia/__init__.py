"""Dahlia: Custom Vision that you own."""

import os

__version__ = "0.1.0"

# ONNX Runtime reports its use to its makers unless this is set before it is loaded.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
