"""A model hub on this machine, as far as fetching one file goes, and its local cache."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import cast

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class FakeHub:
    """What it answers; every field may be changed between requests.

    Attributes:
        body: of the file.
        status: of every answer.
        error_code: the hub's own, for statuses that are errors.
        commit: the stated revision; `None` as from servers that are no hub.
        stated: the SHA-256 that it states; the body's own if `None`.
        stated_size: the length that it states; the body's own if `None`.
        kept_back: how many bytes of the body it never sends, while it keeps the connection.
        headers: further ones.
        asked: the requests.
    """

    body: bytes = b""
    status: int = 200
    error_code: str | None = None
    commit: str | None = COMMIT
    stated: str | None = None
    stated_size: int | None = None
    kept_back: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._ended = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=[0.02])
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        """End it, and whatever waits for it."""
        self._ended.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def wait(self) -> None:
        """Until it ends."""
        self._ended.wait()


def _handler(hub: FakeHub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self._answer()

        def do_GET(self) -> None:
            self._answer()
            self.wfile.write(hub.body[: len(hub.body) - hub.kept_back])
            if hub.kept_back:
                hub.wait()

        def _answer(self) -> None:
            hub.asked.append(f"{self.command} {self.path}")
            self.send_response(hub.status)
            stated = hub.stated or hashlib.sha256(hub.body).hexdigest()
            size = len(hub.body) if hub.stated_size is None else hub.stated_size
            headers = {
                "ETag": f'"{stated}"',
                "X-Linked-Size": str(size),
                "Content-Length": str(len(hub.body)),
            }
            if hub.commit:
                headers["X-Repo-Commit"] = hub.commit
            if hub.error_code:
                headers["X-Error-Code"] = hub.error_code
            for name, value in (headers | hub.headers).items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    return Handler


def keep(cache: Path, repository: str, content: bytes, *, file: str = "model.safetensors") -> Path:
    """Lay the file out as the hub's client does: a blob named by its SHA-256, and a link to it."""
    folder = cache / f"models--{repository.replace('/', '--')}"
    blob = folder / "blobs" / hashlib.sha256(content).hexdigest()
    link = folder / "snapshots" / COMMIT / file
    for each in (blob, link, folder / "refs" / "main"):
        each.parent.mkdir(parents=True, exist_ok=True)
    blob.write_bytes(content)
    link.symlink_to(Path("..", "..", "blobs", blob.name))
    (folder / "refs" / "main").write_text(COMMIT)
    return link


def kept(cache: Path) -> list[bytes]:
    """The contents of the cached files, links and what they link to counted once."""
    paths = cast("list[Path]", sorted(cache.rglob("snapshots/*/*")))
    return [path.read_bytes() for path in paths]
