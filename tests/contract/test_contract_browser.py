"""A page of another origin in a real browser, against the command as a process, as it comes."""

from __future__ import annotations

import io
import json
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from azure.cognitiveservices.vision.customvision.training import CustomVisionTrainingClient
from contract_chromium import Chromium, find_chromium
from contract_server import running_server
from fake_project import TAGS
from msrest.authentication import ApiKeyCredentials
from prediction_cases import add_iteration, new_garden, picture, publish

from dahlia.server.context import open_server
from dahlia.settings.server import load_settings

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]  # the first time the browser is downloaded

PATIENCE = 100.0
NAME = "for pages"
PAGE = (Path(__file__).parent / "clients" / "page.html").read_text()
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
    "--disable-extensions", "--disable-background-networking", "--disable-component-update",
)  # fmt: skip


class Site(ThreadingHTTPServer):
    """The page's own server: gives the page, a photo, and takes what the page saw."""

    daemon_threads = True

    def __init__(self, photo: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.photo = photo
        self.page = b""
        self.seen: dict[str, Any] = {}
        self.has_seen = threading.Event()
        self.base = f"http://127.0.0.1:{self.server_port}"


class _Answers(BaseHTTPRequestHandler):
    server: Site

    def do_GET(self) -> None:
        is_photo = self.path == "/photo.jpg"
        self._answer(
            self.server.photo if is_photo else self.server.page, "image/jpeg" if is_photo else "text/html"
        )

    def do_POST(self) -> None:
        self.server.seen = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self._answer(b"", "text/plain")
        self.server.has_seen.set()

    def _answer(self, body: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def serving(photo: bytes) -> Iterator[Site]:
    with Site(photo) as site:
        thread = threading.Thread(target=site.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield site
        site.shutdown()
        thread.join()


def browse(browser: Chromium, address: str, profile: Path, seen: threading.Event) -> None:
    """Open an address until the page has reported."""
    command = [browser.path, *FLAGS, f"--user-data-dir={profile}", address]
    variables = os.environ | browser.variables
    log = profile.with_suffix(".log")
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=variables, stdout=output, stderr=subprocess.STDOUT)
        try:
            assert seen.wait(PATIENCE), log.read_text()[-4000:]
        finally:
            process.terminate()
            process.wait(30)


def published(home: Path) -> str:
    """Make a server's home with a project that has an iteration published as `NAME`; the project's id."""
    server = open_server(load_settings(None, {"DAHLIA_SERVER_HOME": str(home)}))
    project = new_garden(server)
    publish(server, add_iteration(server, project), NAME)
    server.database.close()
    return project.id


@pytest.fixture
def browser(pytestconfig: pytest.Config) -> Chromium:
    return find_chromium(pytestconfig)


@pytest.fixture
def saw(browser: Chromium, tmp_path: Path) -> Iterator[dict[str, Any]]:
    """What the page saw of each of its requests."""
    home, photo = tmp_path / "home", picture(kind="JPEG")
    project = published(home)
    with running_server(home, DAHLIA_JOBS_WORKERS="0") as server, serving(photo) as site:
        credentials = ApiKeyCredentials(in_headers={"Training-key": server.training_key})
        training = CustomVisionTrainingClient(server.base, credentials)
        added = training.create_images_from_data(project, io.BytesIO(photo))
        facts = {
            "base": server.base,
            "photo": f"{site.base}/photo.jpg",
            "project": project,
            "name": NAME,
            "predictionKey": server.prediction_key,
            "trainingKey": server.training_key,
            "link": added.images[0].image.original_image_uri,
        }
        site.page = PAGE.replace("FACTS", json.dumps(facts)).encode()
        browse(browser, site.base, tmp_path / "profile", site.has_seen)
        yield site.seen


def test_a_page_of_another_origin(saw: dict[str, Any]) -> None:
    for way in ("bytes", "form", "url"):
        assert saw[way]["status"] == 200, saw[way]
        assert {one["tagName"] for one in json.loads(saw[way]["text"])["predictions"]} == set(TAGS)
        assert len(saw[way]["id"]) == 36
    assert saw["bytes"]["stored"] is None
    assert saw["form"]["stored"] == "true"
    assert saw["wrong key"]["status"] == 401
    assert json.loads(saw["wrong key"]["text"])["error"]["code"] == "401"
    assert saw["wrong name"]["status"] == 404
    assert json.loads(saw["wrong name"]["text"])["code"] == "NotFoundIteration"
    assert saw["no image"]["status"] == 400
    assert saw["too large"]["status"] == 400
    assert json.loads(saw["too large"]["text"])["code"] == "BadRequestImageSizeBytes"
    for closed in ("training", "training without a key", "health", "cookies"):
        assert saw[closed] == {"error": "TypeError"}, closed
    assert saw["link"] == {"shown": True, "status": 200, "type": "image/jpeg"}
