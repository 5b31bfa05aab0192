"""Detectors behind the prediction API: boxes in every version, and the pictures of our own route."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import fake_detector
import numpy as np
import pytest
from fake_detector import FOUND, GIVEN, Output
from fake_project import write_model
from serving_helpers import IDS, PROJECT_ID, FakeSource, build_client, picture, url
from starlette.testclient import TestClient

from dahlia.dataset.imaging import decode
from dahlia.modeling.card import tag_id
from dahlia.serving.stored.reading import read_predictions
from dahlia.serving.stored.store import PredictionStore
from photo_server import WebServer

ARCHIVE = b"PK\x05\x06" + bytes(18)
RED, BLACK = (255, 0, 0), (0, 0, 0)
FORM = "multipart/form-data; boundary=x"


class DetectorSource(FakeSource):
    """Publishes a detector as `grid`, the same as `boxes`, and a classifier as `tags`."""

    def __init__(self, folder: Path) -> None:
        self.names = {"grid": 1, "boxes": 2, "tags": 3}
        self.reachable = True
        self.located = []
        self.folder = folder
        for number, output in enumerate(("grid", "boxes"), 1):
            fake_detector.write_model(folder / str(number), output)  # type: ignore[arg-type]
        write_model(folder / "3")


@pytest.fixture
def detectors(tmp_path: Path) -> DetectorSource:
    return DetectorSource(tmp_path / "models")


@pytest.fixture
def asked(detectors: DetectorSource) -> Iterator[TestClient]:
    with build_client(detectors) as client:
        yield client


def png(colour: tuple[int, int, int] = RED) -> bytes:
    return picture(colour, "PNG")


def form(content: bytes, **fields: str) -> bytes:
    texts = "".join(
        f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n'
        for name, text in fields.items()
    )
    head = '--x\r\nContent-Disposition: form-data; name="image"; filename="a.jpg"\r\n\r\n'
    return texts.encode() + head.encode() + content + b"\r\n--x--\r\n"


def own(client: TestClient, query: str, content: bytes, name: str = "grid") -> Any:
    return client.post(f"/predict?{query}", content=form(content, name=name), headers={"content-type": FORM})


@pytest.mark.parametrize("output", ["grid", "boxes"])
def test_the_answer_of_a_detector(asked: TestClient, output: Output) -> None:
    response = asked.post(url(output, task="detect"), content=png())
    assert response.status_code == 200
    answer = response.json()
    assert list(answer) == ["id", "project", "iteration", "created", "predictions"]
    assert answer["iteration"] == IDS[1 if output == "grid" else 2]
    said = answer["predictions"]
    assert all(list(one) == ["probability", "tagId", "tagName", "tagType", "boundingBox"] for one in said)
    assert [one["tagName"] for one in said] == list(GIVEN), "grouped by tag, in the model's order"
    assert said[0]["tagId"] == tag_id("rose garden", "red")
    expected = [FOUND[0], FOUND[2], FOUND[3], FOUND[4]]
    scores = [0.9, 0.4, 0.02, 0.02]
    for one, (place, _, _), score in zip(said, expected, scores, strict=True):
        assert one["probability"] == pytest.approx(score, abs=1e-5)
        box = one["boundingBox"]
        assert list(box) == ["left", "top", "width", "height"]
        assert list(box.values()) == pytest.approx(list(place), abs=1e-5)


def test_both_outputs_say_the_same(asked: TestClient) -> None:
    for colour in (RED, (40, 200, 120), BLACK):
        grid, boxes = (
            asked.post(url(name, task="detect"), content=png(colour)).json()["predictions"]
            for name in ("grid", "boxes")
        )
        assert [one["tagName"] for one in grid] == [one["tagName"] for one in boxes]
        for one, other in zip(grid, boxes, strict=True):
            assert one["probability"] == pytest.approx(other["probability"], abs=1e-5)
            assert list(one["boundingBox"].values()) == pytest.approx(
                list(other["boundingBox"].values()), abs=1e-5
            )


@pytest.mark.parametrize("end", ["image", "image/nostore", "url", "url/nostore"])
@pytest.mark.parametrize(
    ("name", "task", "served"),
    [("grid", "classify", "detect"), ("boxes", "classify", "detect"), ("tags", "detect", "classify")],
)
def test_the_other_task_is_refused(
    detectors: DetectorSource, web: WebServer, name: str, task: str, served: str, end: str
) -> None:
    with build_client(detectors, DAHLIA_URL_FETCH="any") as client:
        body: Any = {"json": {"url": f"{web.base}/photo"}} if end.startswith("url") else {"content": png()}
        before = len(web.asked)
        response = client.post(url(name, task=task, end=end), **body)
    assert (response.status_code, response.json()["code"]) == (400, "BadRequestOperationNotSupported")
    assert "Invalid project type for operation" in response.json()["message"]
    assert f".../{served}/iterations/..." in response.json()["message"]
    assert len(web.asked) == before, "the image was fetched for nothing"


@pytest.mark.parametrize("version", ["v3.0", "v3.1", "v3.2", "v3.3", "v3.4-preview"])
def test_every_version_detects(asked: TestClient, version: str) -> None:
    path = url("grid", task="detect").replace("v3.1", version)
    assert asked.post(path, content=png()).json()["predictions"][0]["boundingBox"]["width"] == 0.4


@pytest.mark.parametrize("number", [1, 2, 3])
def test_paths_without_a_task_serve_both(asked: TestClient, number: int) -> None:
    path = f"/customvision/v2.0/prediction/{PROJECT_ID}/image?iterationId={IDS[number]}"
    said = asked.post(path, content=png()).json()["predictions"]
    assert all(("boundingBox" in one) == (number != 3) for one in said)


def test_version_1_has_names_of_its_own(asked: TestClient) -> None:
    path = f"/customvision/v1.1/prediction/{PROJECT_ID}/image?iterationId={IDS[1]}"
    first = asked.post(path, content=png()).json()["Predictions"][0]
    assert list(first) == ["Probability", "TagId", "Tag", "TagType", "BoundingBox"]
    assert list(first["BoundingBox"]) == ["Left", "Top", "Width", "Height"]


def test_the_address_of_a_photo(detectors: DetectorSource, web: WebServer) -> None:
    with build_client(detectors, DAHLIA_URL_FETCH="any") as client:
        response = client.post(url("grid", task="detect", end="url"), json={"url": f"{web.base}/photo"})
    best = max(response.json()["predictions"], key=lambda one: one["probability"])
    assert best["tagName"] == "blue"


def test_a_stored_prediction_has_its_boxes(detectors: DetectorSource, tmp_path: Path) -> None:
    store = PredictionStore(tmp_path / "kept", max_bytes=1 << 20, keep_days=1)
    with build_client(detectors, store) as client:
        answer = client.post(url("grid", task="detect"), content=png())
        assert answer.headers["dahlia-stored"] == "true"
        client.post(url("grid", task="detect", end="image/nostore"), content=png())
    store.close()
    (stored,) = read_predictions(tmp_path / "kept")
    assert stored.facts["predictions"] == answer.json()["predictions"]


def test_boxes_do_not_reach_over_the_photo(tmp_path: Path) -> None:
    from dahlia.boxes import Boxes
    from dahlia.serving.models.readers import by_tag

    places = np.array([[-0.1, 0.5, 0.4, 0.7], [0.9, -0.2, 0.4, 0.3]], np.float32)
    found = Boxes(np.array([0, 0], np.int32), places, np.array([0.5, 0.4], np.float32))
    said = [one.place for one in by_tag(fake_detector.card().tags, found, 64)]
    assert said == [pytest.approx((0, 0.5, 0.3, 0.5)), pytest.approx((0.9, 0, 0.1, 0.1))]


@pytest.mark.parametrize(
    ("query", "least", "edges"), [("", 0.5, 1), ("&threshold=0.3", 0.3, 2), ("&threshold=0.95", 0.95, 0)]
)
def test_the_photo_with_its_boxes(asked: TestClient, query: str, least: float, edges: int) -> None:
    response = own(asked, f"draw=true{query}", png(BLACK if edges == 0 else RED))
    assert (response.status_code, response.headers["content-type"]) == (200, "image/jpeg")
    drawn = decode(response.content)
    assert drawn.shape == (480, 640, 3), "a small photo is enlarged, in its own proportions"
    plain = decode(own(asked, "draw=true&threshold=1", png(BLACK if edges == 0 else RED)).content)
    changed = (cv2.absdiff(drawn, plain).max(2) > 40).astype(np.uint8)
    assert changed.any() == (edges > 0)
    for (left, top, width, height), tag, score in FOUND[:3:2]:
        line = changed[int((top + height) * 480) - 3 : int((top + height) * 480) + 4]
        across = line[:, int(left * 640) : int((left + width) * 640)].any(0).mean()
        assert (across > 0.9) == (score >= least and tag == "red" and edges > 0)


def test_a_large_photo_is_made_smaller(asked: TestClient) -> None:
    large = cv2.imencode(".jpg", np.zeros((1500, 3000, 3), np.uint8))[1].tobytes()
    assert decode(own(asked, "draw=true", large).content).shape == (640, 1280, 3)


def test_a_photo_of_odd_proportions_is_drawn(asked: TestClient) -> None:
    for shape in ((1, 800), (900, 20), (1, 1)):
        odd = cv2.imencode(".png", np.full((*shape, 3), (0, 0, 255), np.uint8))[1].tobytes()
        response = own(asked, "draw=true&threshold=0", odd)
        assert response.status_code == 200
        assert 640 <= max(decode(response.content).shape) <= 1280


@pytest.mark.parametrize("text", ["-0.1", "1.1", "nan", "half"])
def test_a_threshold_that_is_none(asked: TestClient, text: str) -> None:
    response = own(asked, f"draw=true&threshold={text}", png())
    assert (response.status_code, response.json()["code"]) == (400, "BadRequestInvalid")
    assert "from 0 to 1" in response.json()["message"]


@pytest.mark.parametrize("query", ["draw=1", "draw=maybe", "draw", "draw=", "draw&threshold=0.3", "Draw=yes"])
def test_whether_to_draw_is_true_or_false(asked: TestClient, query: str) -> None:
    response = own(asked, query, png())
    assert (response.status_code, response.json()["code"]) == (400, "BadRequestInvalid")
    assert "Expected draw as true or false" in response.json()["message"]


@pytest.mark.parametrize("query", ["threshold=0.3", "draw=false&threshold=0.3", "threshold="])
def test_a_threshold_without_a_drawing(asked: TestClient, query: str) -> None:
    response = own(asked, query, png())
    assert (response.status_code, response.json()["code"]) == (400, "BadRequestInvalid")
    assert "threshold together with draw=true" in response.json()["message"]


def test_a_threshold_without_a_number(asked: TestClient) -> None:
    response = own(asked, "draw=true&threshold=", png())
    assert (response.status_code, response.json()["code"]) == (400, "BadRequestInvalid")
    assert "from 0 to 1" in response.json()["message"]


@pytest.mark.parametrize("name", ["grid", "tags"])
def test_a_drawing_and_a_map_at_once(asked: TestClient, name: str) -> None:
    response = own(asked, "draw=true&explain=true", png(), name)
    assert (response.status_code, response.json()["code"]) == (400, "BadRequestInvalid")
    assert "received both" in response.json()["message"]


@pytest.mark.parametrize(
    ("query", "told"), [("draw=true", "/predict?draw=true"), ("explain=true", "/predict?explain=true")]
)
def test_batches_are_neither_drawn_nor_explained(asked: TestClient, query: str, told: str) -> None:
    response = asked.post(f"/predict_batch?{query}", content=form(png()), headers={"content-type": FORM})
    assert (response.status_code, response.json()["code"]) == (400, "BadRequestInvalid")
    assert told in response.json()["message"]


def test_true_in_capitals_draws(asked: TestClient) -> None:
    assert own(asked, "draw=True", png()).headers["content-type"] == "image/jpeg"


@pytest.mark.parametrize("behind", [ARCHIVE, b"<html><script>alert(1)</script></html>"], ids=["zip", "page"])
def test_what_is_more_than_an_image_is_not_drawn(asked: TestClient, behind: bytes) -> None:
    response = own(asked, "draw=true", png() + behind)
    assert response.status_code == 400
    assert "an image and nothing else" in response.json()["message"]


def test_a_photo_is_decoded_once_to_be_drawn(asked: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    from dahlia.dataset import imaging

    shapes: list[tuple[int, ...]] = []
    turn = imaging._turn

    def watched(pixels: imaging.Pixels, orientation: int) -> imaging.Pixels:
        shapes.append(pixels.shape[:2])
        return turn(pixels, orientation)

    monkeypatch.setattr(imaging, "_turn", watched)
    large = cv2.imencode(".png", np.zeros((1500, 3000, 3), np.uint8))[1].tobytes()
    assert own(asked, "draw=true", large).status_code == 200
    assert shapes.count((1500, 3000)) == 1
    assert all(max(shape) <= 1500 or shape == (1500, 3000) for shape in shapes)


def test_what_is_no_image_is_not_drawn(asked: TestClient) -> None:
    response = own(asked, "draw=true", b"no image")
    assert (response.status_code, response.json()["code"]) == (400, "BadRequestImageFormat")


@pytest.mark.parametrize(
    ("query", "name", "words"),
    [
        ("draw=true", "tags", "explain=true"),
        ("explain=true", "grid", "draw=true"),
        ("explain=true", "boxes", "draw=true"),
    ],
)
def test_what_fits_the_other_task_only(asked: TestClient, query: str, name: str, words: str) -> None:
    response = own(asked, query, png(), name)
    assert (response.status_code, response.json()["code"]) == (400, "BadRequestOperationNotSupported")
    assert words in response.json()["message"]


def test_names_of_any_script_are_drawn() -> None:
    from dahlia.modeling.card import TagCard
    from dahlia.serving.drawing import drawn
    from dahlia.serving.models.readers import Place, Scored

    pictures = {
        drawn(
            np.zeros((640, 640, 3), np.uint8),
            [Scored(TagCard(id="1", name=name), 0.9, Place(0.1, 0.3, 0.5, 0.5))],
            [0],
        )
        for name in ("rose", "роза", "薔薇", "ورد", "?" * 200)
    }
    assert len(pictures) == 5
