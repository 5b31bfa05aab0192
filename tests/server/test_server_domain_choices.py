"""What people choose a domain by, and the forms of its exports."""

from __future__ import annotations

from typing import Any

import pytest
from own_cases import OWN, Own

from dahlia.export.descriptions import description_of
from dahlia.export.formats import FORMATS
from dahlia.server.contract.domains import DOMAINS
from dahlia.server.keys.keys import Scope


@pytest.fixture
def told(own: Own) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = own.get("/domains")
    return found


def test_every_domain_is_told_in_words(told: list[dict[str, Any]]) -> None:
    assert [one["id"] for one in told] == [domain.id for domain in DOMAINS]
    for one, domain in zip(told, DOMAINS, strict=True):
        assert (one["name"], one["type"], one["enabled"]) == (domain.name, domain.type, domain.enabled)
        assert one["choose"].endswith(".")
        assert "\n" not in one["choose"]
        assert one["exportable"] is bool(one["exports"])
        assert {form["platform"] for form in one["exports"]} == set(domain.platforms)
    chosen = [one["choose"] for one in told]
    assert len(set(chosen)) == len(chosen)


def test_the_forms_of_exports_are_told_once(own: Own, told: list[dict[str, Any]]) -> None:
    texts = [description_of(form) for form in FORMATS]
    assert len({text.title for text in texts}) == len({text.text for text in texts}) == len(FORMATS)
    compact = {(one["type"], one["name"]): one["exports"] for one in told if one["exports"]}
    first = compact["Classification", "General (compact)"]
    asked = [(form["platform"], form["flavor"]) for form in first]
    assert asked[:2] == [("ONNX", None), ("ONNX", "OnnxFloat16")]
    assert first[1]["title"] == "ONNX, 16 bits"
    assert first == compact["ObjectDetection", "General (compact)"]
    boxes = compact["ObjectDetection", "General (compact) [S1]"]
    assert [form["flavor"] for form in boxes if form not in first] == ["NoPostProcess"]


def test_any_key_may_read_them(own: Own) -> None:
    for scope in Scope:
        only = None if scope is Scope.ADMIN else own.project.id
        assert own.client.get(f"{OWN}/domains", headers=own.key(scope, only)).status_code == 200
