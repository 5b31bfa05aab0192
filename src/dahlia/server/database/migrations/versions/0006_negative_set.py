"""Whether trainings use the built-in negative set: of each project, and of each iteration."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_NAME = "use_negative_set"


def upgrade() -> None:
    """Apply; the API has said so of every project, but what was trained before was trained without."""
    op.add_column("projects", sa.Column(_NAME, sa.Boolean(), nullable=False, server_default=sa.true()))
    op.add_column("iterations", sa.Column(_NAME, sa.Boolean(), nullable=False, server_default=sa.false()))


def downgrade() -> None:
    """Take back; no batch, which would rebuild the tables, and drop the triggers of `iterations`."""
    for table in ("iterations", "projects"):
        op.drop_column(table, _NAME)
