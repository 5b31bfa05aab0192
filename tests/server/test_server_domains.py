"""The domains that projects can be of."""

from __future__ import annotations

import pytest
from project_cases import (
    UNKNOWN,
    domain_id,
    refused,
)
from starlette.testclient import TestClient

from dahlia.export.formats import FORMATS
from dahlia.project import shipped_domains
from dahlia.server.contract.domains import DOMAINS
from dahlia.server.contract.enums import DomainType

pytestmark = pytest.mark.both_databases


GENERAL, COMPACT = domain_id("General"), domain_id("General (compact)")


def test_domains_are_those_of_the_pipeline_and_others_that_clients_know() -> None:
    """Each by its name, what trains it, whether it is exported, and whether new projects may be of it."""
    shipped = shipped_domains()
    assert {domain.pipeline for domain in DOMAINS} == {*shipped, None} - {"adult"}
    assert {domain.id for domain in shipped.values()} <= {domain.id for domain in DOMAINS}
    classification, detection = DomainType.CLASSIFICATION, DomainType.DETECTION
    listed = [(one.type, one.name, one.pipeline, one.exportable, one.enabled) for one in DOMAINS]
    assert listed == [
        (classification, "General", "general", False, True),
        (classification, "General [A1]", "general_a1", False, True),
        (classification, "General [A2]", "general_a2", False, True),
        (classification, "Food", "food", False, True),
        (classification, "Landmarks", "landmarks", False, True),
        (classification, "Retail", "retail", False, True),
        (classification, "Adult", None, False, False),
        (classification, "General (compact)", "general_compact", True, True),
        (classification, "General (compact) [S1]", "general_compact_s1", True, True),
        (classification, "Food (compact)", "food_compact", True, True),
        (classification, "Landmarks (compact)", "landmarks_compact", True, True),
        (classification, "Retail (compact)", "retail_compact", True, True),
        (detection, "General", "detection_general", False, True),
        (detection, "General [A1]", "detection_general_a1", False, True),
        (detection, "Logo", "detection_logo", False, True),
        (detection, "Products on Shelves", "detection_products_on_shelves", False, True),
        (detection, "General (compact)", "detection_general_compact", True, True),
        (detection, "General (compact) [S1]", "detection_general_compact_s1", True, True),
    ]


def test_detectors_are_exported_to_what_is_written_of_them() -> None:
    compact = [one for one in DOMAINS if one.type is DomainType.DETECTION and one.exportable]
    offered = {form.platform for form in FORMATS}
    assert {one.name: set(one.platforms) for one in compact} == {
        "General (compact)": offered,
        "General (compact) [S1]": offered,
    }


def test_domains(client: TestClient) -> None:
    listed = client.get("/domains").json()
    assert len(listed) == len({domain["id"] for domain in listed}) == len(DOMAINS)
    compact = next(domain for domain in listed if domain["id"] == COMPACT)
    assert compact == {
        "id": COMPACT,
        "name": "General (compact)",
        "type": "Classification",
        "exportable": True,
        "enabled": True,
        "exportablePlatforms": ["CoreML", "DockerFile", "ONNX", "OpenVino", "TensorFlow"],
        "modelInformation": compact["modelInformation"],
    }
    assert client.get(f"/domains/{GENERAL.upper()}").json()["modelInformation"] is None
    refused(client.get(f"/domains/{UNKNOWN}"), "NotFoundDomain", 404)
    refused(client.get("/domains/general"), "BadRequestInvalidIds")
