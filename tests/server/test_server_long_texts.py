"""Long texts of large bodies: kept from the parser, read where they belong, bounded in what is left."""

from __future__ import annotations

import base64
import json
import random
from typing import Any

import pytest
from image_cases import entry, photo, statuses
from project_cases import make_project, refused, set_limit
from starlette.testclient import TestClient

from dahlia.errors import ServiceError
from dahlia.server.api import image_bodies
from dahlia.server.api.image_bodies import LongTexts, parsed
from dahlia.server.context import Server
from dahlia.server.contract.bodies import ImageFileBatch

TEXT = base64.b64encode(random.Random(1).randbytes(9_000)).decode()  # with + and /
SPLIT = TEXT[:4_000] + "\r\n" + TEXT[4_000:]


@pytest.fixture(autouse=True)
def no_body_is_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_bodies, "SMALL", 0)


def contents(body: bytes, most: int = 20_000) -> list[str | None]:
    batch, texts = parsed(ImageFileBatch, body)
    assert len(texts.rest) < 1000
    return [texts.read(one.contents, most) for one in batch.images]


JSON = json.dumps({"images": [{"name": 'a "b" \\', "contents": TEXT}, {"contents": SPLIT}, {"contents": ""}]})
XML = f"<B><Images><E><Contents>{TEXT}</Contents></E><E><Contents>\n{SPLIT}</Contents></E></Images></B>"


@pytest.mark.parametrize(
    "body",
    [
        JSON.encode(),
        JSON.encode("utf-8-sig"),
        JSON.encode("utf-16"),
        JSON.replace("/", "\\/").encode(),
        JSON.replace("+", "\\u002B").encode(),
        JSON.replace('""', '"",').encode(),  # loose
        XML.replace("</E></I", "</E><E><Contents/></E></I").encode(),
    ],
)
def test_long_texts_are_read(body: bytes) -> None:
    found = contents(body)
    assert [(one or "").strip() for one in found] == [TEXT, SPLIT, ""]


@pytest.mark.parametrize("run", [1, 2, 3, 4096, 4097, 9000])
def test_backslashes_before_a_quote(run: int) -> None:
    texts = LongTexts(b'["' + b"a" * 5000 + b"\\" * run + b'","b"]')
    assert texts.rest.startswith(b'["text 0 ')
    assert texts.rest.endswith(b'"b"]' if run % 2 else b'","b"]')
    assert texts.rest.count(b",") == (run + 1) % 2


def test_longer_texts_than_any_image_are_not_read() -> None:
    assert contents(JSON.encode(), most=len(TEXT)) == [TEXT, None, ""]


def test_what_is_no_json_text_stays_as_it_is() -> None:
    wrong = "A" * 5000 + "\\q"
    assert contents(f'{{"images": [{{"contents": "{wrong}"}}]}}'.encode()) == [wrong]


@pytest.mark.parametrize(
    "body",
    [
        b" " * 2000,
        b'"a' * 1000,
        b'{"images": "' + b'\\"' * 1000 + b'"}',
        b"<a/>" * 400,
        b"[" * 2000,
    ],
)
def test_what_is_left_is_bounded(monkeypatch: pytest.MonkeyPatch, body: bytes) -> None:
    monkeypatch.setattr(image_bodies, "MAX_REST", 1900)
    monkeypatch.setattr(image_bodies, "MAX_DELIMITERS", 300)
    with pytest.raises(ServiceError, match="Send it in several calls") as refusal:
        LongTexts(body)
    assert refusal.value.code == "BadRequestExceededBatchSize"


LONG = "a" * 5000


def test_texts_that_may_not_be_long(client: TestClient) -> None:
    project = make_project(client)["id"]
    cases: list[tuple[dict[str, Any], str]] = [
        ({"images": [{**entry(1), "name": LONG}]}, "BadRequestInvalid"),
        ({"images": [entry(1)], "metadata": {"row": LONG}}, "BadRequestInvalid"),
        ({"images": [entry(1)], "metadata": {LONG: "1"}}, "BadRequestInvalid"),
        ({"images": [{"image": LONG}]}, "BadRequestRequiredParamIsNull"),
        ({"images": LONG}, "BadRequestInvalid"),
    ]
    for body, code in cases:
        refused(client.post(f"/projects/{project}/images/files", json=body), code)


def test_a_batch_with_long_texts(client: TestClient, server: Server) -> None:
    project = make_project(client)["id"]
    set_limit(server, max_image_mb=0.01)
    large = [base64.b64encode(photo(9, edge, edge)).decode() for edge in (80, 160, 320)]
    assert len(large[0]) > image_bodies.LONG
    batch = [entry(1), *({"contents": text} for text in large), {"contents": "!" * 5000}]
    answer = client.post(f"/projects/{project}/images/files", json={"images": batch})
    assert statuses(answer.json()) == ["OK", "OK", "ErrorImageSize", "ErrorImageSize", "ErrorImageFormat"]
