"""What the demo asks the prediction service, and what it prints of the answer."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from dahlia import layout
from dahlia.composition import compose
from dahlia.config import check_params
from dahlia.dataset.manifest import save_manifest
from dahlia.dataset.records import ImageRecord, Region
from dahlia.demo import _ask, _photo
from dahlia.kinds import TASKS
from small_projects import REPOSITORY

BOX = {"left": 0.1, "top": 0.25, "width": 0.5, "height": 0.333}
ANSWERS: dict[str, list[dict[str, Any]]] = {
    "classify": [{"probability": 0.9, "tagName": "daisy"}, {"probability": 0.1, "tagName": "dahlia"}],
    "detect": [  # in the order of the service: tag by tag
        {"probability": 0.4, "tagName": "daisy", "boundingBox": BOX},
        {"probability": 0.2, "tagName": "daisy", "boundingBox": BOX},
        {"probability": 0.9, "tagName": "dahlia", "boundingBox": BOX},
        {"probability": 0.3, "tagName": "dahlia", "boundingBox": BOX},
    ],
}


@pytest.fixture
def service() -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            route = self.path.split("/")[-5]
            answer = json.dumps({"predictions": ANSWERS[route]}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("domain", "route", "lines"),
    [
        ("general_compact", "classify", ["   90.0%  daisy", "   10.0%  dahlia"]),
        (
            "detection_general_compact",
            "detect",
            [
                "   90.0%  dahlia  left 0.10, top 0.25, width 0.50, height 0.33",
                "   40.0%  daisy  left 0.10, top 0.25, width 0.50, height 0.33",
                "   30.0%  dahlia  left 0.10, top 0.25, width 0.50, height 0.33",
            ],
        ),
    ],
)
def test_the_route_is_that_of_the_task(
    service: str, tmp_path: Path, domain: str, route: str, lines: list[str]
) -> None:
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(b"a photo")
    params = check_params(compose(REPOSITORY, [f"domain={domain}"]), "")
    asked, *answered = _ask(service, params, photo)
    assert f"/{route}/iterations/demo/image/nostore" in asked
    assert answered == lines
    assert params.domain.task in TASKS


def test_a_photo_with_boxes_is_asked_about(tmp_path: Path) -> None:
    def record(name: str, *regions: Region) -> ImageRecord:
        tags = tuple({region.tag for region in regions})
        return ImageRecord(name * 64, f"{name}.jpg", 9, 9, tags, regions, "train", "x", "0" * 16)

    (tmp_path / layout.DATASET).mkdir(parents=True)
    save_manifest(tmp_path / layout.MANIFEST, [record("a"), record("b", Region("fork", 0, 0, 1, 1))])
    assert _photo(tmp_path) == tmp_path / "b.jpg"
    save_manifest(tmp_path / layout.MANIFEST, [record("a"), record("c")])
    assert _photo(tmp_path) == tmp_path / "a.jpg"
