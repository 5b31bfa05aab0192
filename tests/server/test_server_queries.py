"""Parameters in queries, over all operations: lists in every form, scalars once, empty ones left out."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import anyio
import pytest
from project_cases import UNKNOWN
from starlette.testclient import TestClient
from starlette.types import Message

from dahlia.errors import ServiceError
from dahlia.http.parameters import read_query

ID = "11111111-1111-4111-8111-111111111111"
VALUES = {"name": "garden", "platform": "ONNX", "publishName": "name", "predictionId": "id", "path": "a/b"}
LISTS = {"tagIds", "imageIds", "regionIds", "ids", "targetExportPlatforms"}
FORMS = {
    "repeated": "{0}=",
    "joined": ",",
    "in brackets": "{0}[]=",
    "in encoded brackets": "{0}%5B%5D=",
    "numbered": "{0}[1]=",
}


@pytest.fixture(scope="module")
def plain(shared_client: TestClient) -> TestClient:
    """A server with an empty store; paths begin at its root."""
    return shared_client


@pytest.fixture(scope="module")
def operations(plain: TestClient) -> list[tuple[str, str, dict[str, Any]]]:
    """All operations with a query: method, path, description."""
    paths = plain.get("/openapi.json").json()["paths"]
    return [
        (method, path.replace("{", "").replace("}", ""), operation)
        for path, described in paths.items()
        for method, operation in described.items()
        if any(one["in"] == "query" for one in operation.get("parameters", ()))
    ]


def place_of(path: str) -> str:
    return "/".join(UNKNOWN if part.endswith(("Id", "_id")) else part for part in path.split("/"))


def is_list(parameter: dict[str, Any]) -> bool:
    schema = parameter["schema"]
    return any(one.get("type") == "array" for one in (schema, *schema.get("anyOf", ())))


def required(operation: dict[str, Any], other_than: str) -> str:
    names = [
        one["name"]
        for one in operation["parameters"]
        if one["in"] == "query" and one["required"] and one["name"] != other_than
    ]
    return "".join(f"&{name}={VALUES.get(name, ID)}" for name in names)


def text_of(client: TestClient, method: str, path: str, query: str) -> str:
    body = {"json": {"a": "b"}} if method != "get" else {}
    answer = client.request(method.upper(), f"{place_of(path)}?{query}", **body)  # type: ignore[arg-type]
    assert answer.status_code == 400, (path, query, answer.text)
    return str(answer.json().get("message") or answer.json().get("Message"))


def test_every_list_arrives_in_every_form(
    plain: TestClient, operations: list[tuple[str, str, dict[str, Any]]]
) -> None:
    found = set()
    for method, path, operation in operations:
        for one in operation["parameters"]:
            if one["in"] != "query" or not is_list(one):
                continue
            name = one["name"]
            good = "ONNX" if name == "targetExportPlatforms" else ID
            more = required(operation, name)
            if name == "targetExportPlatforms":
                more += "&domainId=0732100f-1a38-4e49-a514-c9b44c697ab5"
            found.add(name)
            for form, between in FORMS.items():
                joint = "," if between == "," else f"&{between.format(name)}"
                for first, second in ((good, "some"), ("some", good), (f"{good},{good}", "some")):
                    text = text_of(plain, method, path, f"{name}={first}{joint}{second}{more}")
                    assert "'some'" in text, (path, name, form, text)
    assert found == LISTS


def test_every_scalar_that_comes_twice_is_refused(
    plain: TestClient, operations: list[tuple[str, str, dict[str, Any]]]
) -> None:
    found = set()
    for method, path, operation in operations:
        for one in operation["parameters"]:
            if one["in"] == "query" and not is_list(one):
                name = one["name"]
                text = text_of(plain, method, path, f"{quote(name)}=1&{quote(name.upper())}=1")
                assert f"the parameter {name} once, received it 2 times" in text, (path, text)
                found.add(name)
    assert {"skip", "take", "iterationId", "forceTrain", "name", "publishName", "application"} <= found


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (b"ids=a&ids=b,a&IDS[]=c&ids[7]=d", {"ids": ["a", "b", "a", "c", "d"]}),
        (b"ids=,%20,&ids=", {}),
        (b"ids=%5B'a',+%22b%22%5D", {"ids": ["a", "b"]}),  # Python's and JavaScript's texts of lists
        (b"ids=a%2Cb", {"ids": ["a", "b"]}),
        (b"SKIP=5&other=1&other=2", {"skip": ["5"]}),
        (b"skip=&skip=5&&=&", {"skip": ["5"]}),
        (b"ids=a&amp;skip=5", {"ids": ["a"], "skip": ["5"]}),
        (b"%73kip=a+b%2B", {"skip": ["a b+"]}),
        (b"skip=K\xc3\xbche", {"skip": ["Kühe"]}),
        (b"skip=100%", {"skip": ["100%"]}),
        (b"%s", {}),
        (b"ids[a]=1&ids[][]=2&ids{}=3&ids.0=4&id=5&I_d_s=6&%20ids%20=7", {"ids": list("1234567")}),
        (b"api-version=3&_=1&t=2&cb=3&correlationId=4&skips=", {}),
        (b"skip=1&skips=2", {"skip": ["1"]}),
        (b"name=&name=&names=", {"name": [""]}),
        (b"name=&name=a&name=", {"name": ["a"]}),
        (b"", {}),
    ],
)
def test_queries(query: bytes, expected: dict[str, list[str]]) -> None:
    assert read_query(query, ["skip", "name"], ["ids"], ["name"]) == expected


@pytest.mark.parametrize(
    ("query", "message"),
    [
        (b"skip=1&skip=1", "Expected the parameter skip once, received it 2 times"),
        (b"skip=1&Skip=2&s%6Bip=3", "received it 3 times"),
        (b"skip=K%FChe", "Expected the parameter skip in UTF-8"),
        (b"ids=%ff", "Expected the parameter ids in UTF-8"),
        (b"skipp=1", "received skipp. Did you mean skip?"),
        (b"tagNames=a", "received tagNames. Did you mean tagIds?"),
        (b"tags=a", "Did you mean tagIds?"),
        (b"flavour=a", "Did you mean flavor?"),
        (b"filter=a", "Did you mean .filter?"),
    ],
)
def test_queries_that_are_refused(query: bytes, message: str) -> None:
    with pytest.raises(ServiceError, match=message) as refusal:
        read_query(query, ["skip", "flavor", "$filter"], ["ids", "tagIds"])
    assert (refusal.value.status, refusal.value.code) == (400, "BadRequestInvalid")


def test_a_client_that_goes_away_is_no_fault_of_the_server(plain: TestClient) -> None:
    sent: list[Message] = []

    async def gone() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    path = f"/customvision/v3.3/training/projects/{UNKNOWN}/images/tags"
    headers = [(b"host", b"testserver"), (b"training-key", plain.headers["Training-Key"].encode())]
    scope = {"type": "http", "method": "POST", "path": path, "headers": headers, "query_string": b""}
    anyio.run(plain.app, scope, gone, send)
    assert sent[0]["status"] == 400


def test_the_key_comes_first(plain: TestClient) -> None:
    path = f"/customvision/v3.3/training/projects/{UNKNOWN}/images?skip=1&skip=2"
    assert plain.get(path, headers={"Training-Key": "wrong"}).status_code == 401


@pytest.mark.parametrize(
    "query",
    ["skip=&take=&orderBy=&tagIds=&iterationId=&$filter=&taggingStatus=", "SKIP=0&TAKE=10&OrderBy=oldest"],
)
def test_empty_parameters_are_left_out(plain: TestClient, query: str) -> None:
    answer = plain.get(f"/customvision/v3.3/training/projects/{UNKNOWN}/images?{query}")
    assert (answer.status_code, answer.json()["code"]) == (404, "NotFoundProject")


@pytest.mark.parametrize("value", ["true", "True", "TRUE", "1", ""])
def test_truth_values(plain: TestClient, value: str) -> None:
    query = f"forceTrain={value}&reservedBudgetInHours=&trainingType=&notificationEmailAddress="
    answer = plain.post(f"/customvision/v3.3/training/projects/{UNKNOWN}/train?{query}")
    assert (answer.status_code, answer.json()["code"]) == (404, "NotFoundProject")
