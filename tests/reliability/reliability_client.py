"""A client that asks once: an answer that is cut off stays unknown."""

from __future__ import annotations

import base64
import hashlib
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
import requests
from reliability_server import eventually

from small_projects import COLOURS, photo

TRAINING = "/customvision/v3.4-preview/training"
COMPACT = "0732100f-1a38-4e49-a514-c9b44c697ab5"
DETECTION = "da2e3a8a-40a5-4171-82f4-58522f70fbc1"


class Unknown(Exception):  # noqa: N818
    """No answer came, or one that says that the server cannot now: it was done, or it was not."""


class Refused(AssertionError):  # noqa: N818
    """An answer that says no."""

    def __init__(self, response: requests.Response) -> None:
        super().__init__(
            f"{response.request.method} {response.url}: {response.status_code} {response.text[:500]}"
        )
        self.status = response.status_code
        self.code = _code(response)


class Client:
    """Talks to the API; several threads may share it.

    Args:
        base: the server's address.
        key: a training key.

    Attributes:
        acknowledged: requests that were answered well.
        unknown: requests of which nobody knows.
    """

    def __init__(self, base: str, key: str) -> None:
        self.base = base
        self.acknowledged = self.unknown = 0
        self._headers = {"Training-Key": key}
        self._threads = threading.local()

    def call(self, method: str, path: str, **options: Any) -> Any:
        """Ask for a path of the training API; the answer's JSON, None where it has no content.

        Raises:
            Refused: the server says no.
            Unknown: nobody knows.
        """
        response = self.ask(method, TRAINING + path, **options)
        return response.json() if response.content else None

    def ask(self, method: str, path: str, **options: Any) -> requests.Response:
        """The same for any path, or for a whole address."""
        try:
            response = self.raw(method, path, **options)
        except requests.RequestException as error:
            self.unknown += 1
            raise Unknown(str(error)) from error
        if response.status_code == 503:
            self.unknown += 1
            raise Unknown(response.text)
        if response.status_code >= 300:
            raise Refused(response)
        self.acknowledged += 1
        return response

    def raw(self, method: str, path: str, **options: Any) -> requests.Response:
        """Whatever the answer is."""
        address = path if path.startswith("http") else self.base + path
        headers = self._headers | options.pop("headers", {})
        return self._session().request(method, address, headers=headers, timeout=60, **options)

    def wait(self) -> None:
        """Wait until the server answers."""
        eventually(self._answers, 90)

    def known(self, method: str, path: str, **options: Any) -> Any:
        """`call`, again and again until an answer comes: for what may be done twice."""
        while True:
            try:
                return self.call(method, path, **options)
            except Unknown:
                self.wait()

    def bytes_of(self, address: str) -> bytes:
        """A file by its signed address; asked for again until it comes."""
        while True:
            try:
                return self.ask("GET", address).content
            except Unknown:
                self.wait()

    def _session(self) -> requests.Session:
        if not hasattr(self._threads, "session"):
            self._threads.session = requests.Session()
        session: requests.Session = self._threads.session
        return session

    def _answers(self) -> bool:
        try:
            return requests.get(f"{self.base}/readyz", timeout=10).status_code == 200
        except requests.RequestException:
            return False


def new_photo(random: np.random.Generator, colour: str) -> bytes:
    """A photo that no other equals."""
    return photo(COLOURS[colour], int(random.integers(1 << 62)))


def hashed(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def files(
    photos: Sequence[bytes], tag_ids: Sequence[str] = (), regions: Sequence[dict[str, Any]] = ()
) -> dict[str, Any]:
    """The body that uploads photos, each with these tags and regions."""
    images = [{"contents": base64.b64encode(data).decode(), "regions": list(regions)} for data in photos]
    return {"images": images, "tagIds": list(tag_ids)}


def _code(response: requests.Response) -> str:
    try:
        return str(response.json().get("code", ""))
    except ValueError:
        return ""
