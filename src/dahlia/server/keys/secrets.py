"""What the server signs with: made once, kept in the store, the same for all of its processes."""

from __future__ import annotations

import secrets

from sqlalchemy.exc import IntegrityError

from dahlia.server.store.access_tables import SecretRow
from dahlia.server.store.database import Database

_BYTES = 32


def secret(database: Database, name: str) -> bytes:
    """The secret of a name; made where there is none yet."""
    found = _find(database, name)
    if found is None:
        try:
            with database.write() as session:
                session.add(SecretRow(name=name, value=secrets.token_bytes(_BYTES)))
        except IntegrityError:  # another process was first
            pass
        found = _find(database, name)
    assert found is not None
    return found


def _find(database: Database, name: str) -> bytes | None:
    with database.read() as session:
        row = session.get(SecretRow, name)
        return row.value if row else None
