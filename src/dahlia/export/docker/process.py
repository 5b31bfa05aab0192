"""The exported server as a process of this machine, as `docker run` would start it."""

from __future__ import annotations

import http.client
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import cv2
import numpy as np

from dahlia.boxes import Boxes
from dahlia.errors import VerificationError
from dahlia.export.port import Batch
from dahlia.processes import end

APP = Path("app") / "app.py"
_START_SECONDS = 60.0
_END_SECONDS = 30.0
_ANSWER_SECONDS = 60.0
_ROUTE = "/customvision/v3.1/prediction/00000000-0000-0000-0000-000000000000/classify/iterations/export/image"
_DETECT_ROUTE = "/export/detect/iterations/export/image"  # its boxes are those of the model, in its order
_EDGES = ("left", "top", "width", "height")
_LISTENS = re.compile(r" listens on http://127\.0\.0\.1:(\d+)$", re.MULTILINE)
_OWN = (
    "PREDICTION_KEY", "URL_FETCH", "URL_FETCH_ALLOW", "THREADS", "MAX_CONNECTIONS",
    "MAX_CONNECTIONS_PER_ADDRESS", "PROXIES", "HEADER_SECONDS", "STALLED_SECONDS",
)  # fmt: skip


class Server:
    """A running server.

    Args:
        process: it.
        log: the file to which it speaks.
    """

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self._log = log
        self.port = self._wait_for_port()
        self._wait_until_healthy()

    def probabilities(self, pixels: Batch, labels: Sequence[str]) -> Batch:
        """Post (N, 3, size, size) RGB, 0 to 255, image by image, and read (N, K) in the order of `labels`.

        Raises:
            VerificationError: the server refuses, ends, or names other tags; or pixels are not whole numbers.
        """
        rows = [
            {one.get("tagName"): one["probability"] for one in self._ask(_ROUTE, image)} for image in pixels
        ]
        try:
            return np.array([[row[label] for label in labels] for row in rows], np.float32)
        except KeyError as error:
            raise self._failure(f"answers without the tag {error} of labels.txt") from error

    def boxes(self, pixels: Batch, labels: Sequence[str]) -> Boxes:
        """Post (1, 3, size, size) RGB, 0 to 255, and read what is found, in the order of the answer.

        Raises:
            VerificationError: see `probabilities`.
        """
        (image,) = pixels
        found = self._ask(_DETECT_ROUTE, image)
        try:
            for one in found:
                if one["tagName"] != dict(enumerate(labels)).get(one["tagId"]):
                    raise self._failure(f"calls tag {one['tagId']} of labels.txt {one['tagName']}")
            places = [[one["boundingBox"][edge] for edge in _EDGES] for one in found]
        except (KeyError, TypeError) as error:
            raise self._failure(f"answers without boxes: {str(found)[:300]}") from error
        return Boxes(
            np.array([one["tagId"] for one in found], np.int32),
            np.array(places, np.float32).reshape(-1, 4),
            np.array([one["probability"] for one in found], np.float32),
        )

    def get(self, path: str) -> tuple[int, bytes]:
        """Status and body of a GET.

        Raises:
            VerificationError: there is no answer.
        """
        return self._request("GET", path, b"")

    def _ask(self, route: str, image: Batch) -> list[dict[str, Any]]:
        status, body = self._request("POST", route, _png(image))
        try:
            answer: dict[str, list[dict[str, Any]]] = json.loads(body)
            return [one | {"probability": float(one["probability"])} for one in answer["predictions"]]
        except (ValueError, KeyError, TypeError) as error:
            raise self._failure(f"answers a photo with {status}: {body[:300].decode('latin-1')}") from error

    def _request(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_ANSWER_SECONDS)
        try:
            connection.request(method, path, body, {"Content-Type": "application/octet-stream"})
            response = connection.getresponse()
            return response.status, response.read()
        except (OSError, http.client.HTTPException) as error:
            raise self._failure(f"does not answer ({error or type(error).__name__})") from error
        finally:
            connection.close()

    def _wait_for_port(self) -> int:
        deadline = time.monotonic() + _START_SECONDS
        while not (found := _LISTENS.search(self._said())):
            if self.process.poll() is not None:
                raise self._failure(f"ends with the exit code {self.process.returncode}")
            if time.monotonic() > deadline:
                raise self._failure(f"does not listen after {_START_SECONDS:.0f} seconds")
            time.sleep(0.02)
        return int(found[1])

    def _wait_until_healthy(self) -> None:
        # It listens already, so an early request waits in the queue.
        status, _ = self.get("/healthz")
        if status != 200:
            raise self._failure(f"answers GET /healthz with {status}")

    def _said(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")

    def _failure(self, what: str) -> VerificationError:
        last = "\n".join(self._said().splitlines()[-8:]) or "nothing"
        return VerificationError(
            f"The exported server was expected to answer, and {what}. Its last words:\n{last}\n"
            "Export again; if it stays, run `python app/app.py` in the export's folder."
        )


@contextmanager
def running(folder: Path, settings: Mapping[str, str] = MappingProxyType({})) -> Iterator[Server]:
    """Start `app/app.py` of an export on a free port of 127.0.0.1; end it at the end.

    Args:
        folder: the export, unpacked.
        settings: variables of its `settings.py`.

    Raises:
        VerificationError: it does not start.
    """
    if not (folder / APP).is_file():
        raise VerificationError(f"{folder / APP} was expected and is not there. Export again.")
    own = {
        **settings,
        "HOST": "127.0.0.1",
        "PORT": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
    }
    kept = {name: value for name, value in os.environ.items() if name not in _OWN}
    with tempfile.TemporaryDirectory() as place:
        log = Path(place) / "said.txt"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, str(APP)],
                cwd=folder,
                env=kept | own,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            yield Server(process, log)
        finally:
            end(process, _END_SECONDS)


def _png(image: Batch) -> bytes:
    whole = np.rint(image)
    if not (np.array_equal(whole, image) and whole.min() >= 0 and whole.max() <= 255):
        raise VerificationError(
            "A photo that is posted has pixels of whole numbers from 0 to 255; received others. Compare with "
            "decoded photos."
        )
    bgr = np.ascontiguousarray(whole.astype(np.uint8)[::-1].transpose(1, 2, 0))
    return cv2.imencode(".png", bgr, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes()
