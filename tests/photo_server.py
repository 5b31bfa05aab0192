"""A web server on this machine that serves a photo, and what else can come from the web."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from dahlia.http.body import MAX_IMAGE


class Web(BaseHTTPRequestHandler):
    """Serves what the path says."""

    server: WebServer

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        what, _, rest = self.path[1:].partition("/")
        if what == "garbage":
            self.wfile.write(b"\0\1\2 no HTTP\r\n\r\n")
        elif what == "silent":
            threading.Event().wait(2)
        elif what in ("empty", "text"):
            self._answer(200, b"" if what == "empty" else b"no photo")
        elif what == "endless":
            self._forever(bytes(1 << 16), 0)
        elif what == "trickle":
            self._forever(b"x", 0.05)
        elif what == "short":
            self._answer(200, b"x" * 10, {"Content-Length": "100"})
        elif what == "large":
            self._answer(200, bytes(MAX_IMAGE + int(rest)))
        elif what == "status":
            self._answer(int(rest), b"")
        elif what == "to":
            self._answer(302, b"", {"Location": rest})
        elif what == "loop":
            self._answer(301, b"", {"Location": "/loop"})
        else:
            self._answer(200, self.server.photo)

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | (headers or {})).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _forever(self, piece: bytes, pause: float) -> None:
        self.send_response(200)
        self.end_headers()
        with contextlib.suppress(OSError):  # the client has had enough
            while not self.server.closing.wait(pause):
                self.wfile.write(piece)

    def log_message(self, *_: Any) -> None:
        pass


class WebServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, photo: bytes, address: str = "127.0.0.1", port: int = 0) -> None:
        super().__init__((address, port), Web)
        self.photo = photo
        self.asked: list[str] = []
        self.base = f"http://{address}:{self.server_port}"
        self.closing = threading.Event()

    def handle_error(self, *_: Any) -> None:  # a client that goes away, on purpose
        pass


@contextmanager
def photo_server(photo: bytes, address: str = "127.0.0.1", port: int = 0) -> Iterator[WebServer]:
    """Serve in a thread until the block ends; `asked` lists the paths that were asked for."""
    with WebServer(photo, address, port) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.closing.set()
        server.shutdown()
        thread.join()
