"""Which workers there are."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from dahlia.server.database import types

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "workers",
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("lane", sa.String(length=8), nullable=False),
        sa.Column("started", types.Instant(), nullable=False),
        sa.Column("seen", types.Instant(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )


def downgrade() -> None:
    """Take back."""
    op.drop_table("workers")
