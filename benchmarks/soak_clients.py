"""Clients of the prediction service: some that ask for what it gives, some that do not, and rude ones."""

from __future__ import annotations

import contextlib
import http.client
import json
import random
import socket
import threading
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from dahlia.modeling.card import project_id

KEY = "soak"
NAME = "production"

_ROUTE = f"/customvision/v3.1/Prediction/{project_id('rose garden')}/classify/iterations"
_FORM = "multipart/form-data; boundary=soak"
_JSON = "application/json"
_PAUSE = 0.02  # seconds at most between two requests: some 300 a second from four clients


@dataclass(frozen=True)
class Request:
    """What is sent, and what must come back.

    Attributes:
        kind: as the table calls it.
        path: where it is sent.
        body: what is sent.
        content_type: of the body.
        status: of the answer.
        key: that is sent along.
        kept: whether the service keeps it.
    """

    kind: str
    path: str
    body: bytes
    content_type: str = "application/octet-stream"
    status: int = 200
    key: str = KEY
    kept: bool = False


@dataclass
class Seen:
    """What was seen; safe to use from several threads.

    Attributes:
        counts: requests by kind.
        failures: what came back in place of what must.
        kept: predictions that the service was to keep.
        slowest: seconds, by kind.
        answers: when a prediction was asked for and given, and the id of the iteration that gave it.
    """

    counts: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    kept: int = 0
    slowest: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    answers: list[tuple[float, float, str]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, request: Request, sent: float, status: int, said: bytes) -> None:
        """Add an answer to a request that was sent at a moment."""
        now = time.monotonic()
        with self._lock:
            self.counts[request.kind] += 1
            self.slowest[request.kind] = max(self.slowest[request.kind], now - sent)
            self.kept += request.kept
            if status != request.status:
                self.failures.append(f"{request.kind}: {status}, {said[:200]!r}")
            elif status == 200:
                self.answers.append((sent, now, json.loads(said)["iteration"]))

    def fail(self, kind: str, error: Exception) -> None:
        """Add a request that was not answered."""
        with self._lock:
            self.failures.append(f"{kind}: {error!r}")

    def leave(self) -> None:
        """Add a request whose answer nobody waited for."""
        with self._lock:
            self.counts["left in the middle"] += 1


def good_requests(photo: bytes, web: str) -> list[Request]:
    """Those that are answered with a prediction."""
    named = f"{_ROUTE}/{NAME}"
    address = json.dumps({"url": f"{web}/photo"}).encode()
    form, own = _form("imageData", photo), _form("image", photo, NAME)
    return [
        Request("image", f"{named}/image/nostore", photo),
        Request("image, form", f"{named}/image/nostore", form, _FORM),
        Request("image, kept", f"{named}/image", photo, kept=True),
        Request("image, form, kept", f"{named}/image?application=soak", form, _FORM, kept=True),
        Request("URL", f"{named}/url/nostore", address, _JSON),
        Request("URL, kept", f"{named}/url", address, _JSON, kept=True),
        Request("predict", "/predict", own, _FORM),
        Request("explain", "/predict?explain=true", own, _FORM),
    ]


def bad_requests(photo: bytes, web: str) -> list[Request]:
    """Those that are refused."""
    named = f"{_ROUTE}/{NAME}"
    missing = json.dumps({"url": f"{web}/status/404"}).encode()
    return [
        Request("no image", f"{named}/image", b"no image", status=400),
        Request("half an image", f"{named}/image", photo[: len(photo) // 2], status=400),
        Request("nothing", f"{named}/image", b"", status=400),
        Request("too large", f"{named}/image", bytes(5 << 20), status=400),
        Request("no form", f"{named}/image", b"--other\r\n", _FORM, status=400),
        Request("no such name", f"{_ROUTE}/nobody{random.random()}/image", photo, status=404),
        Request("no such path", f"/customvision/{random.random()}", photo, status=404),
        Request("wrong key", f"{named}/image", photo, status=401, key="wrong"),
        Request("no photo there", f"{named}/url", missing, _JSON, status=400),
        Request("no web address", f"{named}/url", b'{"url": "file:///etc/passwd"}', _JSON, status=400),
        Request("predict nothing", "/predict", b"{}", _JSON, status=415),
    ]


class Client:
    """Asks again and again.

    Args:
        base: the server's URL.
        seen: where answers are counted.
        stop: ends it.
        seed: of what it does by chance.
    """

    def __init__(self, base: str, seen: Seen, stop: threading.Event, seed: int) -> None:
        self._place = urlsplit(base)
        self._seen = seen
        self._stop = stop
        self._random = random.Random(seed)

    def run(self, good: list[Request], bad: list[Request]) -> None:
        """Two good requests to a bad one, on one connection as long as it lasts."""
        connection = http.client.HTTPConnection(self._place.netloc, timeout=60)
        while not self._stop.is_set():
            request = self._random.choice(good if self._random.random() < 2 / 3 else bad)
            try:
                self._ask(connection, request)
            except (OSError, http.client.HTTPException) as error:
                self._seen.fail(request.kind, error)
                connection.close()
            if self._random.random() < 0.02:
                connection.close()
            time.sleep(self._random.random() * _PAUSE)
        connection.close()

    def misbehave(self, good: list[Request]) -> None:
        """Bodies that come slowly, or not to their end, and answers that nobody waits for."""
        way = (self._trickle, self._leave_early, self._leave_late)
        while not self._stop.is_set():
            request = self._random.choice([one for one in good if not one.kept])
            try:
                self._random.choice(way)(request)
            except (OSError, http.client.HTTPException) as error:
                self._seen.fail("misbehaving", error)

    def _ask(self, connection: http.client.HTTPConnection, request: Request) -> None:
        headers = {"Prediction-Key": request.key, "Content-Type": request.content_type}
        if self._random.random() < 0.1:
            headers["Connection"] = "close"
        sent = time.monotonic()
        connection.request("POST", request.path, request.body, headers)
        response = connection.getresponse()
        self._seen.count(request, sent, response.status, response.read())

    def _trickle(self, request: Request) -> None:
        sent = time.monotonic()
        with self._open(request) as stream:
            step = len(request.body) // 10 + 1
            for start in range(0, len(request.body), step):
                stream.sendall(request.body[start : start + step])
                time.sleep(0.2)
            response = http.client.HTTPResponse(stream)
            response.begin()
            slow = Request("slow body", request.path, b"")
            self._seen.count(slow, sent, response.status, response.read())

    def _leave_early(self, request: Request) -> None:
        with self._open(request) as stream:
            stream.sendall(request.body[: len(request.body) // 2])
            time.sleep(self._random.random() / 5)
        self._seen.leave()

    def _leave_late(self, request: Request) -> None:
        with self._open(request) as stream:
            stream.sendall(request.body)
            time.sleep(self._random.random() / 50)
        self._seen.leave()

    def _open(self, request: Request) -> contextlib.closing[socket.socket]:
        place = self._place.hostname or "", self._place.port or 80
        stream = socket.create_connection(place, timeout=60)
        head = (
            f"POST {request.path} HTTP/1.1\r\nHost: {self._place.netloc}\r\nPrediction-Key: {KEY}\r\n"
            f"Content-Type: {request.content_type}\r\nContent-Length: {len(request.body)}\r\n\r\n"
        )
        stream.sendall(head.encode())
        return contextlib.closing(stream)


def _form(field_name: str, photo: bytes, name: str = "") -> bytes:
    """A form with a photo, and with a publish name."""
    text = f'--soak\r\nContent-Disposition: form-data; name="name"\r\n\r\n{name}\r\n' if name else ""
    head = f'{text}--soak\r\nContent-Disposition: form-data; name="{field_name}"; filename="a.jpg"\r\n\r\n'
    return head.encode() + photo + b"\r\n--soak--\r\n"
