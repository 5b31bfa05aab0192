"""`POST /predict?explain=true`, through the application."""

from __future__ import annotations

import io
import json
from typing import Any

import anyio
import numpy as np
import pytest
from fake_project import PROJECT, SIZE, TAGS
from PIL import Image
from serving_helpers import PROJECT_ID, FakeSource, build_client, build_state, picture, png_of_size
from starlette.testclient import TestClient
from test_activation import CELLS, LINEAR, PLAIN, SOFTMAX, write

from dahlia.errors import ServiceError
from dahlia.modeling.card import tag_id
from dahlia.serving.activation import Activation
from dahlia.serving.prediction_app import ServiceState

EXPLAIN = "/predict?explain=true"
TWO_MAPS = (
    "a = ReduceMean<keepdims=0>(map, positions)",
    "b = ReduceMean<keepdims=0>(felt, positions)",
    "mean = Add(a, b)",
)
RED = {"image": ("a.jpg", picture((250, 0, 0)))}


@pytest.fixture
def source(source: FakeSource) -> FakeSource:
    """Iteration 1 has a map to show, iteration 2 has none."""
    write(source.folder / "1", *PLAIN)
    write(source.folder / "2", *TWO_MAPS, LINEAR, SOFTMAX)
    source.names = {"v1": 1, "v2": 2}
    return source


def ask(client: TestClient, path: str = EXPLAIN, accept: str = "*/*", **texts: str) -> Any:
    return client.post(path, files=RED, data={"name": "v1"} | texts, headers={"Accept": accept})


def test_the_answer_in_numbers(client: TestClient, source: FakeSource) -> None:
    response = ask(client)
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json; charset=utf-8"
    answer = response.json()
    contract = ["id", "project", "iteration", "created", "predictions"]
    assert list(answer) == [*contract, "none_of_these", "activation"]
    assert answer["predictions"][0]["tagName"] == "red"
    activation = answer["activation"]
    assert (activation["tagName"], activation["tagId"]) == ("red", tag_id(PROJECT, "red"))
    pixels = np.asarray(Image.open(io.BytesIO(RED["image"][1])).convert("RGB").resize((SIZE, SIZE)))
    (expected,) = Activation(source.folder / "1").maps(pixels, [TAGS.index("red")])
    assert expected.shape == (CELLS, CELLS)
    np.testing.assert_allclose(activation["map"], expected, rtol=1e-3)


@pytest.mark.parametrize("tag", ["blue", tag_id(PROJECT, "blue")])
def test_the_map_of_another_tag(client: TestClient, tag: str) -> None:
    answer = ask(client, tag=tag).json()
    assert answer["predictions"][0]["tagName"] == "red"
    assert answer["activation"]["tagName"] == "blue"
    assert answer["activation"]["map"] != ask(client).json()["activation"]["map"]


@pytest.mark.parametrize(
    "accept", ["image/png", "image/avif,image/webp,image/png,*/*;q=0.8", "text/html, image/png;q=0.5"]
)
def test_the_answer_as_a_picture(client: TestClient, accept: str) -> None:
    response = ask(client, accept=accept)
    assert response.status_code == 200
    assert response.headers["content-type"] == "image/png"
    with Image.open(io.BytesIO(response.content)) as shown:
        assert (shown.format, shown.size) == ("PNG", (64, 48))


@pytest.mark.parametrize("value", ["true", "True", "TRUE"])
def test_how_it_is_asked_for(client: TestClient, value: str) -> None:
    assert "activation" in ask(client, f"/predict?Explain={value}").json()


@pytest.mark.parametrize("query", ["", "?explain=false", "?explain="])
def test_not_asked_for(client: TestClient, query: str) -> None:
    assert "reached" in ask(client, f"/predict{query}").json()


@pytest.mark.parametrize("query", ["explain=1", "explain=yes", "Explain=maybe"])
def test_whether_to_explain_is_true_or_false(client: TestClient, query: str) -> None:
    response = ask(client, f"/predict?{query}")
    assert (response.status_code, response.json()["code"]) == (400, "BadRequestInvalid")
    assert "Expected explain as true or false" in response.json()["message"]


@pytest.mark.parametrize(
    ("files", "texts", "status", "code"),
    [
        (RED, {"name": "v1", "tag": "purple"}, 404, "NotFoundTag"),
        (RED, {"name": "v1", "tag": ""}, 404, "NotFoundTag"),
        (RED, {"name": "v2"}, 400, "BadRequestOperationNotSupported"),
        (RED, {"name": "nobody"}, 404, "NotFoundIteration"),
        (RED, {}, 400, "BadRequestRequiredParamIsNull"),
        (RED, {"name": "v1", "project": "roses"}, 400, "BadRequestInvalidIds"),
        (
            RED,
            {"name": "v1", "project": "11111111-1111-1111-1111-111111111111"},
            404,
            "NotFoundProject",
        ),
        ({"image": ("a.jpg", b"no photo")}, {"name": "v1"}, 400, "BadRequestImageFormat"),
        ({"image": ("a.jpg", picture()[:300])}, {"name": "v1"}, 400, "BadRequestImageFormat"),
        ({"image": ("a.png", png_of_size(60_000, 60_000))}, {"name": "v1"}, 400, "BadRequestImageDimensions"),
        ({"image": ("a.jpg", b"")}, {"name": "v1"}, 400, "BadRequestImageStream"),
        ({"image": (None, "http://127.0.0.1/a.jpg")}, {"name": "v1"}, 400, "BadRequestImageStream"),
        ({"other": (None, "text")}, {"name": "v1"}, 400, "BadRequestImageStream"),
    ],
)
@pytest.mark.parametrize("accept", ["*/*", "image/png"])
def test_refusals(
    client: TestClient, files: Any, texts: dict[str, str], status: int, code: str, accept: str
) -> None:
    response = client.post(EXPLAIN, files=files, data=texts, headers={"Accept": accept})
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert set(response.json()) == {"code", "message"}


def test_an_unknown_tag_is_told_which_there_are(client: TestClient) -> None:
    message = ask(client, tag="purple").json()["message"]
    assert "purple" in message
    assert "blue, green, red" in message


@pytest.mark.parametrize("content_type", ["application/octet-stream", "image/jpeg", "application/json"])
def test_something_else_than_a_form(client: TestClient, content_type: str) -> None:
    response = client.post(EXPLAIN, content=picture(), headers={"content-type": content_type})
    assert (response.status_code, response.json()["code"]) == (415, "UnsupportedMediaType")


def test_project_and_name(client: TestClient) -> None:
    answer = ask(client, project=PROJECT_ID.upper(), name='"v1"').json()
    assert answer["project"] == PROJECT_ID


@pytest.mark.parametrize(("key", "status"), [("right", 200), ("wrong", 401), ("", 401)])
def test_the_key_is_asked(source: FakeSource, key: str, status: int) -> None:
    with build_client(source, DAHLIA_PREDICTION_KEY="right") as client:
        response = client.post(EXPLAIN, files=RED, data={"name": "v1"}, headers={"Prediction-Key": key})
    assert response.status_code == status


def test_it_takes_a_place_among_the_predictions(source: FakeSource, monkeypatch: pytest.MonkeyPatch) -> None:
    state = build_state(source, DAHLIA_MAX_CONCURRENCY="1")
    seen: list[int] = []

    class Watched(Activation):
        def maps(self, *given: Any) -> Any:
            seen.append(state.admission.predictions)
            with pytest.raises(ServiceError) as caught, state.admission.prediction():
                pass
            assert caught.value.status == 429
            return super().maps(*given)

    monkeypatch.setattr("serving_helpers.Activation", Watched)
    status, answer = anyio.run(_through, state)
    assert status == 200
    assert answer["activation"]["tagName"] == "red"
    assert seen == [1]
    assert state.admission.predictions == 0
    with state.admission.prediction():
        assert anyio.run(_through, state)[0] == 429


def test_before_the_service_has_started(source: FakeSource) -> None:
    state = build_state(source)
    state.explainer = None
    assert anyio.run(_through, state)[0] == 503


async def _through(state: ServiceState) -> tuple[int, Any]:
    import httpx

    from dahlia.serving.prediction_app import PredictionApp

    async def unreachable(*_: object) -> None:
        raise AssertionError("reached")

    transport = httpx.ASGITransport(PredictionApp(unreachable, state, ()))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        response = await client.post(EXPLAIN, files=RED, data={"name": "v1"})
    return response.status_code, json.loads(response.content)
