"""Links that sign a browser in once."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import func, select
from starlette.testclient import TestClient

from dahlia.cli import cli
from dahlia.http.admission import Rates
from dahlia.server.app import create_app
from dahlia.server.context import Server, open_server
from dahlia.server.database.tables import AuditRow, SignInLinkRow
from dahlia.server.keys.sign_in import create_link, link_line
from dahlia.server.running import _say_keys
from dahlia.settings.sections import ServerSection
from dahlia.settings.server import load_settings

pytestmark = pytest.mark.both_databases

SIGN_IN = "http://testserver/dahlia/v1/sign-in"
LINK = re.compile(r"Open (http://127\.0\.0\.1:\d+)/#/sign-in/([\w-]{32}) \(works once, for 24 hours\)\.")


def link(server: Server) -> str:
    with server.database.write() as session:
        return create_link(session, server.now())


def sign_in(client: TestClient, token: Any) -> Any:
    client.headers.pop("Training-Key", None)
    return client.post(SIGN_IN, json={"token": token})


def test_a_link_gives_a_key_once(server: Server, client: TestClient) -> None:
    token = link(server)
    answer = sign_in(client, token)
    assert answer.status_code == 200, answer.text
    key = answer.json()
    assert answer.headers["cache-control"] == "no-store"
    assert (key["scope"], key["projectId"], key["isActive"]) == ("admin", None, True)
    assert key["name"] == f"portal, {server.now():%Y-%m-%d}"
    me = client.get("http://testserver/dahlia/v1/me", headers={"Training-Key": key["key"]}).json()
    assert me == {name: value for name, value in key.items() if name != "key"}
    again = sign_in(client, token)
    assert (again.status_code, again.json()["error"]["code"]) == (401, "401")
    assert "`dahlia keys link`" in again.json()["error"]["message"]
    with server.database.read() as session:
        line = session.scalars(select(AuditRow).order_by(AuditRow.key.desc())).first()
        assert line is not None
        assert (line.action, line.actor, line.details["key"]) == ("sign_in", key["id"], key["id"])
        assert token not in str(line.details)
        assert session.scalar(select(func.count()).select_from(SignInLinkRow)) == 0


def test_the_key_ends_after_12_hours(server: Server, client: TestClient) -> None:
    key = sign_in(client, link(server)).json()["key"]
    now = server.now()
    me, headers = "http://testserver/dahlia/v1/me", {"Training-Key": key}
    server.now = lambda: now + timedelta(hours=11, minutes=59)
    assert client.get(me, headers=headers).status_code == 200
    server.now = lambda: now + timedelta(hours=12, seconds=1)
    assert client.get(me, headers=headers).status_code == 401


def test_an_unused_link_ends(server: Server, client: TestClient) -> None:
    token, now = link(server), server.now()
    server.now = lambda: now + timedelta(hours=24, seconds=1)
    assert sign_in(client, token).status_code == 401
    link(server)
    with server.database.read() as session:
        assert session.scalar(select(func.count()).select_from(SignInLinkRow)) == 1


@pytest.mark.parametrize("token", ["", "wrong", "a" * 32, "\\ud800", "a" * 100_000])
def test_a_wrong_link(server: Server, client: TestClient, token: str) -> None:
    link(server)
    assert client.post(SIGN_IN, content=f'{{"token": "{token}"}}').status_code == 401
    with server.database.read() as session:
        assert session.scalar(select(func.count()).select_from(SignInLinkRow)) == 1


def test_what_is_no_token_is_said_and_not_shown(client: TestClient) -> None:
    answer = client.post(SIGN_IN, json={"token": 5})
    assert (answer.status_code, answer.json()["code"]) == (400, "BadRequestInvalid")
    assert client.post(SIGN_IN, json={}).status_code == 400
    broken = client.post(SIGN_IN, content='{"token": ', headers={"content-type": "application/json"})
    assert broken.status_code == 400
    assert "JSON" in broken.json()["message"]


def test_two_browsers_at_the_same_moment(server: Server, client: TestClient) -> None:
    for _ in range(2):
        token, together = link(server), Barrier(2)

        def use(_: int, token: str = token, together: Barrier = together) -> int:
            together.wait()
            return int(client.post(SIGN_IN, json={"token": token}).status_code)

        with ThreadPoolExecutor(2) as pool:
            assert sorted(pool.map(use, range(2))) == [200, 401]


def test_tries_are_bounded(server: Server, client: TestClient) -> None:
    server.rates = Rates(clock=lambda: 1.0)
    found = [sign_in(client, "wrong") for _ in range(6)]
    assert [one.status_code for one in found[:5]] == [401] * 5
    last = found[-1]
    assert (last.status_code, last.headers["retry-after"]) == (429, "1")
    assert "Too many attempts" in last.json()["error"]["message"]


def test_the_first_start_prints_a_link(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    _say_keys(server, 4711)
    printed = LINK.findall(capsys.readouterr().out)
    assert [base for base, _ in printed] == ["http://127.0.0.1:4711"]
    _say_keys(server, 4711)
    assert capsys.readouterr().out == ""
    with TestClient(create_app(server)) as client:
        assert sign_in(client, printed[0][1]).status_code == 200


def test_a_link_of_the_command_outlives_a_restart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    variables = {"DAHLIA_SERVER_HOME": str(tmp_path / "home"), "DAHLIA_SERVER_ALLOWED_HOSTS": "testserver"}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    printed = CliRunner().invoke(cli, ["keys", "link"])
    (found,) = LINK.findall(printed.output)
    assert found[0] == "http://127.0.0.1:3000"
    for expected in (200, 401):
        server = open_server(load_settings(None, variables))
        with TestClient(create_app(server)) as client:
            assert sign_in(client, found[1]).status_code == expected
        server.database.close()


@pytest.mark.parametrize(
    ("section", "base"),
    [
        ({}, "http://127.0.0.1:3000"),
        ({"host": "0.0.0.0", "port": 80}, "http://127.0.0.1:80"),
        ({"host": "::"}, "http://[::1]:3000"),
        ({"public_url": "https://dahlia.example/"}, "https://dahlia.example"),
        ({"tls_cert": "a.pem", "host": "10.0.0.1"}, "https://10.0.0.1:3000"),
    ],
)
def test_where_a_link_leads(section: dict[str, Any], base: str) -> None:
    assert link_line(ServerSection(**section), "token").startswith(f"Open {base}/#/sign-in/token ")
