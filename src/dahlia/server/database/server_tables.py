"""What the server knows of itself: keys, audit log, its secret, and its storage."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from dahlia.server.database.tables import Identity, Table
from dahlia.server.database.types import Key


class KeyRow(Table):
    """A key, of which only the hash is kept.

    Attributes:
        hash: SHA-256 of the key, in hexadecimal. Keys are random, so a slow hash would add nothing.
        hint: its last four characters, by which people tell keys apart.
        scope: `training`, `prediction` or `read`.
        project_id: the only project that it opens; None for all.
        expires: when it ends by itself; None for never.
    """

    __tablename__ = "keys"

    key: Mapped[int] = mapped_column(Key, primary_key=True)
    id: Mapped[str] = mapped_column(Identity, unique=True)
    name: Mapped[str]
    hash: Mapped[str] = mapped_column(String(64), unique=True)
    hint: Mapped[str] = mapped_column(String(4))
    scope: Mapped[str] = mapped_column(String(16))
    project_id: Mapped[str | None] = mapped_column(Identity)
    created: Mapped[datetime]
    expires: Mapped[datetime | None]
    revoked: Mapped[datetime | None]


class AuditRow(Table):
    """Who did what when."""

    __tablename__ = "audit"
    # None by moment: a page is in the order of keys, so SQLite would sort all lines of a long span for each.
    __table_args__ = (
        Index("audit_in_order", "project_id", "key"),
        Index("audit_by_actor", "actor", "key"),
        Index("audit_by_action", "action", "key"),
    )

    key: Mapped[int] = mapped_column(Key, primary_key=True)
    moment: Mapped[datetime]
    request: Mapped[str]
    actor: Mapped[str | None] = mapped_column(ForeignKey("keys.id", ondelete="SET NULL"))
    action: Mapped[str]
    project_id: Mapped[str | None] = mapped_column(Identity)
    details: Mapped[dict[str, Any]]


class SecretRow(Table):
    """By what servers of one database see that they sign with one secret: its fingerprint."""

    __tablename__ = "secrets"

    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    value: Mapped[bytes] = mapped_column(LargeBinary)


class IdentityRow(Table):
    """Which storage belongs to this database; one row.

    Attributes:
        key: 1.
        server: an id that the storage carries too.
        earlier: ids that the storage may carry as well: those of the servers that this one continues.
        made: since when the database knows what is stored; older files may be unknown to it and no orphans.
    """

    __tablename__ = "identity"

    key: Mapped[int] = mapped_column(Key, primary_key=True)
    server: Mapped[str] = mapped_column(Identity)
    earlier: Mapped[list[str]]
    made: Mapped[datetime]


class DiscardRow(Table):
    """Files whose row was deleted; triggers of the database write it, whatever deletes the row.

    Attributes:
        kind: `image`, `prediction`, `iteration` or `history`.
        name: SHA-256 and suffix of an image, also of a prediction's; or the id of an iteration or a project.
        moment: of the deletion.
    """

    __tablename__ = "discarded"

    kind: Mapped[str] = mapped_column(String(16), primary_key=True)
    name: Mapped[str] = mapped_column(String(80), primary_key=True)
    moment: Mapped[datetime]


class OrphanRow(Table):
    """A file that no row names, and that nobody is known to have deleted.

    Attributes:
        file: its key in the storage.
        size: bytes.
        written: when it was written last.
        found: when it was first seen without a row.
    """

    __tablename__ = "orphans"

    file: Mapped[str] = mapped_column(Text, primary_key=True)
    size: Mapped[int] = mapped_column(BigInteger)
    written: Mapped[datetime]
    found: Mapped[datetime]
