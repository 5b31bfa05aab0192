from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
import yaml
from serving_helpers import PROJECT_ID, FakeSource, build_client, picture

import dahlia.http
import dahlia.serving
from dahlia.errors import status_of
from dahlia.http.paths import Route, parse_route
from dahlia.serving.openapi import Page

PLACES = [Path(package.__path__[0]) for package in (dahlia.serving, dahlia.http)]
SOURCES = [path.read_text() for place in PLACES for path in place.rglob("*.py")]
WHERE = {"projectId": PROJECT_ID, "publishedName": "v1"}


@pytest.fixture(scope="module")
def page() -> Page:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # BentoML names a pattern by its former name
        from dahlia.serving.service import PredictionService
    shown: Page = PredictionService.openapi_spec
    return shown


def operations(page: Page) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in page["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def test_the_page_is_openapi(page: Page) -> None:
    assert schemathesis.openapi.from_dict(page.asdict()).validate() is None
    names = [operation["operationId"] for *_, operation in operations(page)]
    assert len(names) == len(set(names)) == 25
    described = {tag["name"] for tag in page["tags"]}
    assert {tag for *_, operation in operations(page) for tag in operation["tags"]} == described


def test_every_reference_leads_somewhere(page: Page) -> None:
    references = set(re.findall(r"'#/components/(\w+)/(\w+)'", str(page)))
    known = {(kind, name) for kind, named in page["components"].items() for name in named}
    assert references == {one for one in known if one[0] != "securitySchemes"}


def test_the_bento_gets_it_as_plain_yaml(page: Page) -> None:
    text = yaml.dump(page)
    assert yaml.safe_load(text) == page.asdict()
    assert "&id" not in text
    assert "!!python" not in text


def test_all_that_is_routed_is_on_the_page(page: Page) -> None:
    from dahlia.serving.bentoml_service import _PAGES

    assert set(_PAGES) <= set(page["paths"])


def route_of(path: str) -> Route | None:
    path = path.format(**WHERE)
    return parse_route({"type": "http", "method": "POST", "path": path, "raw_path": path.encode()})


def test_the_prediction_operations(page: Page) -> None:
    found = {path: route_of(path) for path in page["paths"] if path.startswith("/customvision")}
    routes = [route for route in found.values() if route]
    assert len(routes) == len(found) == 16
    new = [route for route in routes if route.name]
    assert {(route.task, route.what, route.keep) for route in new} == {
        (task, what, keep)
        for task in ("classify", "detect")
        for what in ("image", "url")
        for keep in (True, False)
    }


@pytest.mark.parametrize("tag", ["Dahlia", "Custom Vision", "Custom Vision, versions 1 and 2"])
def test_predictions_ask_for_the_key(page: Page, tag: str) -> None:
    for *_, operation in operations(page):
        if tag in operation["tags"]:
            assert {"PredictionKey": []} in operation["security"]
    schemes = page["components"]["securitySchemes"].values()
    assert {scheme["name"] for scheme in schemes} == {
        "Prediction-Key",
        "Training-Key",
        "Ocp-Apim-Subscription-Key",
    }


def test_every_status_of_a_refusal_is_on_the_page(page: Page) -> None:
    given = {
        status
        for source in SOURCES
        for status in re.findall(r"(?:status=|GatewayError\(\s*)(\d{3})\b", source)
        + [str(status_of(code)) for code in re.findall(r"ServiceError\(\s*\"(\w+)\"", source)]
    }
    assert given >= {"400", "401", "404", "408", "415", "429", "500", "503"}
    for path, _, operation in operations(page):
        if "security" in operation:
            typed = path.startswith("/predict")
            assert given - (set() if typed else {"415", "504"}) <= set(operation["responses"]), path


def test_too_many_requests_say_when_to_come_back(page: Page) -> None:
    for *_, operation in operations(page):
        if "security" in operation:
            assert "Retry-After" in operation["responses"]["429"]["headers"]


@pytest.mark.parametrize(
    ("path", "content", "name"),
    [
        ("/customvision/v3.1/prediction/{}/classify/iterations/v1/image", picture(), "ImagePrediction"),
        ("/customvision/v2.0/prediction/{}/image", picture(), "ImagePrediction"),
        ("/customvision/v1.1/prediction/{}/image", picture(), "ImagePredictionV1"),
        ("/customvision/v1.1/prediction/{}/image", b"", "ErrorV1"),
        ("/customvision/v3.1/prediction/{}/classify/iterations/v1/image", b"", "Error"),
        ("/customvision/v3.1/prediction/{}/classify/iterations/v1/images", b"", "NoSuchRoute"),
        ("/predict", b"", "Error"),
    ],
)
def test_answers_have_the_fields_of_the_page(
    page: Page, source: FakeSource, path: str, content: bytes, name: str
) -> None:
    source.names = {"v1": 1}
    with build_client(source) as client:
        answer = client.post(path.format(PROJECT_ID), content=content).json()
    schema = page["components"]["schemas"][name]
    assert list(answer) == schema["required"] == list(schema["properties"])


def test_a_missing_key_is_answered_in_the_nested_form(page: Page, source: FakeSource) -> None:
    with build_client(source, DAHLIA_PREDICTION_KEY="secret") as client:
        answer = client.post("/predict").json()
    assert list(answer) == page["components"]["schemas"]["GatewayError"]["required"]


def test_the_front_page_asks_no_other_server(page: Page, source: FakeSource) -> None:
    from dahlia.serving.bentoml_service import _assets

    with build_client(source) as client:
        answer = client.get("/")
    assert answer.status_code == 200
    assert re.findall(r"https?://", answer.text) == []
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    shown = {path.removeprefix(".") for path in re.findall(r'(?:src|href)="(\./[^"]+)"', answer.text)}
    assert shown <= set(_assets())
