"""Who may do what, who did what, and what the server keeps to itself."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, LargeBinary, String
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
    __table_args__ = (Index("audit_in_order", "project_id", "key"),)

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
