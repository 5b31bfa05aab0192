"""What web pages of other origins get of `dahlia serve`, in process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from project_cases import UNKNOWN
from starlette.testclient import TestClient

from dahlia.errors import ConfigError
from dahlia.http.origins import EXPOSED
from dahlia.server.api.image_batches import REASONS
from dahlia.server.app import create_app
from dahlia.server.context import open_server
from dahlia.server.iterations.progress import PLACE, SECONDS_LEFT, STAGE
from dahlia.server.keys.keys import Scope, create_key
from dahlia.settings.server import load_settings

PAGE, DESK, EVIL = "https://app.example", "https://desk.example", "https://evil.example"
ALLOW = "access-control-allow-origin"
PREDICTION = f"/customvision/v3.1/prediction/{UNKNOWN}/classify/iterations/a/image"
TRAINING = "/customvision/v3.4-preview/training/projects"
FILE = "/files/images/ab/abcd.jpg?expires=1&signature=a"


@contextmanager
def served(home: Path, **origins: str) -> Iterator[TestClient]:
    variables = {f"DAHLIA_SECURITY_{name.upper()}": text for name, text in origins.items()}
    variables |= {"DAHLIA_SERVER_HOME": str(home), "DAHLIA_SERVER_ALLOWED_HOSTS": "testserver"}
    server = open_server(load_settings(None, variables))
    with server.database.write() as session:
        key = create_key(session, "tests", Scope.TRAINING, None, server.now())[1]
    with TestClient(create_app(server), headers={"Training-Key": key}) as client:
        yield client
    server.database.close()


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """As it comes."""
    with served(tmp_path_factory.mktemp("plain") / "home") as client:
        yield client


@pytest.fixture(scope="module")
def chosen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """With origins for each of the two."""
    home = tmp_path_factory.mktemp("chosen") / "home"
    with served(home, prediction_origins=PAGE, training_origins=DESK) as client:
        yield client


def ask(client: TestClient, path: str, origin: str, method: str = "POST", **headers: str) -> Any:
    asked = {"origin": origin, "access-control-request-method": method, **headers}
    return client.options(path, headers=asked)


@pytest.mark.parametrize(
    ("path", "method", "allowed"),
    [
        (PREDICTION, "POST", "*"),
        (
            PREDICTION.replace("/customvision", "//CustomVision").replace("prediction", "Prediction"),
            "POST",
            "*",
        ),
        ("/customvision/v3.0/Prediction/typo", "POST", "*"),
        (TRAINING, "GET", None),
        (FILE, "GET", "*"),
        ("/metrics", "GET", None),
        ("/openapi.json", "GET", None),
        ("/nothing", "GET", None),
    ],
)
def test_as_it_comes(plain: TestClient, path: str, method: str, allowed: str | None) -> None:
    url = f"http://testserver{path}"
    assert ask(plain, url, EVIL, method).headers.get(ALLOW) == allowed
    for key in ("", "wrong"):
        answer = plain.request(method, url, headers={"origin": EVIL, "Training-Key": key})
        assert answer.headers.get(ALLOW) == allowed
    assert "access-control-allow-credentials" not in answer.headers


def test_a_closed_route_says_which_setting_opens_it(plain: TestClient) -> None:
    answer = ask(plain, TRAINING, EVIL)
    assert (answer.status_code, answer.json()["code"]) == (403, "Forbidden")
    assert "DAHLIA_SECURITY_TRAINING_ORIGINS" in answer.json()["message"]
    # It keeps pages from reading, no client from asking: the key does that.
    assert plain.get(TRAINING, headers={"origin": EVIL}).status_code == 200


@pytest.mark.parametrize(
    ("path", "origin", "allowed"),
    [
        (PREDICTION, PAGE, True),
        (PREDICTION, DESK, False),
        (PREDICTION, EVIL, False),
        (TRAINING, DESK, True),
        (TRAINING, PAGE, False),
        (TRAINING, EVIL, False),
        (FILE, PAGE, True),
        (FILE, DESK, True),
        (FILE, EVIL, False),
    ],
)
def test_origins_of_the_settings(chosen: TestClient, path: str, origin: str, allowed: bool) -> None:
    expected = origin if allowed else None
    before = ask(chosen, path, origin)
    assert (before.status_code, before.headers.get(ALLOW)) == (204 if allowed else 403, expected)
    answer = chosen.get(path, headers={"origin": origin})
    assert (answer.headers.get(ALLOW), answer.headers["vary"]) == (expected, "Origin")
    assert chosen.get(path).headers["vary"] == "Origin"  # a cache keeps it for others


def test_methods_of_the_training_api(chosen: TestClient) -> None:
    assert set(ask(chosen, TRAINING, DESK).headers["access-control-allow-methods"].split(", ")) == {
        "GET", "HEAD", "POST", "PATCH", "DELETE",
    }  # fmt: skip


def test_a_file_says_so_to_everybody(plain: TestClient) -> None:
    """A browser keeps what an `<img>` loads, without an origin, and gives it to `fetch`."""
    assert plain.get(FILE).headers[ALLOW] == "*"
    assert ALLOW not in plain.post(PREDICTION).headers


def test_a_foreign_name_gets_no_permission(plain: TestClient) -> None:
    for path in (PREDICTION, FILE):
        answer = ask(plain, path, EVIL, host="evil.example")
        assert (answer.status_code, answer.headers.get(ALLOW)) == (421, None)


@pytest.mark.parametrize("status", [404, 413])
def test_a_page_reads_every_refusal(chosen: TestClient, status: int) -> None:
    body = bytes(3 << 20) if status == 413 else b""
    path = f"{TRAINING}/{UNKNOWN}/tags"
    answer = chosen.post(path, params={"name": "a"}, content=body, headers={"origin": DESK})
    assert answer.status_code in (status, 400, 404, 413)
    assert answer.headers[ALLOW] == DESK
    assert "retry-after" in answer.headers["access-control-expose-headers"]


def test_settings(tmp_path: Path) -> None:
    file = tmp_path / "dahlia.toml"
    file.write_text(
        '[security]\nprediction_origins = ["https://a.example", "loopback"]\ntraining_origins = []\n'
    )
    section = load_settings(file, {}).security
    assert (section.prediction_origins, section.training_origins) == ("https://a.example, loopback", "")
    assert load_settings(None, {"DAHLIA_ORIGINS": PAGE}).security.prediction_origins == PAGE
    for name in ("PREDICTION", "TRAINING"):
        with pytest.raises(ConfigError, match=rf"{name}_ORIGINS.*Write `{PAGE}`"):
            load_settings(None, {f"DAHLIA_SECURITY_{name}_ORIGINS": f"{PAGE}/shop"})


def test_pages_may_read_every_header_of_our_own() -> None:
    own = {PLACE, REASONS, SECONDS_LEFT, STAGE, "dahlia-stored"}
    assert own <= set(EXPOSED.split(", "))
