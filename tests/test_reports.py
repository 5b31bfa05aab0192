"""No library reports to its makers what is done with Dahlia."""

from __future__ import annotations

import subprocess
import sys


def test_onnx_runtime_starts_no_thread_that_reports() -> None:
    program = (
        "import os; import dahlia, numpy; before = len(os.listdir('/proc/self/task')); import onnxruntime;"
        "print(before, len(os.listdir('/proc/self/task')))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    before, after = done.stdout.split()
    assert before == after
