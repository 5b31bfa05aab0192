"""The description of the API that the portal's types are generated from."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from portal_build.openapi import FILE, described

Json = dict[str, Any]


@pytest.fixture(scope="module")
def document() -> Json:
    found: Json = json.loads(described())
    return found


def operations(document: Json) -> Iterator[tuple[str, Json]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method} {path}", operation


def test_it_is_up_to_date() -> None:
    stale = "portal/openapi.json differs from the API: run `make portal-types`, and commit what it changes"
    assert FILE.read_text(encoding="utf-8") == described(), stale


def test_operations_have_names_of_their_own(document: Json) -> None:
    names = Counter(operation["operationId"] for _, operation in operations(document))
    assert names.most_common(1)[0][1] == 1
    assert all(name.isidentifier() for name in names)


def test_every_answer_and_body_has_a_schema(document: Json) -> None:
    for where, operation in operations(document):
        bodies = [*operation["responses"].values(), operation.get("requestBody", {})]
        for content in (one for body in bodies for one in body.get("content", {}).items()):
            assert content[1].get("schema"), (where, content)
        for status, answer in operation["responses"].items():
            empty = status in ("202", "204", "304", "503")
            assert empty or "content" in answer or "$ref" in answer, (where, status)
