"""Who may ask what of the operations that Custom Vision does not have: every route with every kind of key."""

from __future__ import annotations

from typing import Any

import pytest
from own_cases import OWN, Own
from project_cases import UNKNOWN

from dahlia.server.keys.keys import Scope

NONE, ANY, READ, TRAINING, ADMIN = "none", "any", "read", "training", "admin"
P, I = "/projects/{project_id}", "/projects/{project_id}/iterations/{iteration_id}"  # noqa: E741
NEEDED = {
    ("POST", "/sign-in"): NONE,
    ("GET", "/me"): ANY,
    ("GET", "/domains"): ANY,
    ("GET", "/info"): READ,
    ("GET", "/projects"): READ,
    ("GET", P): READ,
    ("GET", I + "/evaluation"): READ,
    ("GET", I + "/report"): READ,
    ("GET", I + "/validation"): READ,
    ("GET", I + "/validation/report"): READ,
    ("GET", I + "/export/verification"): READ,
    ("GET", I + "/comparison"): READ,
    ("POST", P + "/tags/{tag_id}/merge"): TRAINING,
    ("POST", P + "/sample"): TRAINING,
    ("POST", P + "/explain/image"): READ,
    ("POST", P + "/explain/url"): TRAINING,
    ("POST", P + "/explain/stored"): READ,
    ("GET", P + "/usage"): READ,
    ("GET", "/usage"): ADMIN,
    ("GET", "/keys"): ADMIN,
    ("POST", "/keys"): ADMIN,
    ("GET", "/keys/{key_id}"): ADMIN,
    ("DELETE", "/keys/{key_id}"): ADMIN,
    ("POST", "/keys/{key_id}/rotate"): ADMIN,
    ("GET", "/audit"): ADMIN,
    ("GET", "/jobs"): ADMIN,
    ("GET", "/jobs/{job_id}"): ADMIN,
    ("POST", "/jobs/{job_id}/cancel"): ADMIN,
    ("GET", "/workers"): ADMIN,
}
OPENS = {
    Scope.ADMIN: {NONE, ANY, READ, TRAINING, ADMIN},
    Scope.TRAINING: {NONE, ANY, READ, TRAINING},
    Scope.READ: {NONE, ANY, READ},
    Scope.PREDICTION: {NONE, ANY},
}
QUERY = {"platform": "ONNX", "imageId": UNKNOWN, "with": UNKNOWN}


def operations(own: Own) -> set[tuple[str, str]]:
    paths = own.client.get("/openapi.json").json()["paths"]
    return {
        (method.upper(), path.removeprefix(OWN))
        for path, described in paths.items()
        if path.startswith(OWN)
        for method in described
    }


def test_the_table_has_every_operation(own: Own) -> None:
    assert operations(own) == set(NEEDED)


def status(own: Own, method: str, path: str, headers: dict[str, str]) -> int:
    filled = path.format(
        project_id=own.project.id,
        iteration_id=own.iteration,
        key_id=UNKNOWN,
        job_id=UNKNOWN,
        tag_id=UNKNOWN,
    )
    body: dict[str, Any] = {} if method == "GET" else {"json": {"url": "http://127.0.0.1:1/a.jpg"}}
    return own.client.request(method, OWN + filled, headers=headers, params=QUERY, **body).status_code


@pytest.mark.parametrize("scope", list(Scope))
def test_what_a_scope_opens(own: Own, scope: Scope) -> None:
    for (method, path), needed in NEEDED.items():
        opens = needed in OPENS[scope]
        found = status(own, method, path, own.key(scope))
        assert (found != 403) is opens, (method, path, found)
        assert found < 500


@pytest.mark.parametrize("scope", [Scope.TRAINING, Scope.READ, Scope.PREDICTION])
def test_a_key_of_another_project(own: Own, scope: Scope) -> None:
    headers = own.key(scope, own.old.id)
    for (method, path), needed in NEEDED.items():
        opens = needed in OPENS[scope] and "project_id" not in path
        assert (status(own, method, path, headers) != 403) is opens, (method, path)


def test_no_key(own: Own) -> None:
    for (method, path), needed in NEEDED.items():
        refused = status(own, method, path, {"Training-Key": ""}) == 401
        assert refused is (needed != NONE), (method, path)


@pytest.mark.parametrize("scope", list(Scope))
def test_what_a_key_says_of_itself(own: Own, scope: Scope) -> None:
    answer = own.client.get(f"{OWN}/me", headers=own.key(scope)).json()
    assert answer.keys() == {
        "id", "name", "hint", "scope", "projectId", "created", "expires", "revoked", "isActive",
    }  # fmt: skip
    secret = own.keys[scope, None]
    assert (answer["scope"], answer["name"], answer["hint"]) == (scope, f"{scope} key", secret[-4:])
    assert secret not in str(answer)


def test_methods_and_spellings(own: Own) -> None:
    client = own.client
    answer = client.put(f"{OWN}/keys")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, POST")
    head, got = client.head(f"{OWN}/me"), client.get("http://testserver//Dahlia//V1/ME/")
    assert (head.status_code, head.content, got.status_code) == (200, b"", 200)
    assert head.headers["content-length"] == got.headers["content-length"]
    assert client.get(f"{OWN}/nothing").json() == {"statusCode": 404, "message": "Resource not found"}
    assert client.get("/dahlia/v2/me").status_code == 404


def test_pages_of_other_origins_may_not_read_it(own: Own) -> None:
    asked = {"origin": "https://evil.example", "access-control-request-method": "GET"}
    answer = own.client.options(f"{OWN}/me", headers=asked)
    assert answer.status_code == 403
    assert "DAHLIA_SECURITY_TRAINING_ORIGINS" in answer.json()["message"]


@pytest.mark.parametrize(
    "query",
    [{"take": 0}, {"take": 257}, {"take": "many"}, {"continuation": "-1"}, {"continuation": "9" * 40}],
)
@pytest.mark.parametrize("path", ["/projects", "/keys", "/audit", "/jobs"])
def test_pages_that_there_are_not(own: Own, path: str, query: dict[str, Any]) -> None:
    assert own.client.get(OWN + path, params=query).status_code == 400
