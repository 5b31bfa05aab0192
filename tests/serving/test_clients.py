"""The clients that people have, of every version, against the service in a folder and as a Bento."""

from __future__ import annotations

import http.client
import io
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from azure.cognitiveservices.vision.customvision.prediction import CustomVisionPredictionClient
from azure.cognitiveservices.vision.customvision.prediction.models import CustomVisionErrorException
from msrest.authentication import ApiKeyCredentials
from running_services import KEY, post_file, said_by_script
from serving_helpers import PROJECT_ID, picture, url

from client_packages import javascript_clients, python_client
from dahlia.http.body import MAX_DISCARD
from photo_server import WebServer

pytestmark = pytest.mark.slow

CLIENTS = Path(__file__).parent / "clients"
NAME = "Iteration 1"
RED, BLUE = (250, 0, 0), (0, 0, 250)
STORES = ("", "_with_no_store")


def sdk(base: str, header: str = "Prediction-key", key: str = KEY) -> CustomVisionPredictionClient:
    return CustomVisionPredictionClient(base, ApiKeyCredentials(in_headers={header: key}))


@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize("header", ["Prediction-key", "Training-Key", "Ocp-Apim-Subscription-Key"])
def test_the_python_client(server: str, web: WebServer, store: str, header: str) -> None:
    client = sdk(f"{server}/", header)
    calls = {
        "red": ("classify_image", io.BytesIO(picture(RED))),
        "blue": ("classify_image_url", f"{web.base}/photo"),
    }
    for tag, (call, given) in calls.items():
        answer = getattr(client, call + store)(PROJECT_ID, NAME, given, application="tests")
        assert (answer.project, answer.predictions[0].tag_name) == (PROJECT_ID, tag)
        assert answer.created.tzinfo is not None
        assert answer.predictions[0].tag_type == "Regular"


def test_several_photos_at_once(server: str) -> None:
    """Each gets its own answer in its place, also where BentoML joins the requests of several clients."""
    given = [picture(RED), b"no photo", picture(BLUE)]

    def ask(_: int) -> Any:
        files = [("images", (f"{number}.jpg", data)) for number, data in enumerate(given)]
        answer = requests.post(
            f"{server}/predict_batch", files=files, headers={"Prediction-Key": KEY}, timeout=30
        )
        assert answer.status_code == 200
        return answer.json()

    with ThreadPoolExecutor(4) as pool:
        for red, refused, blue in pool.map(ask, range(8)):
            assert [one["predictions"][0]["tagName"] for one in (red, blue)] == ["red", "blue"]
            assert refused["code"] == "BadRequestImageFormat"
            assert red["id"] != blue["id"]


@pytest.mark.parametrize("store", STORES)
def test_the_python_client_detects_nothing(server: str, web: WebServer, store: str) -> None:
    client = sdk(server)
    for call, given in (("detect_image", picture()), ("detect_image_url", f"{web.base}/photo")):
        with pytest.raises(CustomVisionErrorException) as caught:
            getattr(client, call + store)(PROJECT_ID, NAME, given)
        assert caught.value.error.code == "BadRequestOperationNotSupported"
        assert "Invalid project type for operation" in caught.value.message


@pytest.mark.parametrize(
    ("project", "name", "path", "code"),
    [
        (PROJECT_ID, "nobody", "/photo", "NotFoundIteration"),
        ("11111111-1111-1111-1111-111111111111", NAME, "/photo", "NotFoundProject"),
        (PROJECT_ID, NAME, "/status/404", "BadRequestImageUrl"),
        (PROJECT_ID, NAME, "/to/ftp://example.com/a.jpg", "BadRequestImageUrl"),
        (PROJECT_ID, NAME, "/endless", "BadRequestImageSizeBytes"),
        (PROJECT_ID, NAME, "/text", "BadRequestImageFormat"),
    ],
)
def test_what_the_python_client_raises(
    server: str, web: WebServer, project: str, name: str, path: str, code: str
) -> None:
    with pytest.raises(CustomVisionErrorException) as caught:
        sdk(server).classify_image_url(project, name, web.base + path)
    assert caught.value.error.code == code


def test_a_wrong_key(server: str) -> None:
    with pytest.raises(CustomVisionErrorException) as caught:
        sdk(server, key="wrong").classify_image(PROJECT_ID, NAME, picture())
    assert caught.value.response.status_code == 401


def test_the_one_name_needs_no_name(server: str) -> None:
    answer = post_file(f"{server}/predict", picture(RED), key=KEY)
    assert (answer["project"], answer["predictions"][0]["tagName"]) == (PROJECT_ID, "red")


def test_a_flood_is_not_waited_for(server: str) -> None:
    connection = http.client.HTTPConnection(urlsplit(server).netloc, timeout=30)
    connection.putrequest("POST", url())
    connection.putheader("Prediction-Key", KEY)
    connection.putheader("Content-Length", str(MAX_DISCARD + 1))
    connection.endheaders(b"the first of many")
    response = connection.getresponse()
    assert json.load(response)["code"] == "BadRequestImageSizeBytes"
    assert response.headers["connection"] == "close"
    connection.close()


@pytest.mark.parametrize("version", ["2.0.0", "0.4.0", "0.1.0"])
def test_older_python_clients(server: str, web: WebServer, pytestconfig: pytest.Config, version: str) -> None:
    place = python_client(pytestconfig, version)
    script = [sys.executable, "-W", "ignore", str(CLIENTS / "old.py"), version]
    said = said_by_script(script, server, f"{web.base}/photo", place, PYTHONPATH=str(place))
    assert f"{place}" in said.pop()["from"]
    tasks = ("predict",) if version.startswith("0.") else ("classify", "detect")
    _check(
        said, [f"{task}_image{what}{store}" for task in tasks for store in STORES for what in ("", "_url")]
    )


def test_the_javascript_client(server: str, web: WebServer, pytestconfig: pytest.Config) -> None:
    node, place = javascript_clients(pytestconfig)
    said = said_by_script([node, str(CLIENTS / "classify.cjs")], server, f"{web.base}/photo", place)
    tasks, stores, ways = ("classify", "detect"), ("", "WithNoStore"), ("Image", "ImageUrl")
    _check(said, [f"{task}{what}{store}" for task in tasks for store in stores for what in ways])


def _check(said: list[dict[str, Any]], calls: list[str]) -> None:
    assert [one["call"] for one in said] == calls
    for one in said:
        if one["call"].startswith("detect"):
            assert (one["status"], one["code"]) == (400, "BadRequestOperationNotSupported")
        else:
            assert (one.get("tag"), one.get("date")) == (
                "blue" if "url" in one["call"].lower() else "red",
                True,
            ), one
