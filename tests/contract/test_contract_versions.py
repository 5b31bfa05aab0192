"""What other clients send: older versions' paths, other spellings, other bodies. Asked without the SDK."""

from __future__ import annotations

import base64
import http.client
import json
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from azure.cognitiveservices.vision.customvision.training import models
from contract_answers import check_json
from contract_projects import COMPACT, NOBODY, Photos, wait_until
from contract_server import RunningServer

from photo_server import WebServer

pytestmark = pytest.mark.slow

OLD = ("v1.2", "v2.2", "v3.0", "v3.1", "v3.2")  # their clients know no 207
NEW = ("v3.3", "v3.4-preview")
JSON = {"Content-Type": "application/json; charset=utf-8"}


class Wire:
    """Sends paths as they are: libraries tidy them up.

    Args:
        server: to ask.
        header: in which the key goes.
    """

    def __init__(self, server: RunningServer, header: str = "Training-Key") -> None:
        self._server = server
        self._header = header

    def __call__(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, Any, dict[str, str]]:
        """Status, JSON and headers of the answer."""
        connection = http.client.HTTPConnection(urlsplit(self._server.base).netloc, timeout=60)
        connection.request(method, path, body, {self._header: self._server.training_key} | (headers or {}))
        with connection.getresponse() as response:
            content = response.read()
            told = {name.lower(): value for name, value in response.getheaders()}
        connection.close()
        found = json.loads(content) if content else None
        return response.status, _in_camel_case(found) if "/v1." in path else found, told


def _in_camel_case(found: Any) -> Any:
    """The names of later versions for those of version 1, which begin with a capital."""
    if isinstance(found, list):
        return [_in_camel_case(one) for one in found]
    if not isinstance(found, dict):
        return found
    assert all(name[0].isupper() for name in found), found
    return {name[0].lower() + name[1:]: _in_camel_case(one) for name, one in found.items()}


@pytest.fixture(scope="module")
def ask(server: RunningServer) -> Wire:
    return Wire(server)


def base(version: str = "v3.3", word: str = "training") -> str:
    return f"/customvision/{version}/{word}"


def sent(*images: bytes, **more: Any) -> bytes:
    entries = [{"name": "a.jpg", "contents": base64.b64encode(image).decode()} for image in images]
    return json.dumps({"images": entries, **more}).encode()


@pytest.mark.parametrize("word", ["training", "Training"])
@pytest.mark.parametrize("version", [*OLD, *NEW])
@pytest.mark.parametrize("slashes", ["", "/"])
def test_every_version_and_spelling(ask: Wire, version: str, word: str, slashes: str, project: str) -> None:
    for path in ("domains", "projects", f"projects/{project}", f"projects/{project}/iterations"):
        status, found, _ = ask("GET", f"{slashes}{base(version, word)}/{path}")
        assert status == 200, path
        if path == "domains":
            check_json(found, models.Domain)
            assert len(found) == 18
    status, found, _ = ask("GET", f"{slashes}{base(version, word)}/projects/{NOBODY}")
    assert (status, found["code"]) == (404, "NotFoundProject")


@pytest.mark.parametrize("path", ["/customvision/v9.9/training/domains", f"{base()}/nothing", "/elsewhere"])
def test_unknown_routes(ask: Wire, path: str) -> None:
    assert ask("GET", path)[:2] == (404, {"statusCode": 404, "message": "Resource not found"})


@pytest.mark.parametrize(
    ("version", "status"), [*((one, 200) for one in OLD), *((one, 207) for one in NEW)]
)  # fmt: skip
def test_partial_failures(
    ask: Wire, version: str, status: int, project: str, photos: Photos, web: WebServer
) -> None:
    place = f"{base(version)}/projects/{project}/images"
    whole = ask("POST", f"{place}/files", sent(photos["daisy"][0]), JSON)
    assert (whole[0], whole[1]["isBatchSuccessful"]) == (200, True)
    urls = {"images": [{"url": f"{web.base}/photo"}, {"url": f"{web.base}/status/404"}]}
    image = whole[1]["images"][0]["image"]["id"]
    asked = {
        f"{place}/files": sent(photos["daisy"][1], b"no photo"),
        f"{place}/urls": json.dumps(urls).encode(),
        f"{place}/predictions": json.dumps({"images": [{"id": NOBODY}]}).encode(),
        f"{place}/metadata?imageIds={image},{NOBODY}": b'{"shelf": "3"}',
    }
    for path, body in asked.items():
        answered = ask("POST", path, body, JSON)
        assert (answered[0], answered[1]["isBatchSuccessful"]) == (status, False), path
        assert len(answered[1]["images"]) <= 2
    octets = {"Content-Type": "application/octet-stream"}
    assert ask("POST", place, b"no photo", octets)[0] == status


@pytest.mark.parametrize(
    "header", ["Training-Key", "training-key", "Prediction-Key", "Ocp-Apim-Subscription-Key"]
)
def test_the_key_in_any_header(server: RunningServer, header: str) -> None:
    assert Wire(server, header)("GET", f"{base()}/domains")[0] == 200


def test_no_key(server: RunningServer) -> None:
    status, found, headers = Wire(server, "Some-Header")("GET", f"{base()}/domains")
    assert (status, found["error"]["code"]) == (401, "401")
    assert headers["apim-request-id"]


def test_the_headers_of_answers(ask: Wire) -> None:
    for path in (f"{base()}/domains", f"{base()}/projects/{NOBODY}"):
        headers = ask("GET", path)[2]
        assert headers["apim-request-id"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["content-type"].replace(" ", "") == "application/json;charset=utf-8"
    first, second = (ask("GET", f"{base()}/domains")[2]["apim-request-id"] for _ in range(2))
    assert first != second


def test_bodies_as_other_clients_send_them(ask: Wire, project: str, photos: Photos, web: WebServer) -> None:
    place = f"{base()}/projects/{project}"
    # A JSON type without a body, as the JavaScript client and Python's `create_project` have it.
    assert ask("GET", f"{place}/tags", None, {"content-type": "application/json"})[0] == 200
    options = f"name=Made&domainId={COMPACT}&classificationType=multiclass&targetExportPlatforms=onnx,coreml"
    status, made, _ = ask("POST", f"{base()}/projects?{options}", b"", JSON)
    assert (status, made["settings"]["classificationType"]) == (200, "Multiclass")
    assert made["settings"]["targetExportPlatforms"] == ["ONNX", "CoreML"]
    assert ask("DELETE", f"{base()}/projects/{made['id'].upper()}")[:2] == (204, None)
    status, tag, _ = ask("POST", f"{place}/tags?name={quote('Kühe & Äpfel')}&type=regular", b"", JSON)
    assert (status, tag["name"], tag["type"]) == (200, "Kühe & Äpfel", "Regular")
    # Keys of objects in any case, and values of enumerations.
    body = json.dumps({"Images": [{"Url": f"{web.base}/photo", "TagIds": [tag["id"].upper()]}]}).encode()
    status, summary, _ = ask("POST", f"{place}/images/urls", body, JSON)
    assert (status, summary["images"][0]["status"]) == (200, "OK")
    check_json(summary, models.ImageCreateSummary)
    octets = {"Content-Type": "application/octet-stream"}
    status, summary, _ = ask("POST", f"{place}/images?tagIds={tag['id']}", photos["daisy"][0], octets)
    assert (status, len(summary["images"][0]["image"]["tags"])) == (200, 1)
    found = ask("GET", f"{place}/images?orderBy=oldest&taggingStatus=TAGGED&take=1&tagIds={tag['id']}")[1]
    check_json(found, models.Image)
    assert len(found) == 1
    assert ask("PATCH", place, b'{"Name": "Renamed"}', JSON)[1]["name"] == "Renamed"


@pytest.mark.parametrize("place", ["v3.0/Prediction", "v3.1/prediction", "v3.3/Prediction"])
def test_prediction_routes(ask: Wire, place: str, project: str, photos: Photos) -> None:
    octets = {"Content-Type": "application/octet-stream"}
    for slashes in ("", "/"):
        path = f"{slashes}/customvision/{place}/{project}/classify/iterations/none%20yet/image"

        def refused(path: str = path) -> bool:
            status, found, _ = ask("POST", path, photos["daisy"][0], octets)
            assert status == 404
            return found["code"] == "NotFoundIteration" and "Invalid iteration" in found["message"]

        wait_until(refused)  # predictions learn within a moment that a project was made


def test_several_photos_in_one_form(ask: Wire, project: str, photos: Photos) -> None:
    head = b'--x\r\nContent-Disposition: form-data; name="imageData"\r\n\r\n'
    body = b"".join(head + photo + b"\r\n" for photo in photos["daisy"][:3]) + b"--x--\r\n"
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    status, summary, _ = ask("POST", f"{base()}/projects/{project}/images", body, headers)
    assert (status, len(summary["images"]), summary["isBatchSuccessful"]) == (200, 3, True)
