"""TensorFlow.js in Node: installed from npm at the versions of `package-lock.json`, and run in a process."""

from __future__ import annotations

import json
import math
import re
import shutil
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
from dahlia.files import staged_directory
from dahlia.user_cache import user_cache

_SCRIPT = Path(__file__).with_name("run.mjs")
# Of silence; a batch takes some milliseconds an image.
_SECONDS = 120
_HERE = Path(__file__).parent
_OLDEST_NODE = 18
_INSTALL_SECONDS = 240
_INSTALL = ("ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
# Without a network npm would try for minutes.
_PATIENCE = ("--fetch-retries=1", "--fetch-timeout=30000")


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
        outputs: the names of what the model answers.
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
        self.outputs: tuple[str, ...] = tuple(hello["outputs"])
        self.runtime = "TensorFlow.js {tfjs} ({backend}), Node {node}".format(**hello)

    def ask(self, images: Batch) -> dict[str, Batch]:
        """What the model answers for (N, size, size, 3) images in its colours and range, by name, as float32.

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
            if self._number() == 0:
                raise self._unusable("run", self._read(self._number()).decode(errors="replace"))
            return {name: self._tensor() for name in self.outputs}

    def _tensor(self) -> Batch:
        shape = [self._number() for _ in range(self._number())]
        numbers = np.frombuffer(self._read(4 * math.prod(shape)), "<f4")
        return numbers.reshape(shape).astype(np.float32)

    def _number(self) -> int:
        return int(struct.unpack("<I", self._read(4))[0])

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


def find_node() -> str:
    """The path of Node.

    Raises:
        VerificationError: it is not there, or is older than 18.
    """
    node = shutil.which("node")
    if node is None:
        raise _missing("which is not there")
    answer = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=60, check=False)
    found = re.match(r"v(\d+)\.", answer.stdout)
    if found is None or int(found[1]) < _OLDEST_NODE:
        raise _missing(f"received {answer.stdout.strip() or answer.stderr.strip()[:200]}")
    return node


def installed_packages() -> Path:
    """The folder with TensorFlow.js in `node_modules`; installed by npm where it is not there yet.

    It lies in the user's cache, in `tfjs-VERSION`.

    Raises:
        VerificationError: npm is missing, or fails, or takes longer than four minutes.
    """
    wanted = json.loads((_HERE / "package.json").read_text(encoding="utf-8"))
    version = wanted["dependencies"]["@tensorflow/tfjs-core"]
    folder = user_cache(f"tfjs-{version}")
    if not folder.exists():
        with staged_directory(folder) as staged:
            _install(staged, version)
    return folder


def _install(folder: Path, version: str) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise _missing("which is there without npm")
    for name in ("package.json", "package-lock.json"):
        shutil.copy(_HERE / name, folder / name)
    try:
        done = subprocess.run(
            [npm, *_INSTALL, *_PATIENCE],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_INSTALL_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise _failed(version, f"it took longer than {_INSTALL_SECONDS} s") from error
    if done.returncode:
        raise _failed(version, " ".join((done.stderr or done.stdout).split())[:400])


def _missing(what: str) -> VerificationError:
    return VerificationError(
        f"TensorFlow.js exports are proven in Node {_OLDEST_NODE} or later, {what}: install it with its npm "
        "from https://nodejs.org, then export again."
    )


def _failed(version: str, what: str) -> VerificationError:
    return VerificationError(
        f"TensorFlow.js {version}, in which its exports are proven, could not be installed by npm: {what}. "
        "See that the npm registry can be reached (once is enough), then export again."
    )
