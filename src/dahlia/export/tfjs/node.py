"""A graph model in TensorFlow.js: one process of Node that answers batch after batch."""

from __future__ import annotations

import json
import struct
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np

from dahlia.errors import VerificationError
from dahlia.export.port import Batch
from dahlia.export.tfjs.packages import find_node, installed_packages

_SCRIPT = Path(__file__).with_name("run.mjs")
# Of silence; a batch takes some milliseconds an image.
_SECONDS = 120


@contextmanager
def started(model: Path) -> Iterator[Session]:
    """Load `model.json` and what it names; the process ends with the context.

    Raises:
        VerificationError: Node or TensorFlow.js is not available, or cannot load the model.
    """
    command = [find_node(), str(_SCRIPT), str(installed_packages()), str(model.resolve())]
    with tempfile.TemporaryFile() as notes:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=notes, bufsize=-1
        )
        with process:
            try:
                yield Session(process, notes, model)
            finally:
                process.kill()


class Session:
    """A running process.

    Attributes:
        runtime: what runs the model, with its version.
    """

    def __init__(self, process: subprocess.Popen[bytes], notes: IO[bytes], model: Path) -> None:
        self._process = process
        self._notes = notes
        self._model = model
        with self._bounded():
            hello = json.loads(self._given().readline() or "null") or {"error": self._last_words()}
        if "error" in hello:
            raise self._unusable("load", hello["error"])
        self.runtime = "TensorFlow.js {tfjs} ({backend}), Node {node}".format(**hello)

    def run(self, images: Batch) -> Batch:
        """Ask for (N, size, size, 3) images in the colours and the range of the model; (N, K).

        Raises:
            VerificationError: TensorFlow.js cannot run it.
        """
        request = struct.pack("<4I", *images.shape) + images.astype("<f4").tobytes()
        with self._bounded():
            try:
                stdin = self._process.stdin
                assert stdin is not None
                stdin.write(request)
                stdin.flush()
            except BrokenPipeError as error:
                raise self._unusable("run", self._last_words()) from error
            rows, columns = struct.unpack("<2I", self._read(8))
            if rows == 0:
                raise self._unusable("run", self._read(columns).decode(errors="replace"))
            numbers = np.frombuffer(self._read(4 * rows * columns), "<f4")
        return numbers.reshape(rows, columns).astype(np.float32)

    def _given(self) -> IO[bytes]:
        stdout = self._process.stdout
        assert stdout is not None
        return stdout

    def _read(self, length: int) -> bytes:
        content = self._given().read(length)
        if len(content) < length:
            raise self._unusable("run", self._last_words())
        return content

    @contextmanager
    def _bounded(self) -> Iterator[None]:
        timer = threading.Timer(_SECONDS, self._process.kill)
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _last_words(self) -> str:
        try:
            code = self._process.wait(_SECONDS)
        except subprocess.TimeoutExpired:
            code = None
        self._notes.seek(0)
        text = self._notes.read().decode(errors="replace").strip()
        return (
            f"Node ended with {code}: {text[-400:]}" if text else f"Node ended with {code} and said nothing"
        )

    def _unusable(self, what: str, text: str) -> VerificationError:
        return VerificationError(
            f"TensorFlow.js cannot {what} {self._model.name}: {' '.join(text.split())[:400].rstrip('. ')}. "
            "Export again; if it stays, report the backbone's name."
        )
