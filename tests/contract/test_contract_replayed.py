"""SDKs that are not run here, by the bytes that they send; and whether they could read the answers."""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from contract_projects import NOBODY, PREDICTION_ID, Photos, Trained, upload
from contract_recorder import Recorded
from contract_server import RunningServer
from raw_http import Answer, Connection, written
from replayed_clients import Client, CSharp, Go, Java

from photo_server import WebServer

pytestmark = pytest.mark.slow

NAME = "tree class/Model"
# Go's dates are RFC 3339: a zone is a must. Newtonsoft and Joda read these too.
_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,7})?Z")
_DATES = {"created", "lastModified", "trainedAt"}
_IDS = {"id", "tagId", "domainId", "projectId", "project", "iteration", "regionId"}
_WHOLE = {"imageCount", "width", "height", "reservedBudgetInHours", "trainingTimeInMinutes"}


def readable(answer: Answer, status: int = 200) -> Any:
    """The JSON of an answer that the deserialisers of C#, Java and Go take."""
    assert answer.status == status, answer.body
    assert answer.headers["content-type"].lower() in ("application/json", "application/json; charset=utf-8")
    _check("", answer.json)
    return answer.json


def _check(name: str, value: Any) -> None:
    if isinstance(value, dict):
        for key, one in value.items():
            assert key[0].islower(), key
            _check(key, one)
    elif isinstance(value, list):
        for one in value:
            _check(name, one)
    elif value is None:
        assert name not in {"id", "tagId", "created", "projectId", "probability", *_WHOLE}, name
    elif name in _DATES:
        assert _DATE.fullmatch(value), value
    elif name in _IDS:
        assert str(uuid.UUID(value)) == value
    elif name in _WHOLE:
        assert type(value) is int, (name, value)


def csharp(server: RunningServer, **more: Any) -> CSharp:
    return CSharp(server.base, server.training_key, server.prediction_key, **more)


def java(server: RunningServer) -> Java:
    return Java(server.base, server.training_key, server.prediction_key)


QUICKSTARTS: dict[str, tuple[Callable[[RunningServer], Client], str, int]] = {
    "C# on .NET Framework": (lambda server: csharp(server, training="v3.0", framework=True), "", 1),
    "Java, the sample that gives each image two tags of a multiclass project": (java, "Multiclass", 2),
}


@pytest.mark.parametrize(("client_of", "kind", "of_each"), QUICKSTARTS.values(), ids=QUICKSTARTS)
def test_a_quickstart(
    server: RunningServer,
    photos: Photos,
    client_of: Callable[[RunningServer], Client],
    kind: str,
    of_each: int,
) -> None:
    client = client_of(server)
    with Connection(server.base) as wire:
        project = readable(wire.ask(client.create_project("My New Project", kind)))
        assert (project["name"], project["description"]) == ("My New Project", "")
        assert project["settings"]["classificationType"] == (kind or "Multilabel")
        identity = project["id"]
        tags = {
            flower: [
                readable(wire.ask(client.create_tag(identity, f"{flower}{mark}")))["id"]
                for mark in ("", " & leaves")[:of_each]
            ]
            for flower in ("daisy", "dahlia")
        }
        for photo in photos["daisy"][:6]:
            summary = readable(wire.ask(client.create_images_from_data(identity, photo, *tags["daisy"])))
            assert summary["isBatchSuccessful"]
            assert [one["status"] for one in summary["images"]] == ["OK"]
            assert {tag["tagId"] for tag in summary["images"][0]["image"]["tags"]} == set(tags["daisy"])
        batch = client.create_images_from_files(identity, photos["dahlia"][:6], *tags["dahlia"])
        assert readable(wire.ask(batch))["isBatchSuccessful"]
        iteration = readable(wire.ask(client.train_project(identity)))
        assert iteration["status"] == "Training"
        until = time.monotonic() + 120
        while iteration["status"] == "Training" and time.monotonic() < until:
            time.sleep(0.2)
            iteration = readable(wire.ask(client.get_iteration(identity, iteration["id"])))
        assert iteration["status"] == "Completed"
        published = wire.ask(client.publish(identity, iteration["id"], NAME, PREDICTION_ID))
        assert readable(published) is True
        asked = readable(wire.ask(client.classify(identity, NAME, photos["daisy"][0])))
        assert asked["iteration"] == iteration["id"]
        best = sorted(asked["predictions"], key=lambda one: -one["probability"])[:of_each]
        assert {one["tagId"] for one in best} == set(tags["daisy"])
        if of_each == 2:  # tags that exclude each other share the probability
            assert 0.5 < sum(one["probability"] for one in asked["predictions"]) <= 1 + 1e-5
        for request in (client.unpublish(identity, iteration["id"]), client.delete_project(identity)):
            gone = wire.ask(request)
            assert (gone.status, gone.body) == (204, b"")


@pytest.fixture(scope="module")
def published(training: Recorded, trained: Trained) -> Iterator[str]:
    """The path of a published name, behind `Prediction/`."""
    training.publish_iteration(trained.project, trained.iteration, "replayed", "any")
    yield f"{trained.project}/classify/iterations/replayed"
    training.unpublish_iteration(trained.project, trained.iteration)


def host(server: RunningServer) -> str:
    return f"Host: {server.base.removeprefix('http://')}"


BOUNDARY = "------------------------8c0f1a6b5e7d4c3a"
CURL_FORM = (
    f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="imageData"; filename="test.jpg"\r\n'
    "Content-Type: image/jpeg\r\n\r\n"
).encode()
ASKING: dict[str, tuple[str, list[str], bytes, int]] = {
    # name: path, headers, what surrounds the image in a form, bytes of a chunk
    "curl with a form": (
        "/customvision/v3.0/Prediction/{}/image",
        ["User-Agent: curl/7.68.0", "Accept: */*", f"Content-Type: multipart/form-data; boundary={BOUNDARY}"],
        CURL_FORM,
        0,
    ),
    "curl with a large file": (
        "/customvision/v3.1/prediction/{}/image/nostore",
        ["Accept: */*", "Content-Type: application/octet-stream", "Expect: 100-continue"],
        b"",
        0,
    ),
    "the portal's dialog in PowerShell": (
        "/customvision/v3.0/Prediction/{}/image",
        [
            "User-Agent: Mozilla/5.0 (Windows NT; Windows NT 10.0; de-DE) WindowsPowerShell/5.1.19041.1682",
            "Content-Type: application/octet-stream",
            "Expect: 100-continue",
            "Connection: Keep-Alive",
        ],
        b"",
        0,
    ),
    "Unity": (
        "/customvision/v3.0/Prediction/{}/image",
        [
            "User-Agent: UnityPlayer/2019.4.1f1 (UnityWebRequest/1.0, libcurl/7.52.0-DEV)",
            "Accept: */*",
            "Accept-Encoding: identity",
            "Content-Type: application/octet-stream",
            "X-Unity-Version: 2019.4.1f1",
        ],
        b"",
        0,
    ),
    "Xamarin's HttpClient": (
        "/customvision/v3.0/Prediction/{}/image?application=",
        ["content-type: application/octet-stream", "accept-encoding: gzip, deflate"],
        b"",
        0,
    ),
    "HttpClient with a stream of unknown length": (
        "/customvision/v3.0/Prediction/{}/image",
        ["Content-Type: application/octet-stream"],
        b"",
        8192,
    ),
    "an ESP32 by its HTTPClient": (
        "/customvision/v3.0/Prediction/{}/image",
        [
            "User-Agent: ESP32HTTPClient",
            "Connection: keep-alive",
            "Accept-Encoding: identity;q=1,chunked;q=0.1,*;q=0",
            "Content-Type: application/octet-stream",
        ],
        b"",
        0,
    ),
    "a very long user agent": (
        "/customvision/v3.0/Prediction/{}/image",
        [f"User-Agent: {'Dalvik/2.1.0 ' * 1200}", "Content-Type: application/octet-stream"],
        b"",
        0,
    ),
}


@pytest.mark.parametrize(("path", "headers", "form", "chunks"), ASKING.values(), ids=ASKING)
def test_a_prediction(
    server: RunningServer,
    published: str,
    photos: Photos,
    path: str,
    headers: list[str],
    form: bytes,
    chunks: int,
) -> None:
    body = photos["daisy"][0]
    if form:
        body = form + body + f"\r\n--{BOUNDARY}--\r\n".encode()
    head = [host(server), f"prediction-key: {server.prediction_key}", *headers]
    with Connection(server.base) as wire:
        for _ in range(2):  # the connection goes on
            answer = wire.ask(written(f"POST {path.format(published)}", head, body, chunks=chunks))
            assert readable(answer)["predictions"][0]["tagName"] == "daisy"
            assert answer.interim == ((100,) if "Expect: 100-continue" in headers else ())


LINES: dict[str, tuple[str, list[str], bool]] = {
    # name: request line (of the base and the path), headers, whether the connection ends
    "HTTP/1.0": ("POST {1} HTTP/1.0", [], True),
    "HTTP/1.0 without a host": ("POST {1} HTTP/1.0", ["no host"], True),
    "HTTP/1.0 that would keep the connection": ("POST {1} HTTP/1.0", ["Connection: keep-alive"], True),
    "close": ("POST {1} HTTP/1.1", ["Connection: close"], True),
    "a proxy's absolute form": ("POST {0}{1} HTTP/1.1", ["Proxy-Connection: Keep-Alive"], False),
}


@pytest.mark.parametrize(("line", "headers", "ends"), LINES.values(), ids=LINES)
def test_request_lines(
    server: RunningServer, published: str, photos: Photos, line: str, headers: list[str], ends: bool
) -> None:
    path = f"/customvision/v3.0/Prediction/{published}/image"
    body = photos["daisy"][0]
    named = [] if "no host" in headers else [host(server)]
    fields = [
        *named,
        f"Prediction-Key: {server.prediction_key}",
        "Content-Type: application/octet-stream",
        *(one for one in headers if one != "no host"),
        f"Content-Length: {len(body)}",
    ]
    request = "\r\n".join([line.format(server.base, path), *fields, "", ""]).encode() + body
    with Connection(server.base) as wire:
        answer = wire.ask(request)
        assert readable(answer)["predictions"][0]["tagName"] == "daisy"
        if ends:
            assert answer.headers["connection"] == "close"
            assert wire.is_closed()
        else:
            assert readable(wire.ask(request))["predictions"]


def test_a_connector_that_sends_addresses(server: RunningServer, published: str, web: WebServer) -> None:
    body = ("\ufeff" + json.dumps({"Url": f"{web.base}/photo.jpg"})).encode()
    head = [
        host(server),
        f"Prediction-Key: {server.prediction_key}",
        "User-Agent: azure-logic-apps/1.0 (workflow 1f; version 08585)",
        "Accept-Language: en",
        "x-ms-workflow-id: 1f",
        "x-ms-client-request-id: 3f1c0f29-8a5a-4b0f-b4e6-2f8f0b6c7d10",
        "Content-Type: application/json; charset=utf-8",
    ]
    line = f"POST /customvision/v3.0/prediction/{published}/url?application=flow"
    with Connection(server.base) as wire:
        assert readable(wire.ask(written(line, head, body)))["predictions"][0]["tagName"] == "daisy"


def test_the_other_requests_of_these_sdks(
    server: RunningServer, training: Recorded, project: str, photos: Photos
) -> None:
    dotnet, jvm = csharp(server, training="v3.4-preview"), java(server)
    go = Go(server.base, server.training_key, server.prediction_key)
    below, tag = f"/projects/{project}", training.create_tag(project, "daisy").id
    image = upload(training, project, photos["daisy"][:1], tag)[0]
    pairs = f"imageIds={image}&tagIds={tag}"
    nulls = b'{"images":[{"name":"a","contents":null,"tagIds":null,"regions":null}],"tagIds":null}'
    table: dict[str, tuple[bytes, int]] = {
        "C#: a project with all it has": (
            dotnet.train_api(
                "PATCH",
                below,
                b'{\r\n  "name": "Another",\r\n  "description": "",\r\n  "settings": {\r\n'
                b'    "domainId": "ee85a74c-405e-4adc-bb47-ffa8ca0c9f31",\r\n'
                b'    "classificationType": "Multilabel",\r\n    "targetExportPlatforms": []\r\n  }\r\n}',
            ),
            200,
        ),
        "C#: domains": (dotnet.train_api("GET", "/domains"), 200),
        "C#: a tag": (dotnet.create_tag(project, "Japanese Cherry & co"), 200),
        "C#: a MemoryStream": (dotnet.create_images_from_data(project, photos["daisy"][1], tag), 200),
        "C#: files": (dotnet.create_images_from_files(project, photos["dahlia"][1:3], tag), 200),
        "C#: a page of images": (dotnet.train_api("GET", f"{below}/images/tagged?take=50&skip=0"), 200),
        "C#: untag": (dotnet.train_api("DELETE", f"{below}/images/tags?{pairs}"), 204),
        "C#: tag": (
            dotnet.train_api(
                "POST",
                f"{below}/images/tags",
                json.dumps({"tags": [{"imageId": image, "tagId": tag}]}, indent=2).encode(),
            ),
            200,
        ),
        "C#: predictions of a time": (
            dotnet.train_api(
                "POST",
                f"{below}/predictions/query",
                b'{"maxCount": 0, "orderBy": "Newest", "startTime": "2020-02-11T16:41:01.1712345Z",'
                b' "endTime": "2031-02-11T17:41:01.1712345+01:00"}',
            ),
            200,
        ),
        "Java: an iteration of none": (
            jvm.train_api("GET", f"projects/{project}/iterations/{NOBODY}"),
            404,
        ),
        "Java: nulls": (jvm.train_api("POST", f"projects/{project}/images/files", nulls), 400),
        "Java: delete a tag": (jvm.train_api("DELETE", f"projects/{project}/tags/{tag}"), 204),
        "Go: a project": (go.create_project("Go Sample Project"), 200),
        "Go: an image": (go.create_images_from_data(project, photos["dahlia"][0]), 200),
        "R: kinds in small letters": (
            go.train_api("POST", "/projects?name=abc&classificationType=multiclass", b""),
            200,
        ),
    }
    with Connection(server.base) as wire:
        for name, (request, status) in table.items():
            answer = wire.ask(request)
            assert answer.status == status, (name, answer.body)
            if answer.body:
                readable(answer, status)
    for made in training.get_projects():
        if made.name in ("Go Sample Project", "abc"):
            training.delete_project(made.id)
