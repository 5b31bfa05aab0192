"""What the database knows of the storage: whose it is, what may be deleted there, what nobody names."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from dahlia.server.database.tables import Identity, Table
from dahlia.server.database.types import Key


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
