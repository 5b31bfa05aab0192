"""Names under which the server answers, and those that it refuses."""

from __future__ import annotations

import base64
import logging
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from prediction_cases import picture
from project_cases import UNKNOWN, make_project
from starlette.testclient import TestClient

from dahlia.errors import ConfigError
from dahlia.server.app import create_app
from dahlia.server.context import Server, open_server
from dahlia.server.http.addresses import HostNames
from dahlia.server.keys.keys import Scope, create_key
from dahlia.settings.server import load_settings

NAME = socket.gethostname().lower()
HERE = "192.168.7.9"
TRAINING = "/customvision/v3.4-preview/training"


def names(allowed: str = "", **settings: str) -> HostNames:
    variables = {f"DAHLIA_SERVER_{name.upper()}": value for name, value in settings.items()}
    return HostNames.of(load_settings(None, {"DAHLIA_SERVER_ALLOWED_HOSTS": allowed, **variables}).server)


@pytest.mark.parametrize(
    "host",
    [
        "localhost", "LOCALHOST:3000", "localhost.", "localhost.:3000", "127.0.0.1", "127.0.0.1:3000",
        "127.1.2.3", "[::1]", "[::1]:3000", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]:3000", "[::FFFF:7f00:1]",
        NAME, f"{NAME.upper()}:3000", f"{NAME.partition('.')[0]}.local", HERE, f"{HERE}:8080",
        f"[::ffff:{HERE}]", "localhost:",
    ],
)  # fmt: skip
def test_what_is_this_machine_may_be_named(host: str) -> None:
    assert names().admit(host, HERE)


@pytest.mark.parametrize(
    "host",
    [
        "", "evil.example", "evil.example:3000", "localhost.evil.example", "127.0.0.1.evil.example",
        f"{NAME}.evil.example", "192.168.7.8", "8.8.8.8", "[::2]", "[fe80::1%25eth0]", "[::1", "::1",
        "2130706433", "0x7f.1", "127.1", "localhost@evil.example", "evil.example@localhost",
        "user:pass@localhost", "localhost/evil", "localhost?a", "localhost#a", "localhost evil.example",
        "localhost,evil.example", "localhost:3000:4000", "localhost:http", "localhost:123456", "..", ".",
        "localhost..", "http://localhost", "local\x00host", "löcalhost", "[localhost]", "a" * 300, "*",
    ],
)  # fmt: skip
def test_what_is_not_may_not(host: str) -> None:
    assert not names().admit(host, HERE)


@pytest.mark.parametrize(
    ("allowed", "host", "admitted"),
    [
        ("dahlia.example", "Dahlia.Example:443", True),
        ("dahlia.example", "dahlia.example.", True),
        ("dahlia.example", "a.dahlia.example", False),
        ("dahlia.example", "xdahlia.example", False),
        ("*.example.com", "a.example.com", True),
        ("*.example.com", "a.b.example.com:1", True),
        ("*.example.com", "example.com", False),
        ("*.example.com", "evilexample.com", False),
        ("*.example.com", "a.example.com.evil.example", False),
        ("a.example, B.example ,", "b.example", True),
        ("203.0.113.5", "203.0.113.5:80", True),
        ("2001:DB8::5", "[2001:db8:0:0::5]", True),
        ("*", "anything.example", True),
        ("*", "anything.example@evil", False),
    ],
)
def test_names_that_are_added(allowed: str, host: str, admitted: bool) -> None:
    assert names(allowed).admit(host, HERE) is admitted
    assert names(allowed).admit("localhost", HERE)


def test_the_settings_own_addresses_count() -> None:
    known = names(host="inside.example", public_url="https://Shop.example:8443/dahlia")
    assert known.admit("shop.example", HERE)
    assert known.admit("inside.example:3000", HERE)


def test_a_file_may_have_a_list(tmp_path: Path) -> None:
    file = tmp_path / "dahlia.toml"
    file.write_text('[server]\nallowed_hosts = ["a.example", "*.b.example"]\n')
    assert load_settings(file, {}).server.allowed_hosts == "a.example, *.b.example"


@pytest.mark.parametrize(
    "text", ["https://a.example", "a.example:3000", "a.example/x", "*a.example", "a.*.example", "a b", "ä.de"]
)
def test_what_is_no_name_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"ALLOWED_HOSTS.*names without scheme and port"):
        load_settings(None, {"DAHLIA_SERVER_ALLOWED_HOSTS": text})


PREDICTION = f"/customvision/v3.1/prediction/{UNKNOWN}/classify/iterations/a/image"
OPERATIONS = [
    ("GET", f"{TRAINING}/projects"),
    ("POST", f"{TRAINING}/projects?name=garden"),
    ("POST", PREDICTION),
    ("GET", "/files/images/ab/abcd.jpg?expires=1&signature=a"),
    ("GET", "/docs"),
    ("GET", "/openapi.json"),
    ("GET", "/metrics"),
    ("GET", "/nothing"),
]


def test_a_request_to_another_name_is_misdirected(
    client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    for method, path in OPERATIONS:
        with caplog.at_level(logging.INFO, "dahlia.server"):
            answer = client.request(method, f"http://testserver{path}", headers={"host": "evil.example"})
        assert (answer.status_code, answer.json()["code"]) == (421, "BadRequestInvalid"), path
        assert "'evil.example'" in answer.json()["message"]
        assert "DAHLIA_SERVER_ALLOWED_HOSTS" in answer.json()["message"]
        assert answer.headers["apim-request-id"] in caplog.text
    assert client.get("/projects").json() == []


def test_probes_may_use_any_name(client: TestClient) -> None:
    for path in ("/healthz", "/readyz"):
        answer = client.get(f"http://testserver{path}", headers={"host": "balancer.example"})
        assert (answer.status_code, answer.json()["status"]) == (200, "ok")
        assert "balancer" not in answer.text


def test_headers_of_proxies_are_not_believed(client: TestClient) -> None:
    project = make_project(client)
    for name, value in (
        ("X-Forwarded-Host", "evil.example"),
        ("Forwarded", "host=evil.example"),
        ("X-Original-Host", "evil.example"),
        ("X-Forwarded-Server", "evil.example"),
    ):
        assert "evil" not in client.get(f"/projects/{project['id']}", headers={name: value}).text


@pytest.fixture
def listening(tmp_path: Path) -> Iterator[tuple[Server, int, str]]:
    """A server behind uvicorn on all addresses: itself, its port, its key."""
    server = open_server(load_settings(None, {"DAHLIA_SERVER_HOME": str(tmp_path / "home")}))
    with server.database.write() as session:
        key = create_key(session, "tests", Scope.TRAINING, None, server.now())[1]
    with socket.socket() as door:
        door.bind(("0.0.0.0", 0))
        door.listen(16)
        running = uvicorn.Server(uvicorn.Config(create_app(server), log_config=None, access_log=False))
        thread = threading.Thread(target=running.run, kwargs={"sockets": [door]})
        thread.start()
        while not running.started:
            time.sleep(0.01)
        yield server, door.getsockname()[1], key
        running.should_exit = True
        thread.join()
    server.database.close()


def talk(address: str, port: int, *lines: str) -> str:
    with socket.create_connection((address, port), timeout=10) as connection:
        connection.sendall("\r\n".join([*lines, "Connection: close", "", ""]).encode("latin-1"))
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    return answer.decode()


def status(answer: str) -> int:
    return int(answer.split()[1])


def test_what_goes_over_the_wire(listening: tuple[Server, int, str]) -> None:
    _, port, key = listening
    training, k = f"{TRAINING}/projects", f"Training-Key: {key}"
    made = talk("127.0.0.1", port, f"POST {training}?name=a HTTP/1.1", f"Host: 127.0.0.1:{port}", k,
                "Content-Length: 0")  # fmt: skip
    assert status(made) == 200
    rows: list[tuple[list[str], set[int]]] = [
        ([f"GET {training} HTTP/1.1", "Host: localhost", k], {200}),
        ([f"GET {training} HTTP/1.1", "Host: evil.example", k], {421}),
        ([f"GET {training} HTTP/1.1", "Host: localhost", "Host: evil.example", k], {400, 421}),
        ([f"GET {training} HTTP/1.1", "Host: evil.example", "Host: localhost", k], {400, 421}),
        ([f"GET {training} HTTP/1.1", "Host: localhost", "host: localhost", k], {400, 421}),
        # What a request line names counts for nothing: links follow the header, which is checked.
        ([f"GET http://evil.example{training} HTTP/1.1", "Host: localhost", k], {200}),
        ([f"GET http://localhost{training} HTTP/1.1", "Host: evil.example", k], {421}),
        ([f"GET http://evil.example@localhost{training} HTTP/1.1", "Host: localhost", k], {200, 400}),
        ([f"GET {training} HTTP/1.0", k], {200}),
        ([f"GET {training} HTTP/1.1", "Host:", k], {421}),
        ([f"GET {training} HTTP/1.1", "Host: local\thost", k], {400, 421}),
        (["GET /readyz HTTP/1.0"], {200}),
    ]
    for lines, expected in rows:
        answer = talk("127.0.0.1", port, *lines)
        assert status(answer) in expected, (lines, answer)
        assert status(answer) == 421 or "evil" not in answer


def test_an_address_of_this_machine_will_do(listening: tuple[Server, int, str]) -> None:
    _, port, key = listening
    for address in own_addresses():
        line, header = f"GET {TRAINING}/projects HTTP/1.1", f"Training-Key: {key}"
        assert status(talk(address, port, line, f"Host: {address}:{port}", header)) == 200
        assert status(talk(address, port, line, "Host: 203.0.113.77", header)) == 421


def own_addresses() -> set[str]:
    found = {"127.0.0.1", "127.8.8.8"}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing; chooses the address that leads outside
        except OSError:
            return found
        return found | {probe.getsockname()[0]}


def test_links_begin_with_the_name_that_was_used(client: TestClient) -> None:
    project: dict[str, Any] = make_project(client)
    photo = base64.b64encode(picture()).decode()
    added = client.post(f"/projects/{project['id']}/images/files", json={"images": [{"contents": photo}]})
    image = added.json()["images"][0]["image"]
    assert image["originalImageUri"].startswith("http://testserver/files/")
    again = client.get(f"/projects/{project['id']}/images", headers={"host": "127.0.0.1:8080"}).json()[0][
        "originalImageUri"
    ]
    assert again.startswith("http://127.0.0.1:8080/files/")
