"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from dahlia.server.database import types

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "keys",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("hint", sa.String(length=4), nullable=False),
        sa.Column("scope", sa.String(length=16), nullable=False),
        sa.Column("project_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("created", types.Instant(), nullable=False),
        sa.Column("revoked", types.Instant(), nullable=True),
        sa.PrimaryKeyConstraint("key"),
        sa.UniqueConstraint("hash"),
        sa.UniqueConstraint("id"),
    )
    op.create_table(
        "projects",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("description", sa.String(), nullable=False),
        sa.Column("pipeline_name", sa.String(), nullable=False),
        sa.Column("domain_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("classification", sa.String(), nullable=True),
        sa.Column("export_platforms", sa.JSON(), nullable=False),
        sa.Column("augmentation", sa.JSON(), nullable=False),
        sa.Column("container_uri", sa.String(), nullable=True),
        sa.Column("queue_uri", sa.String(), nullable=True),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("created", types.Instant(), nullable=False),
        sa.Column("modified", types.Instant(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("iterations_made", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("key"),
        sa.UniqueConstraint("id"),
    )
    op.create_table(
        "secrets",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "audit",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("moment", types.Instant(), nullable=False),
        sa.Column("request", sa.String(), nullable=False),
        sa.Column("actor", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("project_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["actor"], ["keys.id"], ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("key"),
    )
    with op.batch_alter_table("audit", schema=None) as batch_op:
        batch_op.create_index("audit_in_order", ["project_id", "key"], unique=False)

    op.create_table(
        "images",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("project_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("suffix", sa.String(length=8), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("tagged", sa.Boolean(), nullable=False),
        sa.Column("created", types.Instant(), nullable=False),
        sa.Column("added", sa.Integer(), nullable=False),
        sa.Column("removed", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["project_key"], ["projects.key"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("key"),
        sa.UniqueConstraint("id"),
    )
    with op.batch_alter_table("images", schema=None) as batch_op:
        batch_op.create_index("images_content", ["sha256"], unique=False)
        batch_op.create_index("images_in_order", ["project_key", "removed", "tagged", "key"], unique=False)
        batch_op.create_index("images_by_epoch", ["project_key", "key", "added", "removed"], unique=False)
        batch_op.create_index(
            "images_live_content",
            ["project_key", "sha256"],
            unique=True,
            sqlite_where=sa.text("removed IS NULL"),
            postgresql_where=sa.text("removed IS NULL"),
        )

    op.create_table(
        "iterations",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("project_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("created", types.Instant(), nullable=False),
        sa.Column("modified", types.Instant(), nullable=False),
        sa.Column("trained", types.Instant(), nullable=True),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("domain_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("classification", sa.String(), nullable=True),
        sa.Column("training_type", sa.String(), nullable=False),
        sa.Column("budget_hours", sa.Integer(), nullable=False),
        sa.Column("minutes", sa.Integer(), nullable=False),
        sa.Column("chosen_tags", sa.JSON(), nullable=False),
        sa.Column("tag_ids", sa.JSON(), nullable=False),
        sa.Column("base_project_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("base_iteration_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("publish_name", sa.String(), nullable=True),
        sa.Column("publish_resource", sa.String(), nullable=True),
        sa.Column("error", sa.String(), nullable=True),
        sa.Column("run_id", sa.String(), nullable=True),
        sa.Column("files", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["project_key"], ["projects.key"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("key"),
        sa.UniqueConstraint("id"),
    )
    with op.batch_alter_table("iterations", schema=None) as batch_op:
        batch_op.create_index(
            "iterations_published",
            ["project_key", "publish_name"],
            unique=True,
            sqlite_where=sa.text("publish_name IS NOT NULL"),
            postgresql_where=sa.text("publish_name IS NOT NULL"),
        )
        batch_op.create_index(batch_op.f("ix_iterations_project_key"), ["project_key"], unique=False)

    op.create_table(
        "tags",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("project_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("description", sa.String(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("created", types.Instant(), nullable=False),
        sa.Column("added", sa.Integer(), nullable=False),
        sa.Column("removed", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["project_key"], ["projects.key"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("key"),
        sa.UniqueConstraint("id"),
    )
    with op.batch_alter_table("tags", schema=None) as batch_op:
        batch_op.create_index(
            "tags_live_name",
            ["project_key", "name"],
            unique=True,
            sqlite_where=sa.text("removed IS NULL"),
            postgresql_where=sa.text("removed IS NULL"),
        )

    op.create_table(
        "exports",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("iteration_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("platform", sa.String(), nullable=False),
        sa.Column("flavor", sa.String(), nullable=True),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("file_key", sa.String(), nullable=True),
        sa.Column("error", sa.String(), nullable=True),
        sa.Column("created", types.Instant(), nullable=False),
        sa.ForeignKeyConstraint(["iteration_key"], ["iterations.key"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("key"),
        sa.UniqueConstraint("id"),
    )
    with op.batch_alter_table("exports", schema=None) as batch_op:
        batch_op.create_index("exports_of", ["iteration_key", "platform", "flavor"], unique=False)

    op.create_table(
        "image_tags",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("image_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("tag_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("created", types.Instant(), nullable=False),
        sa.Column("added", sa.Integer(), nullable=False),
        sa.Column("removed", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["image_key"], ["images.key"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["tag_key"], ["tags.key"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("key"),
    )
    with op.batch_alter_table("image_tags", schema=None) as batch_op:
        batch_op.create_index("image_tags_by_image", ["image_key", "added", "removed"], unique=False)
        batch_op.create_index("image_tags_by_tag", ["tag_key", "removed", "image_key"], unique=False)
        batch_op.create_index(
            "image_tags_live",
            ["image_key", "tag_key"],
            unique=True,
            sqlite_where=sa.text("removed IS NULL"),
            postgresql_where=sa.text("removed IS NULL"),
        )

    op.create_table(
        "jobs",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("project_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("iteration_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("worker", sa.String(), nullable=True),
        sa.Column("beat", sa.Integer(), nullable=False),
        sa.Column("cancel", sa.Boolean(), nullable=False),
        sa.Column("progress", sa.JSON(), nullable=False),
        sa.Column("error", sa.String(), nullable=True),
        sa.Column("created", types.Instant(), nullable=False),
        sa.Column("started", types.Instant(), nullable=True),
        sa.Column("ended", types.Instant(), nullable=True),
        sa.ForeignKeyConstraint(["iteration_key"], ["iterations.key"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["project_key"], ["projects.key"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("key"),
        sa.UniqueConstraint("id"),
    )
    with op.batch_alter_table("jobs", schema=None) as batch_op:
        batch_op.create_index(
            "jobs_one_training",
            ["project_key"],
            unique=True,
            sqlite_where=sa.text("state IN ('waiting', 'running') AND kind = 'train'"),
            postgresql_where=sa.text("state IN ('waiting', 'running') AND kind = 'train'"),
        )
        batch_op.create_index("jobs_waiting", ["state", "key"], unique=False)

    op.create_table(
        "predictions",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("project_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("iteration_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("image_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("domain_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("suffix", sa.String(length=8), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("application", sa.String(), nullable=True),
        sa.Column("created", types.Instant(), nullable=False),
        sa.Column("predictions", sa.JSON(), nullable=False),
        sa.Column("uncertainty", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["image_key"], ["images.key"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["iteration_key"], ["iterations.key"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["project_key"], ["projects.key"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("key"),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("predictions", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_predictions_id"), ["id"], unique=False)
        batch_op.create_index(
            "predictions_by_image",
            ["image_key"],
            unique=False,
            sqlite_where=sa.text("image_key IS NOT NULL"),
            postgresql_where=sa.text("image_key IS NOT NULL"),
        )
        batch_op.create_index("predictions_content", ["sha256"], unique=False)
        batch_op.create_index("predictions_in_order", ["project_key", "key"], unique=False)
        batch_op.create_index(
            "predictions_of_iteration", ["iteration_key", "uncertainty", "key"], unique=False
        )
        batch_op.create_index("predictions_suggested", ["project_key", "uncertainty", "key"], unique=False)

    op.create_table(
        "regions",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("image_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("tag_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("left", sa.Float(), nullable=False),
        sa.Column("top", sa.Float(), nullable=False),
        sa.Column("width", sa.Float(), nullable=False),
        sa.Column("height", sa.Float(), nullable=False),
        sa.Column("created", types.Instant(), nullable=False),
        sa.Column("added", sa.Integer(), nullable=False),
        sa.Column("removed", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["image_key"], ["images.key"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["tag_key"], ["tags.key"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("key"),
        sa.UniqueConstraint("id"),
    )
    with op.batch_alter_table("regions", schema=None) as batch_op:
        batch_op.create_index("regions_by_image", ["image_key"], unique=False)
        batch_op.create_index("regions_by_tag", ["tag_key", "removed"], unique=False)

    op.create_table(
        "prediction_scores",
        sa.Column("prediction_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("tag_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("probability", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["prediction_key"], ["predictions.key"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("prediction_key", "tag_id"),
    )
    with op.batch_alter_table("prediction_scores", schema=None) as batch_op:
        batch_op.create_index("scores_by_tag", ["tag_id", "probability"], unique=False)

    op.create_table(
        "journal",
        sa.Column("segment", sa.String(length=80), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("segment"),
    )


def downgrade() -> None:
    """Take back."""
    op.drop_table("journal")
    with op.batch_alter_table("prediction_scores", schema=None) as batch_op:
        batch_op.drop_index("scores_by_tag")

    op.drop_table("prediction_scores")
    with op.batch_alter_table("regions", schema=None) as batch_op:
        batch_op.drop_index("regions_by_tag")
        batch_op.drop_index("regions_by_image")

    op.drop_table("regions")
    with op.batch_alter_table("predictions", schema=None) as batch_op:
        batch_op.drop_index("predictions_suggested")
        batch_op.drop_index("predictions_of_iteration")
        batch_op.drop_index("predictions_in_order")
        batch_op.drop_index("predictions_content")
        batch_op.drop_index(
            "predictions_by_image",
            sqlite_where=sa.text("image_key IS NOT NULL"),
            postgresql_where=sa.text("image_key IS NOT NULL"),
        )
        batch_op.drop_index(batch_op.f("ix_predictions_id"))

    op.drop_table("predictions")
    with op.batch_alter_table("jobs", schema=None) as batch_op:
        batch_op.drop_index("jobs_waiting")
        batch_op.drop_index(
            "jobs_one_training",
            sqlite_where=sa.text("state IN ('waiting', 'running') AND kind = 'train'"),
            postgresql_where=sa.text("state IN ('waiting', 'running') AND kind = 'train'"),
        )

    op.drop_table("jobs")
    with op.batch_alter_table("image_tags", schema=None) as batch_op:
        batch_op.drop_index(
            "image_tags_live",
            sqlite_where=sa.text("removed IS NULL"),
            postgresql_where=sa.text("removed IS NULL"),
        )
        batch_op.drop_index("image_tags_by_tag")
        batch_op.drop_index("image_tags_by_image")

    op.drop_table("image_tags")
    with op.batch_alter_table("exports", schema=None) as batch_op:
        batch_op.drop_index("exports_of")

    op.drop_table("exports")
    with op.batch_alter_table("tags", schema=None) as batch_op:
        batch_op.drop_index(
            "tags_live_name",
            sqlite_where=sa.text("removed IS NULL"),
            postgresql_where=sa.text("removed IS NULL"),
        )

    op.drop_table("tags")
    with op.batch_alter_table("iterations", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_iterations_project_key"))
        batch_op.drop_index(
            "iterations_published",
            sqlite_where=sa.text("publish_name IS NOT NULL"),
            postgresql_where=sa.text("publish_name IS NOT NULL"),
        )

    op.drop_table("iterations")
    with op.batch_alter_table("images", schema=None) as batch_op:
        batch_op.drop_index(
            "images_live_content",
            sqlite_where=sa.text("removed IS NULL"),
            postgresql_where=sa.text("removed IS NULL"),
        )
        batch_op.drop_index("images_in_order")
        batch_op.drop_index("images_by_epoch")
        batch_op.drop_index("images_content")

    op.drop_table("images")
    with op.batch_alter_table("audit", schema=None) as batch_op:
        batch_op.drop_index("audit_in_order")

    op.drop_table("audit")
    op.drop_table("secrets")
    op.drop_table("projects")
    op.drop_table("keys")
