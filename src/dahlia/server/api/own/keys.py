"""Keys: listing, making, replacing and revoking them. A secret is shown once."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import Depends, Path, Query, Response

from dahlia.server.api.parameters import OnePage, one_id
from dahlia.server.api.routing import own_router
from dahlia.server.contract.administration import Key, KeyOptions, KeyPage, NewKey
from dahlia.server.database.tables import KeyRow
from dahlia.server.http.access import Administers, AnyKey, TheServer
from dahlia.server.keys.granting import end_key, grant_key, is_active, key_of, keys_page, replace_key
from dahlia.server.keys.scopes import Scope
from dahlia.server.projects.choices import one_line

router = own_router("keys")


def _key_id(key_id: Annotated[str, Path(json_schema_extra={"format": "uuid"})]) -> str:
    return one_id(key_id)


_KeyId = Annotated[str, Depends(_key_id)]


@router.get("/me")
def get_own_key(access: AnyKey, server: TheServer) -> Key:
    """The key of this request: its name, what it opens, and until when."""
    with server.database.read() as session:
        return _answer(key_of(session, access.key_id), server.now())


@router.get("/keys")
def get_keys(
    access: Administers,
    server: TheServer,
    page: OnePage,
    project_id: Annotated[
        str | None, Query(alias="projectId", description="keys that are restricted to this project")
    ] = None,
) -> KeyPage:
    """A page of the keys, the newest first; revoked and expired ones too."""
    project = one_id(project_id) if project_id else None
    with server.database.read() as session:
        rows, continuation = page.cut(keys_page(session, page.looked_at, page.after, project))
        now = server.now()
        return KeyPage(results=tuple(_answer(row, now) for row in rows), continuation=continuation)


@router.post("/keys")
def create_key(access: Administers, server: TheServer, response: Response, body: KeyOptions) -> NewKey:
    """Create a key, which is shown only once.

    It may do no more than the key of this request, and lives no longer.
    """
    name = one_line(body.name, "key", "BadRequestInvalid")
    project = one_id(body.project_id) if body.project_id else None
    lifetime = timedelta(days=body.days) if body.days is not None else None
    with server.database.write() as session:
        row, text = grant_key(session, server, access, name, body.scope, project, lifetime)
        answer = _new_answer(row, text, server.now())
    _keep_secret(response)
    return answer


@router.get("/keys/{key_id}")
def get_key(access: Administers, server: TheServer, key_id: _KeyId) -> Key:
    """One of them."""
    with server.database.read() as session:
        return _answer(key_of(session, key_id), server.now())


@router.post("/keys/{key_id}/rotate")
def rotate_key(access: Administers, server: TheServer, response: Response, key_id: _KeyId) -> NewKey:
    """Replace a key by one of the same name, scope, project and lifetime; the old one ends at once."""
    with server.database.write() as session:
        row, text = replace_key(session, server, access, key_id)
        answer = _new_answer(row, text, server.now())
    _keep_secret(response)
    return answer


@router.delete("/keys/{key_id}", status_code=204)
def revoke_key(access: Administers, server: TheServer, key_id: _KeyId) -> None:
    """Revoke a key, which ends at once; the list still shows it."""
    with server.database.write() as session:
        end_key(session, server, access, key_id)


def _keep_secret(response: Response) -> None:
    response.headers["cache-control"] = "no-store"


def _answer(row: KeyRow, now: datetime) -> Key:
    return Key(**_fields(row, now))


def _new_answer(row: KeyRow, text: str, now: datetime) -> NewKey:
    return NewKey(**_fields(row, now), key=text)


def _fields(row: KeyRow, now: datetime) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "hint": row.hint,
        "scope": Scope(row.scope),
        "project_id": row.project_id,
        "created": row.created,
        "expires": row.expires,
        "revoked": row.revoked,
        "is_active": is_active(row, now),
    }
