"""Which origins the settings name, and what a page of another origin gets of the prediction service."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from serving_helpers import FakeSource, build_client, picture, url
from starlette.testclient import TestClient

from dahlia.errors import ConfigError, ServiceError
from dahlia.http.connections import Connections, Limits
from dahlia.http.guard import guarded, rendered
from dahlia.http.origins import Origins, read_origins

KEY = "a-Secret"
PAGE = "https://app.example"
HERE = "http://localhost:5173"
EVIL = "https://evil.example"
ALLOW = "access-control-allow-origin"
ASKED = {
    "access-control-request-method": "POST",
    "access-control-request-headers": "content-type,prediction-key",
}


@pytest.mark.parametrize(
    ("text", "admitted", "refused"),
    [
        ("*", [PAGE, HERE, "null", "capacitor://localhost"], []),
        ("", [], [PAGE, HERE, "null"]),
        ("none", [], [PAGE, HERE, "null"]),
        (PAGE, [PAGE], ["http://app.example", f"{PAGE}:8443", "https://app.example.evil", "https://xapp.example"]),
        ("HTTPS://App.Example:443", [PAGE], [f"{PAGE}:443"]),
        ("http://app.example:80, http://a:8080", ["http://app.example", "http://a:8080"], ["http://a", PAGE]),
        ("capacitor://localhost", ["capacitor://localhost"], ["http://localhost"]),
        ("http://[::1]:3000", ["http://[::1]:3000"], ["http://[::1]"]),
        ("http://192.168.1.5:8080", ["http://192.168.1.5:8080"], ["http://192.168.1.5"]),
        (
            "https://*.app.example",
            ["https://a.app.example", "https://a.b.app.example"],
            [PAGE, "http://a.app.example", "https://a.app.example:8443", "https://.app.example",
             "https://evil.example/.app.example", "https://evil.example#.app.example", "https://aapp.example",
             "https://a@b.app.example", "https://a.app.example.evil.example", "https://a:1.app.example"],
        ),
        ("https://*.app.example:8443", ["https://a.app.example:8443"], ["https://a.app.example"]),
        (
            "loopback",
            [HERE, "https://localhost", "http://127.0.0.1:1", "http://[::1]:8080"],
            [PAGE, "null", "", "http://localhost.evil.example", "http://127.0.0.1.evil.example", "http://localhost:",
             "http://evil@localhost", "ftp://localhost", "http://localhost:123456", "http://localhost/",
             "http://localhost\n", "http://127.0.0.11"],
        ),
        (f"loopback {PAGE}", [HERE, PAGE], [EVIL]),
    ],
)  # fmt: skip
def test_origins(text: str, admitted: list[str], refused: list[str]) -> None:
    origins = Origins.read(text)
    assert [one for one in admitted if not origins.admit(one)] == []
    assert [one for one in refused if origins.admit(one)] == []
    assert bool(origins) == bool(admitted)


@pytest.mark.parametrize(
    ("text", "write"),
    [
        ("app.example", "`https://app.example`"),
        ("https://app.example/", "`https://app.example`"),
        ("https://app.example/shop", "`https://app.example`"),
        ("http://app.example:8080/?a", "`http://app.example:8080`"),
        ("*.app.example", "`https://*.app.example`"),
        ("https://*", "`https://app.example`"),
        ("https://a.*.example", "`https://app.example`"),
        ("https://user@app.example", "`https://app.example`"),
        ("https://app.example:http", "`https://app.example`"),
        ("https://", "`https://app.example`"),
        ("https://bücher.example", "`https://xn--bcher-kva.example`"),
        ("https://[::1", "`https://app.example`"),
        ("https://a\u2100b.example", "`https://app.example`"),
        (f"https://{'a' * 64}.example/", "`https://app.example`"),
        ("null", "`*` for every origin"),
        (f"{PAGE} *", "`*` alone"),
        (f"none, {PAGE}", "`none` alone"),
    ],
)
def test_what_is_no_origin_is_refused(text: str, write: str) -> None:
    with pytest.raises(ConfigError, match=r"^DAHLIA_ORIGINS: Expected") as error:
        read_origins({"DAHLIA_ORIGINS": text}, "DAHLIA_ORIGINS", has_key=True)
    assert write in str(error.value)


@pytest.fixture
def keyed(source: FakeSource) -> Iterator[TestClient]:
    with build_client(source, DAHLIA_PREDICTION_KEY=KEY) as client:
        yield client


@pytest.mark.parametrize("path", [url(), url(end="url"), url("nobody"), "/predict", "/customvision/v9/other"])
def test_a_page_may_ask_with_a_key(keyed: TestClient, path: str) -> None:
    answer = keyed.options(path, headers={"origin": PAGE, **ASKED})
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers[ALLOW] == "*"
    assert answer.headers["access-control-allow-methods"] == "POST"
    assert answer.headers["access-control-allow-headers"] == ASKED["access-control-request-headers"]
    assert answer.headers["access-control-max-age"] == "7200"
    assert not {"access-control-allow-credentials", "vary"} & set(answer.headers)
    assert "access-control-allow-private-network" not in answer.headers


@pytest.mark.parametrize(
    ("headers", "status"),
    [({"prediction-key": KEY}, 200), ({"prediction-key": "wrong"}, 401), ({}, 401)],
)
def test_a_page_reads_answers_and_refusals(keyed: TestClient, headers: dict[str, str], status: int) -> None:
    answer = keyed.post(url(), headers={"origin": PAGE, **headers}, content=picture())
    assert answer.status_code == status
    assert answer.headers[ALLOW] == "*"
    assert {"apim-request-id", "retry-after", "dahlia-stored"} <= set(
        answer.headers["access-control-expose-headers"].split(", ")
    )
    assert ALLOW not in keyed.post(url(), headers=headers, content=picture()).headers


@pytest.mark.parametrize(
    ("asked", "allowed"), [("x-ms-useragent,a", "x-ms-useragent,a"), ("a\tb", None), ("", None)]
)
def test_headers_that_a_page_may_send(keyed: TestClient, asked: str, allowed: str | None) -> None:
    headers = {
        "origin": PAGE,
        "access-control-request-method": "POST",
        "access-control-request-headers": asked,
    }
    answer = keyed.options(url(), headers=headers).headers["access-control-allow-headers"]
    assert answer == allowed if allowed else "prediction-key" in answer


def test_a_private_network_is_allowed_when_it_is_asked_for(keyed: TestClient) -> None:
    headers = {"origin": PAGE, "access-control-request-private-network": "true", **ASKED}
    assert keyed.options(url(), headers=headers).headers["access-control-allow-private-network"] == "true"


@pytest.mark.parametrize(
    ("origin", "headers", "status"),
    [
        (HERE, {}, 200),
        (EVIL, {}, 403),
        ("null", {}, 403),
        ("http://testserver", {}, 200),  # the service's own page
        (EVIL, {"sec-fetch-site": "same-origin"}, 200),  # the same behind a proxy that asks by another name
        (EVIL, {"sec-fetch-site": "cross-site"}, 403),
        ("http://192.168.1.5:3000", {"host": "192.168.1.5:3000"}, 200),
        ("http://[fe80::1]:3000", {"host": "[fe80::1]:3000"}, 200),
        ("http://shelf.local", {"host": "shelf.local"}, 200),
        ("http://evil.example:3000", {"host": "evil.example:3000"}, 403),  # it leads here since a moment ago
        ("http://shelf.local", {"host": "192.168.1.5:3000"}, 403),
    ],
)
def test_a_service_without_a_key_is_for_pages_of_this_machine(
    client: TestClient, origin: str, headers: dict[str, str], status: int
) -> None:
    for path, options in ((url(), {"content": picture()}), ("/predict", {"files": {"image": picture()}})):
        answer = client.post(path, headers={"origin": origin, **headers}, **options)  # type: ignore[arg-type]
        assert answer.status_code == status
        assert answer.headers["vary"] == "Origin"
        assert answer.headers.get(ALLOW) == (HERE if origin == HERE else None)
        if status == 403:
            assert answer.json()["code"] == "Forbidden"
            assert "DAHLIA_ORIGINS" in answer.json()["message"]


@pytest.mark.parametrize(("origin", "status"), [(HERE, 204), (EVIL, 403), ("null", 403)])
def test_browsers_hear_before_that_a_page_may_not(client: TestClient, origin: str, status: int) -> None:
    answer = client.options(url(), headers={"origin": origin, **ASKED})
    assert (answer.status_code, answer.headers["vary"]) == (status, "Origin")
    assert answer.headers.get(ALLOW) == (origin if status == 204 else None)
    assert ("access-control-allow-headers" in answer.headers) == (status == 204)


def test_a_setting_overrides(source: FakeSource) -> None:
    for key in ("", KEY):
        with build_client(source, DAHLIA_ORIGINS=PAGE, DAHLIA_PREDICTION_KEY=key) as client:
            answers = {
                origin: client.post(
                    url(), headers={"origin": origin, "prediction-key": key}, content=picture()
                )
                for origin in (PAGE, HERE)
            }
            assert answers[PAGE].headers[ALLOW] == PAGE
            assert ALLOW not in answers[HERE].headers
            assert answers[HERE].status_code == (200 if key else 403)
            assert (
                client.post(url(), headers={"prediction-key": key}, content=picture()).headers["vary"]
                == "Origin"
            )


def test_other_routes_are_closed(keyed: TestClient) -> None:
    for path in ("/other", "/", "/none"):
        assert ALLOW not in keyed.get(path, headers={"origin": PAGE}).headers
        assert ALLOW not in keyed.options(path, headers={"origin": PAGE, **ASKED}).headers


def test_what_is_no_question_of_a_browser_is_answered_as_ever(keyed: TestClient) -> None:
    assert keyed.options(url()).status_code == 405
    assert keyed.options(url(), headers={"access-control-request-method": "POST"}).status_code == 405
    assert keyed.options(url(), headers={"origin": PAGE}).headers[ALLOW] == "*"


@pytest.mark.parametrize(("text", "allowed"), [("*", "*"), ("none", None), (PAGE, None)])
def test_refusals_before_the_application(text: str, allowed: str | None) -> None:
    protocol = guarded("h11", Connections(Limits()), Origins.read(text))
    headers = protocol.refusal_headers  # type: ignore[attr-defined]
    assert headers.get(ALLOW) == allowed
    late = ServiceError("BadRequestInvalid", "too slow", status=408)
    assert (b"access-control-allow-origin: *\r\n" in rendered(late, headers)) == (allowed is not None)
