"""What a project holds (tags, images, their tags and regions), and what the server knows of itself.

Rows of the workspace are never copied for an iteration. A project has an *epoch*, which rises with each
training. What is added carries the epoch of then in `added`; what is taken away gets the present one in
`removed`. The workspace is what is not removed; the iteration that was trained in epoch `e` sees what was
added in `e` or before and not removed in `e` or before. What is added and removed in one epoch is deleted.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Float, ForeignKey, Index, LargeBinary, String, Text, Uuid, text, true
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from dahlia.kinds import Kind
from dahlia.server.contract.enums import KINDS
from dahlia.server.database.types import Instant, Key


class Table(DeclarativeBase):
    """Base of all tables. `key` numbers rows within the database, `id` is what clients know."""

    type_annotation_map = {  # noqa: RUF012
        datetime: Instant,
        dict[str, Any]: JSON,
        list[str]: JSON,
        list[dict[str, Any]]: JSON,
        dict[str, str]: JSON,
        dict[str, bool]: JSON,
    }


Identity = Uuid(as_uuid=False)
_LIVE = text("removed IS NULL")


class ProjectRow(Table):
    """A project.

    Attributes:
        pipeline_name: what the pipeline calls it; stays when the project is renamed.
        classification: `Multiclass` or `Multilabel`; None for detection.
        use_negative_set: whether trainings use the built-in negative set.
        epoch: see the module.
        revision: rises with every change that a training would see.
    """

    __tablename__ = "projects"

    key: Mapped[int] = mapped_column(Key, primary_key=True)
    id: Mapped[str] = mapped_column(Identity, unique=True)
    name: Mapped[str]
    description: Mapped[str]
    pipeline_name: Mapped[str]
    domain_id: Mapped[str] = mapped_column(Identity)
    classification: Mapped[str | None]
    export_platforms: Mapped[list[str]]
    use_negative_set: Mapped[bool] = mapped_column(server_default=true())
    augmentation: Mapped[dict[str, bool]]
    container_uri: Mapped[str | None]
    queue_uri: Mapped[str | None]
    status: Mapped[str]
    created: Mapped[datetime]
    modified: Mapped[datetime]
    epoch: Mapped[int] = mapped_column(default=1)
    revision: Mapped[int] = mapped_column(default=0)
    iterations_made: Mapped[int] = mapped_column(default=0)

    @property
    def kind(self) -> Kind:
        """What its models say of a photo."""
        return KINDS[self.classification]


class TagRow(Table):
    """A tag."""

    __tablename__ = "tags"
    __table_args__ = (
        Index(
            "tags_live_name",
            "project_key",
            "name",
            unique=True,
            sqlite_where=_LIVE,
            postgresql_where=_LIVE,
        ),
    )

    key: Mapped[int] = mapped_column(Key, primary_key=True)
    id: Mapped[str] = mapped_column(Identity, unique=True)
    project_key: Mapped[int] = mapped_column(ForeignKey("projects.key", ondelete="CASCADE"))
    name: Mapped[str]
    description: Mapped[str]
    type: Mapped[str]
    created: Mapped[datetime]
    added: Mapped[int]
    removed: Mapped[int | None]


class ImageRow(Table):
    """An image.

    Attributes:
        sha256: of its bytes, which name its files (see `dahlia.server.storage.names`).
        suffix: of its file, such as `.jpg`.
        tagged: whether it has a tag in the workspace.
    """

    __tablename__ = "images"
    __table_args__ = (
        Index(
            "images_live_content",
            "project_key",
            "sha256",
            unique=True,
            sqlite_where=_LIVE,
            postgresql_where=_LIVE,
        ),
        Index("images_in_order", "project_key", "removed", "tagged", "key"),
        Index("images_by_epoch", "project_key", "key", "added", "removed"),
        Index("images_content", "sha256"),
    )

    key: Mapped[int] = mapped_column(Key, primary_key=True)
    id: Mapped[str] = mapped_column(Identity, unique=True)
    project_key: Mapped[int] = mapped_column(ForeignKey("projects.key", ondelete="CASCADE"))
    sha256: Mapped[str] = mapped_column(String(64))
    suffix: Mapped[str] = mapped_column(String(8))
    width: Mapped[int]
    height: Mapped[int]
    size: Mapped[int]
    details: Mapped[dict[str, str]]
    tagged: Mapped[bool]
    created: Mapped[datetime]
    added: Mapped[int]
    removed: Mapped[int | None]


class ImageTagRow(Table):
    """A tag of an image."""

    __tablename__ = "image_tags"
    __table_args__ = (
        Index(
            "image_tags_live",
            "image_key",
            "tag_key",
            unique=True,
            sqlite_where=_LIVE,
            postgresql_where=_LIVE,
        ),
        Index("image_tags_by_tag", "tag_key", "removed", "image_key"),
        Index("image_tags_by_image", "image_key", "added", "removed"),
    )

    key: Mapped[int] = mapped_column(Key, primary_key=True)
    image_key: Mapped[int] = mapped_column(ForeignKey("images.key", ondelete="CASCADE"))
    tag_key: Mapped[int] = mapped_column(ForeignKey("tags.key", ondelete="CASCADE"))
    created: Mapped[datetime]
    added: Mapped[int]
    removed: Mapped[int | None]


class RegionRow(Table):
    """A region of an image; fractions of its width and height, origin at the top left."""

    __tablename__ = "regions"
    __table_args__ = (
        Index("regions_by_image", "image_key"),
        Index("regions_by_tag", "tag_key", "removed"),
    )

    key: Mapped[int] = mapped_column(Key, primary_key=True)
    id: Mapped[str] = mapped_column(Identity, unique=True)
    image_key: Mapped[int] = mapped_column(ForeignKey("images.key", ondelete="CASCADE"))
    tag_key: Mapped[int] = mapped_column(ForeignKey("tags.key", ondelete="CASCADE"))
    left: Mapped[float] = mapped_column(Float)
    top: Mapped[float] = mapped_column(Float)
    width: Mapped[float] = mapped_column(Float)
    height: Mapped[float] = mapped_column(Float)
    created: Mapped[datetime]
    added: Mapped[int]
    removed: Mapped[int | None]


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


class SignInLinkRow(Table):
    """A link with which a browser may sign in, until it has.

    Attributes:
        hash: of its token.
        expires: when it ends unused.
    """

    __tablename__ = "sign_in_links"

    hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    expires: Mapped[datetime]


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
