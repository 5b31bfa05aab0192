"""Bodies of operations: JSON, XML and forms alike; none where none is taken; faults in the client's words."""

from __future__ import annotations

import json
from typing import Any

import pytest
from image_cases import entry
from project_cases import UNKNOWN
from pydantic import BaseModel, ValidationError
from starlette.testclient import TestClient

from dahlia.http.documents import Document, read_document
from dahlia.server.contract.bodies import (
    ImageRegionBatch,
    ImageTagBatch,
    ImageUrl,
    ImageUrlBatch,
    PredictionQuery,
    ProjectChange,
    SettingsChange,
    TagChange,
)
from dahlia.server.http.replies import malformed
from dahlia.server.http.requests import fitted

ONE, TWO = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
BASE = "/customvision/v3.3/training"
PROJECT = f"{BASE}/projects/{UNKNOWN}"
ARRAYS = 'xmlns:d="http://schemas.microsoft.com/2003/10/Serialization/Arrays"'


@pytest.fixture(scope="module")
def client(shared_client: TestClient) -> TestClient:
    """Asks a server with an empty store."""
    return shared_client


@pytest.fixture(scope="module")
def project(client: TestClient) -> dict[str, Any]:
    """A project with a tag; `tag` is its id."""
    project: dict[str, Any] = client.post(f"{BASE}/projects?name=garden").json()
    project["tag"] = client.post(f"{BASE}/projects/{project['id']}/tags?name=daisy").json()["id"]
    return project


MODELS: list[tuple[type[BaseModel], str, dict[str, Any]]] = [
    (ImageUrl, "<ImageUrl><Url>http://a/b</Url></ImageUrl>", {"url": "http://a/b"}),
    (ImageUrl, "Url=http://a/b", {"url": "http://a/b"}),
    (
        ImageUrlBatch,
        f"<ImageUrlCreateBatch {ARRAYS}><Images><ImageUrlCreateEntry><Url>http://a/b</Url></ImageUrlCreateEntry>"
        f"<ImageUrlCreateEntry><TagIds><d:guid>{ONE}</d:guid></TagIds><Url>http://c</Url></ImageUrlCreateEntry>"
        f"</Images><TagIds><d:guid>{ONE}</d:guid><d:guid>{TWO}</d:guid></TagIds></ImageUrlCreateBatch>",
        {"images": [{"url": "http://a/b"}, {"url": "http://c", "tagIds": [ONE]}], "tagIds": [ONE, TWO]},
    ),
    (
        ImageUrlBatch,
        f"<batch><images><url>http://a/b</url></images><tagIds>{ONE}</tagIds><tagIds>{TWO}</tagIds></batch>",
        {"images": [{"url": "http://a/b"}], "tagIds": [ONE, TWO]},
    ),
    (
        ImageUrlBatch,
        f"Images[0].Url=http://a&Images[1][url]=http://c&Images[1].TagIds={ONE}&TagIds={ONE}&TagIds={TWO}",
        {"images": [{"url": "http://a"}], "tagIds": [ONE, TWO]},
    ),
    (ImageUrlBatch, "<batch><Images/><TagIds></TagIds></batch>", {"images": [], "tagIds": []}),
    (
        ImageUrlBatch,
        f"<batch {ARRAYS}><Metadata><d:KeyValueOfstringstring><d:Key>shelf</d:Key><d:Value>3</d:Value>"
        "</d:KeyValueOfstringstring></Metadata></batch>",
        {"metadata": {"shelf": "3"}},
    ),
    (
        ImageTagBatch,
        f"<b><Tags><ImageTagCreateEntry><ImageId>{ONE}</ImageId><TagId>{TWO}</TagId></ImageTagCreateEntry></Tags></b>",
        {"tags": [{"imageId": ONE, "tagId": TWO}]},
    ),
    (
        ImageRegionBatch,
        f"<b><regions><imageId>{ONE}</imageId><tagId>{TWO}</tagId><left>0.1</left><top>0</top><width>1</width>"
        "<height>1e-1</height></regions></b>",
        {"regions": [{"imageId": ONE, "tagId": TWO, "left": 0.1, "top": 0, "width": 1, "height": 0.1}]},
    ),
    (
        ProjectChange,
        "<Project><Name>a</Name><Settings><DomainId/><TargetExportPlatforms><string>ONNX</string>"
        "</TargetExportPlatforms></Settings><Created>2026-01-01T00:00:00Z</Created></Project>",
        {"name": "a", "settings": {"targetExportPlatforms": ["ONNX"]}},
    ),
    (TagChange, "Name=a&Type=", {"name": "a"}),
    (
        PredictionQuery,
        f"<Q><MaxCount>5</MaxCount><Tags><T><Id>{ONE}</Id><MinThreshold>0.5</MinThreshold></T></Tags>"
        "<StartTime>2026-01-01T00:00:00+02:00</StartTime><OrderBy>Oldest</OrderBy></Q>",
        {"maxCount": 5, "tags": [{"id": ONE, "minThreshold": 0.5}], "orderBy": "Oldest"},
    ),
]


@pytest.mark.parametrize(("model", "body", "expected"), MODELS)
def test_xml_and_forms_as_json(model: type[BaseModel], body: str, expected: dict[str, Any]) -> None:
    document = read_document(
        body.encode(), "application/x-www-form-urlencoded" if body[0] != "<" else "text/xml"
    )
    found = model.model_validate(fitted(model, document.content)).model_dump(mode="json", by_alias=True)
    for name, value in expected.items():
        assert _within(value, found[name]), (name, found[name])


def _within(expected: Any, found: Any) -> bool:
    """Whether everything that is expected was found; what is found besides are defaults."""
    if isinstance(expected, dict):
        return all(_within(value, found[name]) for name, value in expected.items())
    if isinstance(expected, list):
        return len(expected) <= len(found) and all(map(_within, expected, found))
    return bool(expected == found)


@pytest.mark.parametrize(
    "body",
    [
        "<A><KeyValueOfstringstring><Key>shelf</Key><Value>3</Value></KeyValueOfstringstring></A>",
        "<a><shelf>3</shelf></a>",
        "shelf=3",
    ],
)
def test_dictionaries(body: str) -> None:
    assert fitted(dict[str, str], read_document(body.encode()).content) == {"shelf": "3"}


def answer_to(
    client: TestClient, path: str, body: bytes | str, content_type: str = ""
) -> tuple[int, str, str]:
    headers = {"content-type": content_type} if content_type else {}
    answer = client.post(path, content=body, headers=headers)
    found = answer.json() if answer.content else {}
    return answer.status_code, str(found.get("code")), str(found.get("message"))


TAGS = {"tags": [{"imageId": ONE, "tagId": TWO}]}
XML_TAGS = f"<B><Tags><E><ImageId>{ONE}</ImageId><TagId>{TWO}</TagId></E></Tags></B>"


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (json.dumps(TAGS), "application/json"),
        (json.dumps(TAGS), "text/plain"),
        (json.dumps(TAGS), "application/octet-stream"),
        (json.dumps(TAGS), "application/x-www-form-urlencoded"),
        (json.dumps(TAGS), ""),
        (json.dumps(TAGS).encode("utf-16"), "application/json"),
        (json.dumps(TAGS).encode("utf-8-sig"), "application/json; charset=utf-8"),
        (str(TAGS), "application/json"),
        (XML_TAGS, "application/xml"),
        (XML_TAGS, "text/xml; charset=utf-8"),
        (XML_TAGS.encode("utf-16"), "text/xml"),
        (f"Tags[0].ImageId={ONE}&Tags[0].TagId={TWO}", "application/x-www-form-urlencoded"),
    ],
)
def test_a_body_in_any_form(client: TestClient, body: bytes | str, content_type: str) -> None:
    # It was read: the refusal is about what it asks for.
    assert answer_to(client, f"{PROJECT}/images/tags", body, content_type)[:2] == (404, "NotFoundProject")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_files_in_any_form(client: TestClient, project: dict[str, Any], encoding: str) -> None:
    path = f"{BASE}/projects/{project['id']}/images/files"
    one, two, three = (entry(10 * len(encoding) + number) for number in range(3))
    xml = f"<B><Images><E><Name>a</Name><Contents>{three['contents']}</Contents></E></Images></B>"
    for body in (json.dumps({"images": [one]}), str({"images": [two]}), xml):
        answer = client.post(path, content=body.encode(encoding))
        assert (answer.status_code, answer.json()["isBatchSuccessful"]) == (200, True), answer.text


NOTHING = ["", " \r\n", "null", '""', "{}", "{body}", "text", "\x00"]


@pytest.mark.parametrize("body", NOTHING)
@pytest.mark.parametrize("content_type", ["application/json", "text/plain", ""])
def test_bodies_that_may_be_left_out(client: TestClient, body: str, content_type: str) -> None:
    assert answer_to(client, f"{PROJECT}/train", body, content_type)[:2] == (404, "NotFoundProject")


@pytest.mark.parametrize("body", [*NOTHING, '{"name": "x"', "<a>", "[1, 2"])
def test_bodies_where_none_is_taken(client: TestClient, project: dict[str, Any], body: str) -> None:
    place = f"{BASE}/projects/{project['id']}"
    headers = {"content-type": "application/json"}
    wanted = [
        ("GET", place, 200),
        ("GET", f"{place}/tags", 200),
        ("DELETE", f"{place}/images?imageIds={ONE}", 204),
        ("POST", f"{place}/tags?name={len(body)}{ord(body[-1]) if body else 0}", 200),
        ("POST", f"{place}/iterations/{ONE}/publish?publishName=a&predictionId=b", 404),
        ("POST", f"{place}/iterations/{ONE}/export?platform=ONNX", 404),
        ("POST", f"{place}/tagsandregions/suggestions?iterationId={ONE}&imageIds={ONE}", 404),
    ]
    for method, path, status in wanted:
        answer = client.request(method, path, content=body, headers=headers)
        assert answer.status_code == status, (method, path, answer.text)


def test_they_are_bounded(client: TestClient) -> None:
    large = bytes(3 * 1024 * 1024)
    for path in ("/tags?name=a", "/images/tags"):
        assert client.post(PROJECT + path, content=large).status_code == 413
    answer = client.post(f"{PROJECT}/images/tags", content=iter([large]))  # its size is not declared
    assert (answer.status_code, answer.json()["code"]) == (413, "BadRequestExceededBatchSize")


REFUSED = [
    ("/images/tags", "", "Expected the body, received none"),
    ("/images/tags", "null", "Expected the body, received none"),
    ("/images/tags", "[1]", "Expected the body to be an object, received a list"),
    ("/images/tags", '{"tags": 5}', "Expected tags in the body to be a list, received 5"),
    ("/images/tags", '{"tags": [{"imageId": 5}]}', "tags[0].imageId in the body to be a text, received 5"),
    ("/images/tags", '{"tags": [{"imageId": "a"}]}', "Expected tags[0].tagId in the body, received none"),
    ("/images/tags", '{"tags": [null]}', "Expected tags[0] in the body to be an object, received null"),
    ("/images/tags", json.dumps({"tags": [{}] * 10_001}), "In tags in the body: expected at most 10000"),
    ("/images/tags", '{"tags": [}', "line 1, column 11"),
    ("/images/tags", "<!DOCTYPE a><a/>", "Expected XML without a document type"),
    (
        "/images/regions",
        '{"regions": [{"imageId": "a", "tagId": "b", "left": "x", "top": 0, "width": 1, "height": 1}]}',
        "Expected regions[0].left in the body to be a number, received 'x'",
    ),
    (
        "/images/regions",
        '{"regions": [{"imageId": "a", "tagId": "b", "left": 1e999, "top": 0, "width": 1, "height": 1}]}',
        "Expected regions[0].left in the body to be a finite number",
    ),
    (
        "/predictions/query",
        '{"maxCount": 1.5}',
        "Expected maxCount in the body to be a whole number, received 1.5",
    ),
    ("/predictions/query", '{"maxCount": 1' + "0" * 5000 + "}", "Expected maxCount in the body to be a"),
    ("/predictions/query", '{"startTime": "soon"}', "to be a date and time such as"),
    ("/predictions/query", '{"orderBy": "Some"}', "'Newest', 'Oldest'"),
    ("/images/urls", '{"images": [], "metadata": {"a": 5}}', "Expected metadata.a in the body to be a text"),
    (
        "/images/urls",
        '{"images": [{"url": {}}]}',
        "url in the body to be a text, received an object",
    ),
    ("/train", '{"selectedTags": "a"', "line 1, column 21"),
    ("/images/files", '{"images": [', "line 1, column 13"),
    ("/images/files", '{"images": [{"contents": 1' + "0" * 4000 + "}]}", "received a huge number"),
    ("/images/files", '{"images": [{"contents": 5}]}', "images[0].contents in the body to be a text"),
    ("/images/files", "[" * 200_000, "in more than 64 others"),
    ("/images/tags", "[" * 900 + "]" * 900, "in more than 64 others"),
    ("/images/files", '{"images": [{"contents": "\\ud800"}]}', "hex escape"),
    ("/predictions/query", f'{{"tagIds": ["{ONE}"]}}', "received tagIds; did you mean tags?"),
    ("/images/urls", '{"images": [{"url": "http://a", "tags": ["a"]}]}', "did you mean tagIds?"),
    ("/images/files", '{"images": [], "tagNames": ["a"]}', "did you mean tagIds?"),
    ("/train?forceTrain=true", '{"forceTrain": false}', "forceTrain once, received several values"),
    ("/tags", "{}", "Expected the parameter name in the query, received none"),
]


@pytest.mark.parametrize(("place", "body", "message"), REFUSED, ids=lambda value: value[:40])
def test_refused_bodies(client: TestClient, place: str, body: str, message: str) -> None:
    status, code, text = answer_to(client, PROJECT + place, body, "application/json")
    assert (status, code[:10]) == (400, "BadRequest")
    assert message in text
    assert "Send" in text or "Let" in text
    assert len(text) < 400


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("take=many", "Expected the parameter take to be a whole number, received 'many'"),
        ("take=-1", "Expected the parameter take to be at least 0, received '-1'"),
        ("take=9999999999999999999999999", "Expected take to be at most 256"),
        ("skip=99999999999", "Expected the parameter skip to be at most 2147483647"),
        ("orderBy=Some", "Expected the parameter orderBy to be one of 'Newest'"),
        ("taggingStatus=x", "Expected the parameter taggingStatus to be one of"),
        (f"take={'x' * 90}", f"received '{'x' * 40}' and more. Send"),
    ],
)
def test_refused_parameters(client: TestClient, query: str, message: str) -> None:
    answer = client.get(f"{PROJECT}/images?{query}").json()
    assert message in answer["message"]


@pytest.mark.parametrize(
    "given", [{"flag": "x"}, {"flag": None}, {"flag": 1, "many": []}, {"flag": 1, "many": {"a": "x"}}, 5]
)
def test_every_kind_of_error_has_words(given: object) -> None:
    class Anything(SettingsChange):
        flag: bool
        many: dict[str, int]

    with pytest.raises(ValidationError) as found:
        Anything.model_validate(given)
    errors = [{**one, "loc": ("body", *one["loc"])} for one in found.value.errors()]
    assert "of another kind" not in str(malformed(errors))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"classificationType": "Multiclass"}, "a field of settings; put it into settings"),
        ({"domain_id": ONE}, "received domainId, which is a field of settings"),
        ({"nmae": "a"}, "did you mean name?"),
        ({"settings": {"classification": "Multilabel"}}, "did you mean classificationType?"),
        ({"drModeEnabled": False, "thumbnailUri": "a", "domainId": None, "anything": 1, "name": "a"}, ""),
        ({"settings": {"useNegativeSet": True, "detectionParameters": "a"}}, ""),
    ],
)
def test_fields_in_the_wrong_place(
    client: TestClient, project: dict[str, Any], change: dict[str, Any], message: str
) -> None:
    answer = client.patch(f"{BASE}/projects/{project['id']}", json=change)
    assert answer.status_code == (400 if message else 200), answer.text
    assert message in answer.json().get("message", "")


def test_what_was_read_may_be_sent_back(client: TestClient, project: dict[str, Any]) -> None:
    place = f"{BASE}/projects/{project['id']}"
    for path in (place, f"{place}/tags/{project['tag']}"):
        answer = client.patch(path, json=client.get(path).json())
        assert answer.status_code == 200, answer.text


def test_parameters_in_the_body(client: TestClient, project: dict[str, Any]) -> None:
    place = f"{BASE}/projects/{project['id']}"
    made = client.post(f"{BASE}/projects", json={"Name": "b", "classification_type": "multiclass"}).json()
    assert (made["name"], made["settings"]["classificationType"]) == ("b", "Multiclass")
    tag = client.post(f"{place}/tags", data={"name": "rose", "type": "negative"}).json()
    assert (tag["name"], tag["type"]) == ("rose", "Negative")
    answer = client.request("DELETE", f"{place}/images", json={"imageIds": [ONE], "allImages": False})
    assert answer.status_code == 204, answer.text
    answer = client.post(f"{place}/tags?name=lily", json={"name": "tulip"})
    assert (answer.status_code, answer.json()["code"]) == (400, "BadRequestInvalid")
    same = client.post(f"{place}/tags?name=lily", json={"name": "lily", "description": None, "type": {}})
    assert same.json()["name"] == "lily"


def test_enumerations_in_any_case(client: TestClient, project: dict[str, Any]) -> None:
    place = f"{BASE}/projects/{project['id']}"
    change = {"settings": {"classificationType": "MULTICLASS"}}
    assert (
        client.patch(place, json=change).json()["settings"]["classificationType"],
        client.patch(f"{place}/tags/{project['tag']}", json={"type": "regular"}).json()["type"],
        client.post(f"{place}/predictions/query", json={"orderBy": "oldest"}).json()["token"]["orderBy"],
    ) == ("Multiclass", "Regular", "Oldest")


def test_head_is_get_without_a_body(client: TestClient, project: dict[str, Any]) -> None:
    for path in (
        "/healthz",
        "/docs",
        "/openapi.json",
        "/metrics",
        f"{BASE}/domains",
        f"{BASE}/projects",
        PROJECT,
    ):
        head, got = client.head(path), client.get(path)
        assert (head.status_code, head.content) == (got.status_code, b""), path
        if path != "/metrics":
            assert head.headers["content-length"] == got.headers["content-length"], path
        assert head.headers["content-type"] == got.headers["content-type"]
    v1 = f"{BASE}/projects/{project['id']}".replace("v3.3", "v1.2")
    assert client.head(v1).headers["content-length"] == client.get(v1).headers["content-length"]
    assert client.head(f"{PROJECT}/train").status_code == 405


@pytest.mark.parametrize("version", ["v1.0", "v1.1", "v1.2"])
def test_version_1(client: TestClient, project: dict[str, Any], version: str) -> None:
    place = f"{BASE}/projects/{project['id']}".replace("v3.3", version)
    listed = client.get(f"{place}/tags").json()
    assert project["tag"] in [tag["Id"] for tag in listed["Tags"]]
    assert {"TotalTaggedImages", "TotalUntaggedImages"} <= listed.keys()
    added = client.post(f"{place}/images/image?tagIds={project['tag']}", content=b"no photo")
    assert (added.status_code, added.json()["Images"][0]["Status"]) == (200, "ErrorImageFormat")
    urls = {"TagIds": [project["tag"]], "Urls": ["http://127.0.0.1:1/a.jpg"]}
    added = client.post(f"{place}/images/url", json=urls)
    assert (added.status_code, added.json()["Images"][0]["SourceUrl"]) == (200, urls["Urls"][0])
    assert client.get(f"{place}/images/tagged/all").status_code == 200
    assert client.get(f"{place}/account").status_code == 404


@pytest.mark.parametrize("version", ["v2.0", "v2.1"])
def test_version_2(client: TestClient, version: str) -> None:
    assert len(client.get(f"{BASE}/domains".replace("v3.3", version)).json()) == 18


def test_a_body_is_read_for_those_alone_who_have_a_key(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(*_: object) -> Document:
        raise AssertionError("a body was read without a key")

    monkeypatch.setattr("dahlia.server.http.requests.read_document", read)
    for path in ("images/urls", "images/tags", "quicktest/url", "predictions/query", "train"):
        answer = client.post(f"{PROJECT}/{path}", content=b'{"a": 1}', headers={"Training-Key": "wrong"})
        assert answer.status_code == 401


def test_a_name_in_two_spellings_is_refused(client: TestClient) -> None:
    answer = client.post(f"{PROJECT}/images/urls", content=b'{"images": [], "Images": []}')
    assert answer.status_code == 400
    assert "each name once" in answer.json()["message"]
