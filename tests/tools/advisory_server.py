"""An advisory database on this machine: OSV's API, and the part of npm's registry that `npm audit` asks."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

BULK = "/-/npm/v1/security/advisories/bulk"


def osv_entry(identifier: str, package: str, fixed: str, **more: Any) -> dict[str, Any]:
    """An advisory as OSV describes it."""
    events = [{"introduced": "0"}, {"fixed": fixed}]
    affected = {"package": {"name": package, "ecosystem": "PyPI"}}
    ranges = {"ranges": [{"type": "ECOSYSTEM", "events": events}]}
    return {"id": identifier, "summary": "Bad input\nis run.", "affected": [affected | ranges], **more}


def npm_entry(number: int, below: str) -> dict[str, Any]:
    """An advisory as npm's registry describes it."""
    url = f"https://github.com/advisories/GHSA-test-test-{number:04}"
    facts = {"severity": "high", "cwe": [], "cvss": {"score": 7, "vectorString": None}}
    return {
        "id": number,
        "url": url,
        "title": "Prototype pollution",
        "vulnerable_versions": f"<{below}",
        **facts,
    }


JINJA = osv_entry("PYSEC-2019-217", "jinja2", "2.10.1")
MINIMIST = npm_entry(1, "1.2.6")


class AdvisoryServer(ThreadingHTTPServer):
    """What it knows, and how it behaves.

    Attributes:
        python: advisories by package and version.
        npm: advisories by package.
        behaviour: `answers`, `refuses` (503), `babbles` (HTML as a proxy's page), or `hangs`.
        asked: the packages it was asked about.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.python: dict[tuple[str, str], list[dict[str, Any]]] = {("jinja2", "2.10"): [JINJA]}
        self.npm: dict[str, list[dict[str, Any]]] = {"minimist": [MINIMIST]}
        self.behaviour = "answers"
        self.asked: list[tuple[str, str]] = []
        self.closing = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: AdvisoryServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.server.behaviour == "hangs":
            self.server.closing.wait(60)
        elif self.server.behaviour == "refuses":
            self._answer(503, {})
        elif self.server.behaviour == "babbles":
            self._send(200, b"<html>Please sign in</html>", "text/html")
        elif self.path == BULK:
            self._answer(200, self._npm(json.loads(gzip.decompress(body))))
        else:
            self._answer(200, self._python(json.loads(body)))

    def do_GET(self) -> None:
        """npm asks for all versions of what has an advisory."""
        name = self.path[1:]
        versions = {version: {"name": name, "version": version} for version in ("0.0.8", "1.2.0", "1.2.8")}
        self._answer(200, {"name": name, "dist-tags": {"latest": "1.2.8"}, "versions": versions})

    def _python(self, query: dict[str, Any]) -> dict[str, Any]:
        asked = (query["package"]["name"], query["version"])
        self.server.asked.append(asked)
        found = self.server.python.get(asked, [])
        return {"vulns": found} if found else {}

    def _npm(self, query: dict[str, list[str]]) -> dict[str, Any]:
        self.server.asked += [(name, version) for name, versions in query.items() for version in versions]
        return {name: self.server.npm[name] for name in query if name in self.server.npm}

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        self._send(status, json.dumps(body).encode(), "application/json")

    def _send(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Be silent."""


@contextmanager
def advisory_server() -> Iterator[AdvisoryServer]:
    with AdvisoryServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.closing.set()
            server.shutdown()
            thread.join()
