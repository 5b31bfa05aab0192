from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from starlette.testclient import TestClient

from dahlia.errors import ConfigError
from dahlia.server.context import Server
from dahlia.server.database.tables import KeyRow
from dahlia.server.keys import keys
from dahlia.server.keys.audit import Lines, latest, record
from dahlia.server.keys.keys import Access, Scope

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HERE, ELSEWHERE = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"


def make(server: Server, scope: Scope = Scope.TRAINING, project: str | None = None) -> tuple[KeyRow, str]:
    with server.database.write() as session:
        return keys.create_key(session, "app", scope, project, server.now())


def test_a_key_is_found_by_itself_alone_and_kept_nowhere(server: Server) -> None:
    row, text = make(server, Scope.READ, HERE)
    with server.database.read() as session:
        assert keys.find_access(session, text, NOW) == Access(row.id, Scope.READ, HERE)
        for wrong in ("", text[:-1], text.upper(), row.hash, row.id):
            assert keys.find_access(session, wrong, NOW) is None
        (kept,) = keys.list_keys(session)
        assert text not in str(vars(kept))
        assert text.endswith(kept.hint)


def test_a_revoked_key_opens_nothing(server: Server) -> None:
    row, text = make(server)
    with server.database.write() as session:
        keys.revoke_key(session, row.id[:8].upper(), server.now())
    with server.database.read() as session:
        assert keys.find_access(session, text, NOW) is None


def test_a_rotated_key_gives_way_to_one_like_it(server: Server) -> None:
    row, old = make(server, Scope.PREDICTION, HERE)
    with server.database.write() as session:
        _, new = keys.rotate_key(session, row.id, server.now())
    with server.database.read() as session:
        found = keys.find_access(session, new, NOW)
        assert keys.find_access(session, old, NOW) is None
        assert found is not None
        assert (found.scope, found.project_id) == (Scope.PREDICTION, HERE)


def test_a_key_ends_by_itself(server: Server) -> None:
    now = server.now()
    with server.database.write() as session:
        _, text = keys.create_key(session, "app", Scope.READ, None, now, timedelta(days=7))
    with server.database.read() as session:
        assert keys.find_access(session, text, now + timedelta(days=6, hours=23)) is not None
        assert keys.find_access(session, text, now + timedelta(days=7)) is None


def test_a_rotated_key_lives_as_long_as_the_old_one_did(server: Server) -> None:
    now = server.now()
    with server.database.write() as session:
        row, _ = keys.create_key(session, "app", Scope.READ, None, now, timedelta(days=7))
        new, text = keys.rotate_key(session, row.id, now + timedelta(days=5))
    assert new.expires == now + timedelta(days=12)
    with server.database.read() as session:
        assert keys.find_access(session, text, now + timedelta(days=11)) is not None


def test_an_expired_key_is_refused_over_http(server: Server, client: TestClient) -> None:
    with server.database.write() as session:
        text = keys.create_key(session, "app", Scope.READ, None, server.now(), timedelta(minutes=1))[1]
    client.headers["Training-Key"] = text
    assert client.get("/projects").status_code == 200
    later = server.now() + timedelta(minutes=2)
    server.now = lambda: later
    assert client.get("/projects").status_code == 401


@pytest.mark.parametrize("which", ["", "no-such-key", "zz"])
def test_a_key_that_is_not_there_is_named_with_those_that_are(server: Server, which: str) -> None:
    row, _ = make(server)
    with (
        pytest.raises(ConfigError, match=f"In use: {row.id[:8]} \\(app\\)"),
        server.database.write() as session,
    ):
        keys.revoke_key(session, which, server.now())


def test_first_keys_are_made_once(server: Server) -> None:
    with server.database.write() as session:
        made = keys.create_first_keys(session, server.now())
        assert set(made) == {Scope.TRAINING, Scope.PREDICTION}
    with server.database.write() as session:
        assert keys.create_first_keys(session, server.now()) == {}


@pytest.mark.parametrize(
    ("scope", "project", "needed", "asked", "opens"),
    [
        (Scope.TRAINING, None, Scope.TRAINING, HERE, True),
        (Scope.TRAINING, None, Scope.PREDICTION, HERE, True),
        (Scope.TRAINING, None, Scope.TRAINING, None, True),
        (Scope.TRAINING, HERE, Scope.TRAINING, HERE, True),
        (Scope.TRAINING, HERE, Scope.TRAINING, ELSEWHERE, False),
        (Scope.TRAINING, HERE, Scope.READ, ELSEWHERE, False),
        (Scope.TRAINING, HERE, Scope.TRAINING, None, False),
        (Scope.TRAINING, HERE, Scope.READ, None, True),
        (Scope.PREDICTION, None, Scope.PREDICTION, HERE, True),
        (Scope.PREDICTION, None, Scope.READ, HERE, False),
        (Scope.PREDICTION, None, Scope.TRAINING, HERE, False),
        (Scope.READ, None, Scope.READ, HERE, True),
        (Scope.READ, None, Scope.TRAINING, HERE, False),
        (Scope.READ, None, Scope.PREDICTION, HERE, False),
        *[(Scope.ADMIN, None, needed, where, True) for needed in Scope for where in (HERE, None)],
        *[(scope, None, Scope.ADMIN, None, False) for scope in Scope if scope is not Scope.ADMIN],
        (Scope.ADMIN, HERE, Scope.ADMIN, None, False),
    ],
)
def test_what_a_key_opens(
    scope: Scope, project: str | None, needed: Scope, asked: str | None, opens: bool
) -> None:
    assert Access("key", scope, project).opens(needed, asked) is opens


@pytest.mark.parametrize(
    "header", ["Training-Key", "training-key", "Prediction-Key", "Ocp-Apim-Subscription-Key"]
)
def test_any_of_the_three_headers_will_do(client: TestClient, key: str, header: str) -> None:
    del client.headers["Training-Key"]
    assert client.get("/domains").status_code == 401
    assert client.get("/domains", headers={header: key}).status_code == 200


def test_a_refused_key_gets_the_gateways_body(client: TestClient) -> None:
    answer = client.get("/domains", headers={"Training-Key": "wrong"})
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "401"
    assert "Training-Key" in answer.json()["error"]["message"]
    assert answer.headers["apim-request-id"]


def test_a_key_of_the_wrong_scope_is_told_what_it_needs(server: Server, client: TestClient) -> None:
    _, text = make(server, Scope.PREDICTION)
    answer = client.get("/domains", headers={"Training-Key": text})
    assert answer.status_code == 403
    assert answer.json()["code"] == "ForbiddenUserInsufficientCapability"
    assert "`read`" in answer.json()["message"]


def test_the_audit_log_is_part_of_the_change(server: Server) -> None:
    row, _ = make(server)
    access = Access(row.id, Scope.TRAINING, None)
    with server.database.write() as session:
        record(session, server, access, "create_tag", HERE, name="daisy")
    with pytest.raises(RuntimeError), server.database.write() as session:  # noqa: PT012
        record(session, server, access, "create_tag", HERE, name="lost")
        raise RuntimeError
    with server.database.write() as session:
        record(session, server, None, "finish_training", ELSEWHERE)
    with server.database.read() as session:
        lines = latest(session, 10)
        assert [(line.action, name) for line, name in lines] == [
            ("finish_training", None),
            ("create_tag", "app"),
        ]
        assert [line.details for line, _ in latest(session, 10, Lines(project=HERE))] == [{"name": "daisy"}]
