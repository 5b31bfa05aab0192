from __future__ import annotations

import pytest
from starlette.testclient import TestClient

ROUTE = "/customvision/v3.4-preview/training/domains"


@pytest.mark.parametrize("version", ["v3.0", "v3.1", "v3.2", "v3.3", "v3.4-preview", "V3.3", "v2.2", "v1.2"])
@pytest.mark.parametrize("segment", ["training", "Training", "TRAINING"])
@pytest.mark.parametrize("slashes", ["/", "//"])
def test_every_spelling_of_a_path_is_one(
    shared_client: TestClient, version: str, segment: str, slashes: str
) -> None:
    path = f"http://testserver{slashes}customvision{slashes}{version}{slashes}{segment}{slashes}Domains/"
    answer = shared_client.get(path)
    assert answer.status_code == 200
    assert len(answer.json()) == 18


@pytest.mark.parametrize(
    "path",
    [
        "/customvision/v3.9/training/domains",
        "/customvision/v4/training/domains",
        "/customvision/training/domains",
        "/training/domains",
        "/customvision/v3.3/training/domain",
        "/customvision/v3.3/training",
        "/",
    ],
)
def test_other_paths_lead_nowhere(shared_client: TestClient, path: str) -> None:
    answer = shared_client.get(f"http://testserver{path}")
    if path == "/":
        return
    assert answer.status_code == 404
    assert answer.json() == {"statusCode": 404, "message": "Resource not found"}


def test_another_method_is_refused_in_json(shared_client: TestClient) -> None:
    answer = shared_client.delete(ROUTE)
    assert answer.status_code == 405
    assert answer.json()["statusCode"] == 405
