"""Keys, signed links and tokens that somebody makes up, changes, or keeps too long."""

from __future__ import annotations

import base64
import hashlib
import hmac
import logging
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest
from prediction_cases import NOWHERE, add_iteration, asked, new_garden, picture
from project_cases import make_project, refused
from starlette.datastructures import Headers
from starlette.testclient import TestClient

from dahlia.errors import GatewayError
from dahlia.server.context import Server
from dahlia.server.http.access import KNOWN_SECONDS, KnownKeys
from dahlia.server.http.addresses import Addresses
from dahlia.server.keys import keys
from dahlia.server.keys.keys import Scope, create_key, revoke_key, rotate_key
from dahlia.server.storage.names import export_key, image_key
from photo_server import photo_server

HOST = "http://testserver"


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """What is tried here reaches both databases alike."""
    return f"sqlite:///{tmp_path / 'home' / 'dahlia.db'}"


def made(server: Server, scope: Scope = Scope.TRAINING, project: str | None = None) -> tuple[str, str]:
    """A key's id and its text."""
    with server.database.write() as session:
        row, text = create_key(session, "app", scope, project, server.now())
        return row.id, text


def status(client: TestClient, key: str, path: str = "/domains") -> int:
    return client.get(path, headers={"Training-Key": key}).status_code


# Keys


def test_a_revoked_and_a_rotated_key_end_at_once(client: TestClient, server: Server) -> None:
    identity, text = made(server)
    assert status(client, text) == 200
    with server.database.write() as session:
        row, new = rotate_key(session, identity, server.now())
    assert (status(client, text), status(client, new)) == (401, 200)
    with server.database.write() as session:
        revoke_key(session, row.id, server.now())
    assert (status(client, text), status(client, new)) == (401, 401)


def test_for_predictions_an_ended_key_lasts_a_second_and_no_longer(server: Server) -> None:
    identity, text = made(server, Scope.PREDICTION)
    now = [100.0]
    known = KnownKeys(server, lambda: now[0])
    headers = Headers({"prediction-key": text})
    before = anyio.run(known.identify, headers)
    with server.database.write() as session:
        revoke_key(session, identity, server.now())
    now[0] += 0.9 * KNOWN_SECONDS
    assert anyio.run(known.identify, headers) == before
    for _ in range(2):
        now[0] += 0.1 * KNOWN_SECONDS
        with pytest.raises(GatewayError):
            anyio.run(known.identify, headers)
    assert KNOWN_SECONDS <= 1


def test_a_wrong_key_is_looked_up_each_time_and_never_taken_for_another(server: Server) -> None:
    _, text = made(server, Scope.PREDICTION)
    known = KnownKeys(server, lambda: 100.0)
    assert anyio.run(known.identify, Headers({"prediction-key": text}))
    for wrong in (text[:-1], text + "0", text.upper(), f" {text}x", ""):
        with pytest.raises(GatewayError):
            anyio.run(known.identify, Headers({"prediction-key": wrong}))
    # A header more is another request, and not the one that was let in a moment ago.
    with pytest.raises(GatewayError):
        anyio.run(known.identify, Headers({"training-key": text[:-1], "prediction-key": "x"}))


WRONG: list[tuple[str, Any]] = [
    ("none", {}),
    ("empty", {"Training-Key": ""}),
    ("spaces", {"Training-Key": "   "}),
    ("very long", {"Training-Key": "a" * 60_000}),
    ("not ASCII", {"Training-Key": "schlüssel".encode("latin-1")}),
    ("UTF-8", {"Training-Key": "🌼".encode()}),
    ("binary", {"Training-Key": bytes(range(128, 256))}),
    ("SQL", {"Training-Key": "' OR 1=1 --"}),
    ("wildcard", {"Training-Key": "%"}),
    ("bearer", {"Authorization": "Bearer {key}"}),
    ("basic", {"Authorization": "Basic {key}"}),
    ("underscores", {"Training_Key": "{key}"}),
    ("cookie", {"Cookie": "Training-Key={key}"}),
    ("its hash", {"Training-Key": "{hash}"}),
    ("its id", {"Training-Key": "{id}"}),
    ("upper case", {"Training-Key": "{upper}"}),
    ("joined", {"Training-Key": "{key}, {key}"}),
    ("first of two", {"Training-Key": "wrong, {key}"}),
    ("quoted", {"Training-Key": '"{key}"'}),
]


def test_what_is_no_key_opens_nothing(client: TestClient, server: Server) -> None:
    identity, text = made(server)
    words = {"key": text, "upper": text.upper(), "id": identity}
    words["hash"] = hashlib.sha256(text.encode()).hexdigest()
    project, prediction = new_garden(server), "wherever"
    del client.headers["Training-Key"]
    for name, headers in WRONG:
        given = {
            one: value.format(**words) if isinstance(value, str) else value for one, value in headers.items()
        }
        for method, path in (("GET", "/domains"), ("POST", asked(project, prediction))):
            answer = client.request(method, path, headers=given)
            assert (answer.status_code, answer.json()["error"]["code"]) == (401, "401"), (name, path)
            assert text not in answer.text
            assert "a" * 100 not in answer.text


def test_a_key_counts_in_headers_alone(client: TestClient, server: Server) -> None:
    _, text = made(server)
    del client.headers["Training-Key"]
    for name in ("Training-Key", "training-key", "key", "subscription-key", "Ocp-Apim-Subscription-Key"):
        assert client.get("/domains", params={name: text}).status_code == 401
    assert client.post("/projects", params={"name": "a"}, json={"Training-Key": text}).status_code == 401


def test_several_headers(client: TestClient, server: Server) -> None:
    _, text = made(server)
    del client.headers["Training-Key"]

    def ask(*headers: tuple[str, str]) -> int:
        return client.get("/domains", headers=list(headers)).status_code

    assert ask(("Training-Key", "wrong"), ("Prediction-Key", text)) == 200  # SDKs send both
    assert ask(("TRAINING-KEY", text)) == 200
    assert ask(("Training-Key", text), ("Training-Key", "wrong")) == 200
    assert ask(("Training-Key", "wrong"), ("Training-Key", text)) == 401  # the first counts


def test_a_revoked_key_beside_a_good_one_neither_hurts_nor_helps(client: TestClient, server: Server) -> None:
    old, revoked = made(server)
    _, reading = made(server, Scope.READ)
    with server.database.write() as session:
        revoke_key(session, old, server.now())
    headers = {"Training-Key": revoked, "Prediction-Key": reading}
    assert client.get("/domains", headers=headers).status_code == 200
    refused(
        client.post("/projects", params={"name": "a"}, headers=headers),
        "ForbiddenUserInsufficientCapability",
        403,
    )


def test_keys_are_compared_in_constant_time_and_never_logged(
    client: TestClient, server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    _, text = made(server)
    compared, in_constant_time = [], hmac.compare_digest

    def compare(one: str, other: str) -> bool:
        compared.append((one, other))
        return in_constant_time(one, other)

    monkeypatch.setattr(keys.hmac, "compare_digest", compare)
    with caplog.at_level(logging.DEBUG):
        assert (status(client, text), status(client, text[:-1] + "x")) == (200, 401)
    # Found by a hash of the whole key: what a prefix has in common with a key shows in no time.
    digest = hashlib.sha256(text.encode()).hexdigest()
    assert compared == [(digest, digest)]
    assert text[:20] not in caplog.text


def test_a_project_that_is_gone_takes_what_its_key_opened(client: TestClient, server: Server) -> None:
    project = make_project(client)
    _, text = made(server, Scope.TRAINING, project["id"])
    assert status(client, text, f"/projects/{project['id']}") == 200
    client.delete(f"/projects/{project['id']}")
    assert status(client, text, f"/projects/{project['id']}") == 404
    other = make_project(client)
    assert status(client, text, f"/projects/{other['id']}") == 403


# Signed links


def original(server: Server, data: bytes = b"photo") -> tuple[str, str]:
    """The hash of a stored photo, and its link."""
    sha256 = hashlib.sha256(data).hexdigest()
    server.storage.put(image_key(sha256, ".jpg"), data)
    return sha256, Addresses(server, HOST).original(sha256, ".jpg")


def test_links_that_were_changed(client: TestClient, server: Server) -> None:
    sha256, link = original(server)
    _, other = original(server, b"other")
    path, _, query = link.partition("?")
    expires, signature = (part.partition("=")[2] for part in query.split("&"))
    wrong = [
        f"{path}?{other.partition('?')[2]}",
        f"{path}?{query}&expires={expires}",
        f"{path}?{query}&signature={signature}",
        f"{path}?expires={expires}&expires=99999999999&signature={signature}",
        f"{path}?expires=99999999999&signature={signature}",
        f"{path}?expires={'9' * 30}&signature={signature}",
        f"{path}?expires={expires}.0&signature={signature}",
        f"{path}?expires=+{expires}&signature={signature}",
        f"{path}?expires=0x7fffffff&signature={signature}",
        f"{path}?expires={expires}&signature=",
        f"{path}?expires={expires}&signature={signature}=",
        f"{path}?expires={expires}&signature={signature.lower()}",
        f"{path}?expires={expires}&Signature={signature}",
        f"{path}?expires={expires};signature={signature}",
        f"{path}%00?{query}",
        f"{path}/?{query}",
        f"{path}/../../{sha256[:2]}/{sha256}.jpg%2f?{query}",
        f"{path.replace('/images/', '/images%2f../')}?{query}",
        f"{path.replace('/images/', '/images/%2e%2e/images/%2e/')}?{query}",
        f"{path.replace('/images/', '/images/%252e%252e/')}?{query}",
        f"{path.replace('/images/', '/images//')}?{query}",
        f"{path.replace('/images/', '/IMAGES/')}?{query}",
        f"{path.replace('/files/', '/files/%2fetc%2fpasswd/')}?{query}",
        f"{HOST}/files/..%2f..%2fsecret?{query}",
        f"{HOST}/files/secret?{query}",
    ]
    del client.headers["Training-Key"]
    assert client.get(link).content == b"photo"
    for address in wrong:
        answer = client.get(address)
        assert answer.status_code in (403, 404), address
        assert b"photo" not in answer.content, address


def test_a_link_to_what_is_no_file_of_the_storage(client: TestClient, server: Server) -> None:
    """Even what the server itself would sign by mistake leads nowhere else."""
    (server.settings.server.home / "secret.txt").write_text("private")
    for path in ("/files/../secret.txt", "/files/images/../../secret.txt", "/files//etc/passwd", "/files/"):
        query = server.links.sign(path, 2**33)
        answer = client.get(HOST + path.replace("..", "%2e%2e") + "?" + query)
        assert answer.status_code >= 400
        assert "private" not in answer.text
        assert "root:" not in answer.text


def test_a_link_serves_reading_alone(client: TestClient, server: Server) -> None:
    sha256, link = original(server)
    del client.headers["Training-Key"]
    head = client.head(link)
    assert (head.status_code, head.content) == (200, b"")
    for wanted in ("bytes=1-2", "bytes=-1", "bytes=0-0,2-3", "bytes=99-", "bytes=abc", "lines=1"):
        answer = client.get(link, headers={"Range": wanted})
        assert (answer.status_code, answer.content) == (200, b"photo")  # the whole, as a server may
    for method in ("PUT", "POST", "DELETE", "PATCH"):
        assert client.request(method, link, content=b"x").status_code == 405
    assert server.storage.get(image_key(sha256, ".jpg")) == b"photo"


def test_a_link_is_no_key_and_opens_no_export(client: TestClient, server: Server) -> None:
    _, link = original(server)
    query = link.partition("?")[2]
    del client.headers["Training-Key"]
    assert client.get(f"/projects?{query}").status_code == 401
    server.storage.put(export_key(NOWHERE, "model.zip"), b"zip")
    assert client.get(f"{HOST}/files/{export_key(NOWHERE, 'model.zip')}?{query}").status_code == 403


# Tokens of copies


def token_of(client: TestClient, project: dict[str, Any]) -> str:
    return str(client.get(f"/projects/{project['id']}/export").json()["token"])


def encoded(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def test_tokens_that_were_made_up(client: TestClient, server: Server) -> None:
    project, other = make_project(client), make_project(client)
    token = token_of(client, project)
    text = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode()
    query, identity = text.partition("?")[2], project["id"]
    path = f"/copies/{identity}"
    wrong = {
        "a link's key": encoded(f"{identity}?{server.links.sign(path, 2**33)}"),
        "a link to a file": encoded(f"{identity}?{server.links.sign('/files/a', 2**33)}"),
        "another project": encoded(f"{other['id']}?{query}"),
        "a longer life": encoded(text.replace("expires=1", "expires=9")),
        "two lives": encoded(f"{text}&expires=9999999999"),
        "no signature": encoded(f"{identity}?expires=9999999999"),
        "a path": encoded(f"../{identity}?{query}"),
        "cut": token[: len(token) // 2],
        "doubled": token + token,
        "zero": encoded(f"{identity}\x00?{query}"),
        "very long": "A" * 50_000,
    }
    for name, one in wrong.items():
        answer = client.post("/projects/import", params={"token": one})
        assert (answer.status_code, answer.json()["code"]) == (400, "BadRequestInvalidImportToken"), name
    assert len(client.get("/projects").json()) == 2


def test_a_token_is_no_link(client: TestClient, server: Server) -> None:
    project = make_project(client)
    path = f"/copies/{project['id']}"
    query = server.signing.copies.sign(path, 2**33)
    assert client.get(f"{HOST}{path}?{query}").status_code == 404
    sha256, _ = original(server)
    file = f"/files/{image_key(sha256, '.jpg')}"
    assert client.get(f"{HOST}{file}?{server.signing.copies.sign(file, 2**33)}").status_code == 403


def test_a_token_may_be_used_while_it_lasts_and_its_project_is_there(
    client: TestClient, server: Server
) -> None:
    project = make_project(client)
    token = token_of(client, project)
    first, second = (client.post("/projects/import", params={"token": token}).json()["id"] for _ in range(2))
    assert first != second
    now = server.now()
    server.now = lambda: now + timedelta(hours=25)
    refused(client.post("/projects/import", params={"token": token}), "BadRequestInvalidImportToken")
    server.now = lambda: now
    client.delete(f"/projects/{project['id']}")
    refused(client.post("/projects/import", params={"token": token}), "BadRequestInvalidImportToken")


@pytest.mark.parametrize(
    ("scope", "bound"),
    [(scope, bound) for scope in Scope for bound in (True, False) if scope is not Scope.ADMIN or not bound],
)
def test_who_may_export_and_import(client: TestClient, server: Server, scope: Scope, bound: bool) -> None:
    project, other = make_project(client), make_project(client)
    token = token_of(client, project)
    _, key = made(server, scope, project["id"] if bound else None)
    headers = {"Training-Key": key}
    reads, trains = scope is not Scope.PREDICTION, scope in (Scope.ADMIN, Scope.TRAINING) and not bound
    export = client.get(f"/projects/{project['id']}/export", headers=headers)
    elsewhere = client.get(f"/projects/{other['id']}/export", headers=headers)
    copy = client.post("/projects/import", params={"token": token}, headers=headers)
    assert export.status_code == (200 if reads else 403)
    assert elsewhere.status_code == (200 if reads and not bound else 403)
    assert copy.status_code == (200 if trains else 403)


# Addresses that a project names


def test_a_notification_address_is_never_asked(client: TestClient, server: Server) -> None:
    with photo_server(b"") as web:
        options = {
            "notificationQueueUri": f"{web.base}/queue?sv=1&sig=a%2Bb",
            "exportModelContainerUri": f"{web.base}/container",
        }
        answer = client.post("/projects", params={"name": "garden"}, json=options)
        assert answer.status_code == 200
        project = answer.json()
        assert project["settings"]["notificationQueueUri"] == options["notificationQueueUri"]
        client.patch(f"/projects/{project['id']}", json={"name": "other"})
        client.post(f"/projects/{project['id']}/train")
        client.post("/projects/import", params={"token": token_of(client, project)})
        client.delete(f"/projects/{project['id']}")
        assert web.asked == []


@pytest.mark.parametrize("field", ["notificationQueueUri", "exportModelContainerUri"])
def test_addresses_that_a_project_may_not_name(client: TestClient, field: str) -> None:
    for address in (
        "javascript:alert(1)", "data:text/html,<script>", "file:///etc/passwd", "ftp://a.example/",
        "//a.example/queue", "queue", "http://", "https:///queue", "http://[::1", "http://a.example/\r\nX: y",
        "http://a.example/\x00", "http://a.example/a b", "http://ä.example/",
        f"http://a.example/{'a' * 2048}",
    ):  # fmt: skip
        answer = client.post("/projects", params={"name": "garden"}, json={field: address})
        refused(answer, "BadRequestInvalidUri")
    assert client.get("/projects").json() == []


def test_an_address_comes_back_as_text_and_never_as_a_page(client: TestClient) -> None:
    address = "https://a.example/'\"><script>alert(1)</script>"
    answer = client.post("/projects", params={"name": "a"}, json={"notificationQueueUri": address})
    assert answer.json()["settings"]["notificationQueueUri"] == address
    assert answer.headers["content-type"].startswith("application/json")
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_prediction_key_opens_no_other_project(client: TestClient, server: Server) -> None:
    mine, theirs = new_garden(server), new_garden(server)
    for project in (mine, theirs):
        add_iteration(server, project, publish_name="live")
    server.published_changed()
    _, key = made(server, Scope.PREDICTION, mine.id)
    client.headers["Training-Key"] = key
    assert client.post(asked(mine), content=picture()).status_code == 200
    assert client.post(asked(theirs), content=picture()).status_code == 403
    assert client.post(asked(mine), content=picture()).json()["project"] == mine.id
